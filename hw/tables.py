"""Activation tables: any function of one activation, by its 256 values."""

import numpy as np
from amaranth import *
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from .config import ACTIVATION_BITS
from .formats import Layer
from .memory import word_write_layout
from .settled import settled

__all__ = ["ActivationTable", "table_write_layout"]


def table_write_layout(config):
    """An entry on its way to the tables: that of value ``v`` in table ``t`` is at ``256 * t + v``."""
    return word_write_layout(ACTIVATION_BITS, config.table_words)


class ActivationTable(wiring.Component):
    """Replaces an activation by its entry in the table of the layer, or passes it on where the layer has none.

    A pipeline that never waits: memory, then a register, as block RAM is slow from clock to output. Latency
    ``LATENCY`` cycles either way, throughput one activation a cycle.

    Members
    -------
    layer : in
        ``table``; stable from a cycle before the first activation until the last one has left.
    store : stream of ``table_write_layout``, in
        Always ready.
    i : 8 bits, in
    o : 8 bits, out
    """

    #: Cycles from an activation to its entry.
    LATENCY = 2

    def __init__(self, config):
        self._config = config
        super().__init__(
            {
                "layer": In(Layer),
                "store": In(stream.Signature(table_write_layout(config))),
                "i": In(ACTIVATION_BITS),
                "o": Out(ACTIVATION_BITS),
            }
        )

    @staticmethod
    def model(values, tables, number):
        """Bytes of integer ``values`` after table ``number`` (as in the field ``table``) of ``tables`` [tables, 256]."""
        values = np.asarray(values, np.int64) & 0xFF
        return np.asarray(tables, np.int64)[number - 1, values] & 0xFF if number else values

    def elaborate(self, platform):
        m = Module()
        layer = self.layer
        m.submodules.entries = entries = memory.Memory(
            shape=ACTIVATION_BITS, depth=self._config.table_words, init=[]
        )
        write_port, read_port = entries.write_port(), entries.read_port()
        table, used = settled(m, layer.table - 1, width=8), settled(m, layer.table != 0)
        unchanged = Signal(ACTIVATION_BITS)
        m.d.comb += [
            write_port.addr.eq(self.store.p.address),
            write_port.data.eq(self.store.p.data),
            write_port.en.eq(self.store.valid),
            self.store.ready.eq(1),
            read_port.addr.eq(Cat(self.i, table)),
        ]
        m.d.sync += [unchanged.eq(self.i), self.o.eq(Mux(used, read_port.data, unchanged))]
        return m
