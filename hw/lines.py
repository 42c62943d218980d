"""Partial-sum lines: they join the rows of a kernel."""

import numpy as np
from amaranth import *
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["PartialSumLines"]


class PartialSumLines(wiring.Component):
    """R-1 delays of one line of positions each, with an adder behind each.

    At every position the sum of kernel row 0 enters the first line; what left it a line later is added to the sum of
    row 1 and enters the second line, and so on; the total is what left the last line plus the sum of the last row.
    Where rows of pixels come in twos, some kernel rows work for the same output as the row before (``joins``): their line does not delay.
    All lines share one block RAM and one address, which is known ahead: the word is read two cycles before it is
    added, through the RAM's output register. The line must therefore have at least four positions.
    One position a cycle.

    Parameters
    ----------
    config : Config
        ``kernel_height`` rows, ``line`` positions at most, ``accumulator_bits`` a sum.

    Members
    -------
    line : in
        Positions of a line, at least 4, the same from one position to the next within a layer.
    joins : ``kernel_height`` bits, in
        The same within a layer; never the first row.
    clear : in
        Starts a layer anew from the first place; the lines must have run empty.
    prepare : in
        One cycle before ``advance``: reads the word of this position.
    advance : in
        ``sums`` holds the row sums of this position.
    sums : array of signed ``accumulator_bits``, in
    total : signed ``accumulator_bits``, out
        Two cycles after ``advance``.
    """

    def __init__(self, config):
        self._config = config
        sums = signed(config.accumulator_bits)
        super().__init__(
            {
                "line": In(16),
                "joins": In(config.kernel_height),
                "clear": In(1),
                "prepare": In(1),
                "advance": In(1),
                "sums": In(sums).array(config.kernel_height),
                "total": Out(sums),
            }
        )

    @staticmethod
    def model(sums, line, joins=()):
        """Totals int64 [positions] of row sums [positions, R] after empty lines; ``joins`` holds the rows that do."""
        sums = np.asarray(sums, np.int64)
        totals = sums[:, 0]
        for row in range(1, sums.shape[1]):
            if row not in joins:
                totals = np.concatenate([np.zeros(line, np.int64), totals])[: len(sums)]
            totals = sums[:, row] + totals
        return totals

    def elaborate(self, platform):
        m = Module()
        config = self._config
        shape = signed(config.accumulator_bits)
        lines = config.kernel_height - 1
        word = data.ArrayLayout(shape, max(1, lines))
        m.submodules.words = words = memory.Memory(
            shape=word, depth=config.line, init=[], attrs={"ram_style": "block"}
        )
        read_port, write_port = words.read_port(), words.write_port()

        def count(address, step):
            with m.If(step):
                m.d.sync += address.eq(Mux(address == self.line[: len(address)] - 1, 0, address + 1))
            with m.If(self.clear):
                m.d.sync += address.eq(0)

        read_address, write_address = Signal(range(config.line)), Signal(range(config.line))
        stored = Signal()
        count(read_address, self.prepare)
        count(write_address, stored)

        left = Signal(word)
        sums = Signal(data.ArrayLayout(shape, config.kernel_height))
        added = Signal()
        m.d.comb += [
            read_port.addr.eq(read_address),
            read_port.en.eq(self.prepare),
            write_port.addr.eq(write_address),
            write_port.en.eq(stored),
        ]
        m.d.sync += [left.eq(read_port.data), added.eq(self.advance), stored.eq(added)]
        m.d.sync += [sums[r].eq(self.sums[r]) for r in range(config.kernel_height)]

        entering = Signal(word)
        m.d.comb += write_port.data.eq(entering)
        joined = sums[0]
        for r in range(config.kernel_height):
            if r:
                joined = sums[r] + Mux(self.joins[r], joined, left[r - 1])
            if r == lines:
                m.d.sync += self.total.eq(joined)
            else:
                # What the next row has joined already must not lie in a line when the layer ends.
                m.d.sync += entering[r].eq(Mux(self.joins[r + 1], 0, joined))
        return m
