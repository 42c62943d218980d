"""Store: it sends the words that the host loads to the memories that they are for."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .activations import activation_write_layout
from .bases import basis_store_layout
from .coefficients import row_write_layout
from .loader import write_layout
from .protocol import Target
from .requantiser import scale_write_layout
from .sequencer import program_write_layout
from .tables import table_write_layout

__all__ = ["Store"]


class Store(wiring.Component):
    """Splits the host link's writes by target. Latency one cycle, throughput a word in two cycles.

    Activations wait until they are taken; all other memories always are ready.

    Members
    -------
    i : stream of ``write_layout``, in
    program : stream of ``program_write_layout``, out
    basis : stream of ``basis_store_layout``, out
    scale : stream of ``scale_write_layout``, out
    table : stream of ``table_write_layout``, out
    coefficients : stream of ``row_write_layout``, out
    activations : stream of ``activation_write_layout``, out
    """

    def __init__(self, config):
        self._config = config
        super().__init__(
            {
                "i": In(stream.Signature(write_layout(config))),
                "program": Out(stream.Signature(program_write_layout(config))),
                "basis": Out(stream.Signature(basis_store_layout(config))),
                "scale": Out(stream.Signature(scale_write_layout(config))),
                "table": Out(stream.Signature(table_write_layout(config))),
                "coefficients": Out(stream.Signature(row_write_layout(config))),
                "activations": Out(stream.Signature(activation_write_layout(config))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        word = Signal.like(self.i.payload)
        arrived = Signal()
        m.d.comb += self.i.ready.eq(~arrived)
        with m.If(~arrived):
            m.d.sync += [word.eq(self.i.payload), arrived.eq(self.i.valid)]
        with m.Elif(~self.activations.valid | self.activations.ready):
            m.d.sync += arrived.eq(0)

        destinations = [
            (Target.PROGRAM, self.program),
            (Target.BASIS, self.basis),
            (Target.SCALE, self.scale),
            (Target.TABLE, self.table),
        ]
        for target, destination in destinations:
            m.d.comb += [
                destination.p.address.eq(word.address),
                destination.p.data.eq(word.data),
                destination.valid.eq(arrived & (word.target == target)),
            ]
        m.d.comb += [
            self.coefficients.p.row.eq(word.index),
            self.coefficients.p.write.address.eq(word.address),
            self.coefficients.p.write.data.eq(word.data),
            self.coefficients.valid.eq(arrived & (word.target == Target.COEFFICIENT)),
            self.activations.p.bank.eq(word.index),
            self.activations.p.address.eq(word.address),
            self.activations.p.lanes.eq(~C(0, self._config.chunk)),
            self.activations.p.values.eq(word.data),
            self.activations.valid.eq(arrived & (word.target == Target.ACTIVATION)),
        ]
        return m
