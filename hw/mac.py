"""Basis MAC: intermediate elements times the taps of their basis, summed into results."""

import numpy as np
from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out, connect, flipped

from .bases import basis_write_layout, loaded_layout
from .formats import Layer, z_layout
from .issue import OperandIssue
from .lines import PartialSumLines
from .settled import settled
from .taps import TapArray, tap_group, tap_joins, tap_parity

__all__ = ["BasisMac"]

#: Positions that can be between the issue of an operand and the output FIFO.
_IN_FLIGHT = 8


class BasisMac(wiring.Component):
    """Convolves the ``z`` of one output channel with the layer's bases, in transposed form.

    The map is one line of positions, pass after pass, without a gap. Tap (r, s) of a basis at linear position ``n``
    belongs to the result at ``n + (pad_top - r) * line + pad_left - s``. So each multiplier owns a register; the
    registers of one kernel row form a chain that moves by one at every position, and R-1 partial-sum lines join the
    rows. A tap whose result would lie outside of the map is masked, which makes padding free: while a chain still
    carries the end of one row (or channel), its first registers already fill with the next::

        cycle   issue     operands   product    chain       row sums    total       FIFO
          t     z, m
          t+1             z, taps
          t+2                        B[m]*z     (line read)
          t+3                                   + product
          t+4                                               + lines
          t+5                                                           result
          t+6                                                                       stored

    Stride 2 takes a square of 2 x 2 pixels as one position: a tap meets only one pixel of a square, and the four pixels
    share the taps without a rest. Rows and columns of taps then count in twos (``taps.tap_group``). Rows
    of the PE are dealt into classes, each with the taps of its pixels, and one ``z`` of every class is taken in a cycle.
    A 1x1 kernel uses that too: its basis is there once for every class, and their products meet in one result.

    One non-zero ``z`` a cycle, or one of every class; a position takes at least one cycle. At the end of a layer all chains and
    lines hold zero again.

    Parameters
    ----------
    config : Config

    Members
    -------
    layer : in
        Stable while ``busy``.
    start : in
    busy : out
    basis : stream of ``basis_write_layout``, in
        Always ready. ``pe`` and ``every`` have been seen to.
    loaded : stream of ``loaded_layout``, in
        Always ready. A pass begins when its half of the table of bases is loaded.
    needed : 2 bits, out
        Which halves of the table hold bases that are still needed.
    z : array of streams of ``z_layout``, in, one for each row
    o : stream of signed ``accumulator_bits``, out
        Results in raster order, pass after pass; only those within ``output_height`` and ``output_width``.
    """

    def __init__(self, config):
        self._config = config
        super().__init__(
            {
                "layer": In(Layer),
                "start": In(1),
                "busy": Out(1),
                "basis": In(stream.Signature(basis_write_layout(config))),
                "loaded": In(stream.Signature(loaded_layout)),
                "needed": Out(2),
                "z": In(stream.Signature(z_layout(config))).array(config.rows),
                "o": Out(stream.Signature(signed(config.accumulator_bits))),
            }
        )

    @staticmethod
    def model(config, z, bases, layer):
        """Results as the chains and lines make them.

        Parameters
        ----------
        config : Config
        z : int array [passes, height, width, classes, pixels, M]
            Of each position, what the rows of each class make of their pixels of a square (one pixel otherwise).
        bases : int array [M, R, S]
        layer : mapping
            ``LAYER_FIELDS`` that concern the geometry.

        Returns
        -------
        int64 array [passes, output_height, output_width]
        """
        z, bases = np.asarray(z, np.int64), np.asarray(bases, np.int64)
        passes, height, width, classes, shares, _ = z.shape
        line, side_by_side = layer["line"], layer["side_by_side"]
        kernel_height, kernel_width = bases.shape[1:]
        down, right = np.arange(kernel_height), np.arange(kernel_width)
        parity = 2 * tap_parity(down, kernel_height)[:, None] + tap_parity(right, kernel_width)
        if side_by_side:
            down = tap_group(down, kernel_height, layer["last_upper"])
            right = tap_group(right, kernel_width, layer["last_left"])
        row_joins, column_joins = (
            [index for index in range(size) if side_by_side and tap_joins(index, size, last_first)]
            for size, last_first in ((kernel_height, layer["last_upper"]), (kernel_width, layer["last_left"]))
        )
        turned = (2 * layer["last_upper"] + layer["last_left"]) // classes
        chains = np.zeros((kernel_height, kernel_width), np.int64)
        sums = []
        for position in range(passes * height * line + layer["drain"]):
            index, place = divmod(position, height * line)
            row, column = divmod(place, line)
            if index < passes and column < width:
                to_row, to_column = row + layer["pad_top"] - down, column + layer["pad_left"] - right
                reached = np.outer((to_row >= 0) & (to_row < height), (to_column >= 0) & (to_column < line))
                for number, share in np.ndindex(classes, shares):
                    meets = reached
                    if layer["squares"]:
                        meets = meets & (parity == number + classes * (share ^ turned))
                    elif side_by_side:
                        meets = meets & (parity % classes == number)
                    chains += np.tensordot(z[index, row, column, number, share], bases, 1) * meets
            row_sums, chains = _moved(chains, column_joins)
            sums.append(row_sums)
        totals = PartialSumLines.model(sums, line, row_joins)
        results = totals[layer["drain"] :].reshape(passes, height, line)
        return results[:, : layer["output_height"], : layer["output_width"]]

    def elaborate(self, platform):
        m = Module()
        config, layer = self._config, self.layer
        place_bits = config.line.bit_length()
        m.submodules.issue = issue = OperandIssue(config, in_flight=_IN_FLIGHT)
        m.submodules.taps = taps = TapArray(config)
        m.submodules.lines = lines = PartialSumLines(config)
        height = config.kernel_height
        row_joins = [
            layer.side_by_side[0]
            & Mux(layer.last_upper[0], tap_joins(r, height, True), tap_joins(r, height, False))
            for r in range(height)
        ]
        connect(m, loaded=flipped(self.loaded), issue=issue.loaded)
        connect(m, basis=flipped(self.basis), taps=taps.basis)
        for index in range(config.rows):
            connect(m, z=flipped(self.z[index]), issue=issue.z[index])
        m.d.comb += [
            issue.layer.eq(layer),
            issue.start.eq(self.start),
            self.busy.eq(issue.busy),
            self.needed.eq(issue.needed),
            taps.layer.eq(layer),
            taps.position.eq(issue.position),
            taps.advance.eq(issue.advance),
            lines.line.eq(layer.line),
            lines.joins.eq(Cat(settled(m, joins) for joins in row_joins)),
            lines.clear.eq(self.start),
            lines.prepare.eq(taps.prepared),
            lines.advance.eq(taps.finished),
        ]
        m.d.comb += [taps.operands[number].eq(issue.operands[number]) for number in range(config.classes)]
        m.d.comb += [lines.sums[r].eq(taps.sums[r]) for r in range(config.kernel_height)]

        # Results within the output.
        skip = Signal(range(config.kernel_height * config.line + config.kernel_width))
        column, row = Signal(place_bits), Signal(place_bits)
        last_column = settled(m, layer.line - 1, width=place_bits)
        last_row = settled(m, layer.height - 1, width=place_bits)
        totalled, keep = Signal(), Signal()
        within = (column < layer.output_width[:place_bits]) & (row < layer.output_height[:place_bits])
        m.d.sync += [totalled.eq(taps.finished), keep.eq(totalled & (skip == 0) & within)]
        with m.If(~self.busy):
            m.d.sync += [skip.eq(layer.drain), column.eq(0), row.eq(0)]
        with m.Elif(totalled & (skip != 0)):
            m.d.sync += skip.eq(skip - 1)
        with m.Elif(totalled):
            m.d.sync += column.eq(column + 1)
            with m.If(column == last_column):
                m.d.sync += [column.eq(0), row.eq(row + 1)]
                with m.If(row == last_row):
                    m.d.sync += row.eq(0)

        m.submodules.results = results = SyncFIFOBuffered(
            width=config.accumulator_bits, depth=config.output_fifo
        )
        m.d.comb += [
            results.w_data.eq(lines.total),
            results.w_en.eq(keep),
            self.o.payload.eq(results.r_data.as_signed()),
            self.o.valid.eq(results.r_rdy),
            results.r_en.eq(self.o.ready),
        ]
        m.d.sync += issue.room.eq(results.level < config.output_fifo - _IN_FLIGHT)
        return m


def _moved(chains, joins):
    """Row sums, and the chains [R, S] after they have moved by one position."""
    moved, carried = np.zeros_like(chains), 0
    for s in range(chains.shape[1]):
        if s in joins:
            carried = chains[:, s - 1] + chains[:, s]
        else:
            moved[:, s] = carried
            carried = chains[:, s]
    return carried, moved
