"""Activation memory: three banks of dense chunks."""

from amaranth import *
from amaranth.lib import data, memory, stream, wiring
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

    Each read port has a latency of two cycles and gives one chunk a cycle; a stalled response stalls its requests. A
    chunk that is written in the cycle in which its request is taken comes as it was before in the lanes that are not written; the
    others must not be used: a block RAM gives anything for them.

    Members
    -------
    write : stream of ``activation_write_layout``, in
        Always ready.
    requests : array of streams of ``read_layout``, in
        Two ports; they must not ask for the same bank at the same time. Any bank may be written meanwhile.
    responses : array of streams of ``dense_layout``, out
    """

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

        accepted = Signal(2)
        read_ports = {}
        for bank in Bank:
            # One memory a byte lane would waste half of every block RAM: lanes share the words.
            m.submodules[f"bank_{bank.name.lower()}"] = words = memory.Memory(
                shape=ACTIVATION_BITS * config.chunk, depth=config.activation_words, init=[]
            )
            write_port = words.write_port(granularity=ACTIVATION_BITS)
            read_ports[bank] = read_port = words.read_port()
            write = self.write.p
            m.d.comb += [
                write_port.addr.eq(write.address),
                write_port.data.eq(write.values),
                write_port.en.eq(Mux(self.write.valid & (write.bank == bank), write.lanes, 0)),
            ]
            wanted = [accepted[port] & (self.requests[port].p.bank == bank) for port in range(2)]
            m.d.comb += [
                read_port.en.eq(wanted[0] | wanted[1]),
                read_port.addr.eq(Mux(wanted[1], self.requests[1].p.address, self.requests[0].p.address)),
            ]

        for port in range(2):
            request, response = self.requests[port], self.responses[port]
            fetched, bank = Signal(name=f"fetched_{port}"), Signal(Bank, name=f"bank_{port}")
            register_free = ~response.valid | response.ready
            m.d.comb += [
                request.ready.eq(~fetched | register_free),
                accepted[port].eq(request.valid & request.ready),
            ]
            with m.If(request.ready):
                m.d.sync += [fetched.eq(request.valid), bank.eq(request.p.bank)]
            with m.If(register_free):
                m.d.sync += response.valid.eq(fetched)
                with m.Switch(bank):
                    for choice in Bank:
                        with m.Case(choice):
                            m.d.sync += response.payload.eq(read_ports[choice].data)
        return m
