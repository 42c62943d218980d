"""Activation memory: three banks of dense chunks."""

from amaranth import *
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out

from .config import ACTIVATION_BITS
from .formats import Bank, dense_layout, read_layout

__all__ = ["ActivationMemory", "activation_write_layout"]


def activation_write_layout(config):
    """Activations on their way to memory; only lanes with ``lanes`` set are written."""
    return data.StructLayout(
        {
            "bank": Bank,
            "address": range(config.activation_words),
            "lanes": config.chunk,
            "values": dense_layout(config),
        }
    )


class ActivationMemory(wiring.Component):
    """Three banks, of which a layer reads one or two and writes one, be it another or one that it reads.

    Chunks are stored dense: a slot must have room for N values whether or not they are zero, so a mask would only add
    bits, and P output channels a pass fill parts of a chunk, which byte enables do without reading it first. The
    SparseMap encoder sits behind the read port.

    Block RAMs fill a good part of the width of a part, so a register lies on the way to them, and nothing that is under way waits: a
    port takes a request if there is a place for its chunk among the ``UNDER_WAY`` that wait to be taken. Each port has a
    latency of ``LATENCY`` cycles and gives one chunk a cycle::

        cycle   0         1            2             3               4
                request   address to   block RAM     banks come      chunk can
                taken     its bank     answers       together        be taken

    Writes take the same register, so a chunk that is written in the cycle in which its request is taken comes as it was before in the
    lanes that are not written; the others must not be used: a block RAM gives anything for them.

    Members
    -------
    write : stream of ``activation_write_layout``, in
        Always ready.
    requests : array of streams of ``read_layout``, in
        Two ports; they must not ask for the same bank at the same time. Any bank may be written meanwhile.
    responses : array of streams of ``dense_layout``, out
    """

    #: Cycles from a request to its chunk.
    LATENCY = 4
    #: Chunks of a port that may have been asked for and not taken: enough for one a cycle.
    UNDER_WAY = 8

    def __init__(self, config):
        self._config = config
        super().__init__(
            {
                "write": In(stream.Signature(activation_write_layout(config))),
                "requests": In(stream.Signature(read_layout)).array(2),
                "responses": Out(stream.Signature(dense_layout(config))).array(2),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self._config
        m.d.comb += self.write.ready.eq(1)
        write = Signal.like(self.write.p, name="write")
        m.d.sync += write.eq(self.write.p)

        accepted = Signal(2)
        read_data = {}
        for bank in Bank:
            name = bank.name.lower()
            # One memory a byte lane would waste half of every block RAM: lanes share the words.
            m.submodules[f"bank_{name}"] = words = memory.Memory(
                shape=ACTIVATION_BITS * config.chunk, depth=config.activation_words, init=[]
            )
            write_port = words.write_port(granularity=ACTIVATION_BITS)
            read_port = words.read_port()
            lanes = Signal.like(write_port.en, name=f"lanes_{name}")
            wanted = [accepted[port] & (self.requests[port].p.bank == bank) for port in range(2)]
            m.d.comb += [
                write_port.addr.eq(write.address),
                write_port.data.eq(write.values),
                write_port.en.eq(lanes),
            ]
            reads, address = Signal(name=f"reads_{name}"), Signal.like(read_port.addr, name=f"address_{name}")
            m.d.sync += [
                lanes.eq(Mux(self.write.valid & (self.write.p.bank == bank), self.write.p.lanes, 0)),
                reads.eq(wanted[0] | wanted[1]),
                address.eq(Mux(wanted[1], self.requests[1].p.address, self.requests[0].p.address)),
            ]
            m.d.comb += [read_port.en.eq(reads), read_port.addr.eq(address)]
            read_data[bank] = read_port.data

        for port in range(2):
            request, response = self.requests[port], self.responses[port]
            m.submodules[f"chunks_{port}"] = chunks = SyncFIFO(
                width=dense_layout(config).as_shape().width, depth=self.UNDER_WAY
            )
            free = Signal(range(self.UNDER_WAY + 1), init=self.UNDER_WAY, name=f"free_{port}")
            left = Signal.like(free, name=f"left_{port}")
            m.d.comb += [
                accepted[port].eq(request.valid & request.ready),
                left.eq(free - accepted[port] + (response.valid & response.ready)),
                chunks.r_en.eq(response.ready),
                response.valid.eq(chunks.r_rdy),
                response.payload.eq(chunks.r_data),
            ]
            m.d.sync += [free.eq(left), request.ready.eq(left != 0)]
            on_its_way = [(accepted[port], request.p.bank)]
            for stage in range(2):
                here, bank = Signal(name=f"here_{port}_{stage}"), Signal(Bank, name=f"bank_{port}_{stage}")
                m.d.sync += [here.eq(on_its_way[-1][0]), bank.eq(on_its_way[-1][1])]
                on_its_way.append((here, bank))
            with m.Switch(bank):
                for choice in Bank:
                    with m.Case(choice):
                        m.d.sync += chunks.w_data.eq(read_data[choice])
            m.d.sync += chunks.w_en.eq(here)
        return m
