"""Sequencer: it runs the layers of a program, one after the other."""

from amaranth import *
from amaranth.lib import enum, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from .formats import LAYER_FIELDS, LAYER_WORDS, Layer, Operation, layer_range_layout
from .memory import WordMemory, word_write_layout

__all__ = ["Owner", "Sequencer", "program_write_layout"]


class Owner(enum.Enum, shape=2):
    """Who reads activation memory through its first port."""

    HOST = 0
    FEEDER = 1
    POOL = 2


def program_write_layout(config):
    """A program word on its way to memory."""
    return word_write_layout(16, config.layers * LAYER_WORDS)


class Sequencer(wiring.Component):
    """Program memory and the order of events.

    For each layer: start the units that it needs, wait until they are done, note the cycles since the layer before
    was noted. The description of the next layer is read while the units work: it is shifted into a register of its
    own and copied when the layer is over. So three cycles pass between the end of the units and the next start (the
    note, and two for what units work out ahead of their start) if the units worked for at least as long as reading
    takes, a word a cycle. The first layer of a run waits for all of its description.

    Members
    -------
    program : stream of ``program_write_layout``, in
        Always ready.
    run : stream of ``layer_range_layout``, in
        Taken when idle.
    running : out
        A run is under way, from the cycle after it was taken.
    input_free : out
        No layer that runs or is still to run reads the input of the network; high whenever no run is under way.
    cycles : out
        Cycles of all runs since the last ``clear``, those of the current one as far as they are noted.
    clear : in
        Makes ``cycles`` zero. Only while no run is under way.
    counter_request : stream of 16 bits, in
        A layer.
    counter_response : stream of 32 bits, out
        Cycles that the layer took when it last ran.
    layer : out
        Description of the current layer, stable from before a start until the units are done.
    owner : out
    start_convolution, start_pool, start_requantiser : out
        High for one cycle.
    busy : in
        Any unit is at work.
    """

    def __init__(self, config):
        self._config = config
        super().__init__(
            {
                "program": In(stream.Signature(program_write_layout(config))),
                "run": In(stream.Signature(layer_range_layout)),
                "running": Out(1),
                "input_free": Out(1),
                "cycles": Out(32),
                "clear": In(1),
                "counter_request": In(stream.Signature(16)),
                "counter_response": Out(stream.Signature(32)),
                "layer": Out(Layer),
                "owner": Out(Owner),
                "start_convolution": Out(1),
                "start_pool": Out(1),
                "start_requantiser": Out(1),
                "busy": In(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self._config
        layer, operation = self.layer, self.layer.operation
        m.submodules.program = program = WordMemory(16, config.layers * LAYER_WORDS)
        m.submodules.counters = counters = WordMemory(32, config.layers)
        connect(m, flipped(self.program), program.write)

        # The layer that runs; the one whose description is read or waits to be copied; the first that is not run.
        current = Signal(range(config.layers))
        following, end = Signal(range(config.layers + 1)), Signal(range(config.layers + 1))
        asked, arrived = Signal(range(len(LAYER_FIELDS) + 1)), Signal(range(len(LAYER_FIELDS) + 1))
        cycles, free = Signal(32), Signal()
        # No unit works: the description is copied, complete or not. One register alone says so to hundreds of others.
        idle = Signal()

        # A description arrives lowest word first and moves down as it comes.
        description = Signal(Layer)
        described = arrived == len(LAYER_FIELDS)
        m.d.comb += program.response.ready.eq(1)
        with m.If(program.response.valid):
            m.d.sync += [
                description.as_value().eq(Cat(description.as_value()[16:], program.response.p.data)),
                arrived.eq(arrived + 1),
            ]
        m.d.comb += program.request.valid.eq((asked != len(LAYER_FIELDS)) & (following != end))
        m.d.sync += asked.eq(asked + program.request.valid)

        m.d.comb += [
            program.request.p.address.eq(Cat(asked[: LAYER_WORDS.bit_length() - 1], following)),
            counters.request.p.address.eq(self.counter_request.payload),
            counters.request.valid.eq(self.counter_request.valid),
            self.counter_request.ready.eq(counters.request.ready),
            self.counter_response.payload.eq(counters.response.p.data),
            self.counter_response.valid.eq(counters.response.valid),
            counters.response.ready.eq(self.counter_response.ready),
            counters.write.p.address.eq(current),
            counters.write.p.data.eq(cycles),
            self.input_free.eq(free | ~self.running),
        ]

        def end_idling():
            m.d.sync += [
                idle.eq(0),
                current.eq(following),
                following.eq(following + 1),
                asked.eq(0),
                arrived.eq(0),
            ]
            m.next = "Settle"

        with m.If(self.clear):
            m.d.sync += self.cycles.eq(0)
        m.d.sync += cycles.eq(cycles + 1)
        with m.If(idle):
            m.d.sync += layer.eq(description)
        starts = Cat(self.start_convolution, self.start_pool, self.start_requantiser)
        m.d.sync += starts.eq(0)
        with m.FSM() as states:
            m.d.comb += self.running.eq(~states.ongoing("Idle"))
            with m.State("Idle"):
                m.d.comb += self.run.ready.eq(1)
                m.d.sync += cycles.eq(1)
                with m.If(self.run.valid):
                    m.d.sync += [
                        following.eq(self.run.p.first),
                        end.eq(self.run.p.first + self.run.p.count),
                        asked.eq(0),
                        arrived.eq(0),
                        free.eq(0),
                        idle.eq(1),
                    ]
                    m.next = "Describe"
            with m.State("Describe"), m.If(described):
                end_idling()
            with m.State("Settle"):
                m.d.sync += [
                    self.start_convolution.eq(operation == Operation.CONVOLUTION.value),
                    self.start_pool.eq(operation != Operation.CONVOLUTION.value),
                    self.start_requantiser.eq(operation != Operation.MAX_POOL.value),
                ]
                m.next = "Start"
            with m.State("Start"):
                with m.If(layer.input_free[0]):
                    m.d.sync += free.eq(1)
                m.d.sync += self.owner.eq(Mux(self.start_convolution, Owner.FEEDER, Owner.POOL))
                m.next = "Run"
            with m.State("Run"):
                with m.If(~self.busy):
                    m.d.sync += idle.eq(1)
                    m.next = "Note"
            with m.State("Note"):
                m.d.comb += counters.write.valid.eq(1)
                m.d.sync += [
                    self.cycles.eq(self.cycles + cycles),
                    cycles.eq(1),
                    self.owner.eq(Owner.HOST),
                ]
                with m.If(following == end):
                    m.d.sync += idle.eq(0)
                    m.next = "Idle"
                with m.Elif(described):
                    end_idling()
                with m.Else():
                    m.next = "Describe"
        return m
