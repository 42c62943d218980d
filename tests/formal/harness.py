"""The surroundings of a component in a proof: every source, every sink and every other input as free as it may be.

What a proof may assume of streams is built, not assumed: a source that has offered something goes on offering it. So
no assumption can contradict another and make a proof empty.
"""

from amaranth.hdl import *
from amaranth.hdl import Assert, Assume, Cover
from amaranth.lib import stream, wiring

__all__ = ["Harness"]


class Harness:
    """A component whose inputs are inputs of the proof; it checks the rules of streams at every output.

    Parameters
    ----------
    dut : Component
        What is proved something of.
    static : iterable of str
        Input members that have any value, but the same in all cycles.
    driven : iterable of str
        Input members that the proof drives itself.
    ready : iterable of str
        Streams whose sink is always ready, as the component asks of it.

    Attributes
    ----------
    module : Module
        To add to: what else the proof needs.
    ports : list of Signal
        Inputs of the proof.
    outputs : dict of str to stream
        Streams that leave the component and may have to wait, by member, those of arrays as ``results_0``.
    inputs : dict of str to stream
        Streams that enter it.
    """

    def __init__(self, dut, *, static=(), driven=(), ready=()):
        self.dut, self.module = dut, Module()
        self.ports, self.inputs, self.outputs = [], {}, {}
        self.module.submodules.dut = dut
        self.started = Signal()
        self.module.d.sync += self.started.eq(1)
        self._static, self._driven, self._ready = set(static), set(driven), set(ready)
        for name, member in dut.signature.members.items():
            if name not in self._driven:
                self._surround(name, name, member, getattr(dut, name), member.dimensions)

    def _surround(self, member_name, name, member, value, dimensions):
        if dimensions:
            for index in range(dimensions[0]):
                self._surround(member_name, f"{name}_{index}", member, value[index], dimensions[1:])
        elif member.is_port:
            if member.flow is wiring.In:
                free = self.free(name, len(Value.cast(value)))
                value = Value.cast(value)
                self.module.d.comb += value.eq(self.constant(free) if member_name in self._static else free)
        elif not isinstance(member.signature, stream.Signature):
            for part, inner in member.signature.members.items():
                self._surround(member_name, f"{name}_{part}", inner, getattr(value, part), inner.dimensions)
        elif member.flow is wiring.In:
            self._source(name, value)
        elif member.signature.always_ready:
            return
        elif member_name in self._ready:
            self.module.d.comb += value.ready.eq(1)
        else:
            self._sink(name, value)

    def free(self, name, shape=1):
        """An input of the proof: any value in any cycle."""
        signal = Signal(shape, name=f"{name}_free")
        self.ports.append(signal)
        return signal

    def constant(self, value):
        """The value that a free input has in the first cycle, in all cycles."""
        held = Signal.like(value, name=f"{value.name}_held")
        constant = Signal.like(value, name=f"{value.name}_constant")
        self.module.d.comb += constant.eq(Mux(self.started, held, value))
        self.module.d.sync += held.eq(constant)
        return constant

    def last(self, value):
        """The value of a cycle ago; zero in the first cycle."""
        register = Signal(Value.cast(value).shape())
        self.module.d.sync += register.eq(value)
        return register

    def _source(self, name, port):
        """Offers anything at any time, and then offers it until it is taken."""
        m = self.module
        payload = Value.cast(port.payload)
        offered, waiting = self.free(f"{name}_valid"), Signal(name=f"{name}_waiting")
        value, held = self.free(f"{name}_payload", len(payload)), Signal(len(payload), name=f"{name}_offered")
        m.d.comb += [
            port.valid.eq(offered | waiting),
            payload.eq(Mux(waiting, held, value)),
        ]
        m.d.sync += [waiting.eq(port.valid & ~port.ready), held.eq(payload)]
        self.inputs[name] = port

    def _sink(self, name, port):
        """Is ready at any time; what was offered and not taken must be offered again."""
        m = self.module
        valid, ready = Signal(name=f"{name}_valid"), self.free(f"{name}_ready")
        m.d.comb += [port.ready.eq(ready), valid.eq(port.valid)]
        waiting, held = self.last(port.valid & ~port.ready), self.last(port.payload)
        with m.If(waiting):
            m.d.comb += [
                Assert(port.valid, f"{name}: valid fell before the transfer"),
                Assert(Value.cast(port.payload) == held, f"{name}: payload changed before the transfer"),
                Cover(port.valid & port.ready, f"{name}: taken after it had to wait"),
            ]
        self.outputs[name] = port

    def check(self, condition, message):
        """To be proved: holds in every cycle."""
        self.module.d.comb += Assert(condition, message, src_loc_at=1)

    def assume(self, condition):
        """Cycles after one in which it does not hold are of no interest."""
        self.module.d.comb += Assume(condition, src_loc_at=1)

    def cover(self, condition, message):
        """To be reached in some run: what was proved is not proved of nothing."""
        self.module.d.comb += Cover(condition, message, src_loc_at=1)
