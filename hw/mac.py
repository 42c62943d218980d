"""Basis MAC: intermediate elements times the taps of their basis, summed into results."""

import numpy as np
from amaranth import *
from amaranth.lib import memory, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from .bases import basis_write_layout, loaded_layout
from .formats import Layer, basis_layout, z_layout
from .lines import PartialSumLines
from .settled import settled

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

    One non-zero ``z`` a cycle; a position takes at least one cycle. A zero ``z``, which only closes a pixel, is taken
    beside a non-zero one of another row; it takes a cycle where no other row has one left. Positions of a line beyond
    the width of the map, and those after the last pixel until the last result is out, pass by themselves.
    At the end of a layer all chains and lines hold zero again.

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
        Results in raster order, pass after pass; only those that ``stride``, ``output_height`` and
        ``output_width`` keep.
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
    def model(z, bases, layer):
        """Results as the chains and lines make them.

        Parameters
        ----------
        z : int array [passes, height, width, M]
        bases : int array [M, R, S]
        layer : mapping
            ``LAYER_FIELDS`` that concern the geometry.

        Returns
        -------
        int64 array [passes, output_height, output_width]
        """
        z, bases = np.asarray(z, np.int64), np.asarray(bases, np.int64)
        passes, height, width, _ = z.shape
        line, stride = layer["line"], layer["stride"]
        kernel_height, kernel_width = bases.shape[1:]
        chains = np.zeros((kernel_height, kernel_width), np.int64)
        sums = []
        for position in range(passes * height * line + layer["drain"]):
            index, place = divmod(position, height * line)
            row, column = divmod(place, line)
            if index < passes and column < width:
                to_row = row + layer["pad_top"] - np.arange(kernel_height)
                to_column = column + layer["pad_left"] - np.arange(kernel_width)
                rows = (to_row >= 0) & (to_row < height)
                columns = (to_column >= 0) & (to_column < line)
                chains += np.tensordot(z[index, row, column], bases, 1) * np.outer(rows, columns)
            sums.append(chains[:, -1].copy())
            chains = np.pad(chains, ((0, 0), (1, 0)))[:, :-1]
        totals = PartialSumLines.model(sums, line)
        results = totals[layer["drain"] :].reshape(passes, height, line)
        kept = results[:, ::stride, ::stride]
        return kept[:, : layer["output_height"], : layer["output_width"]]

    def elaborate(self, platform):
        m = Module()
        config, layer = self._config, self.layer
        place_bits = config.line.bit_length()
        line, width, height = (field[:place_bits] for field in (layer.line, layer.width, layer.height))
        output_width, output_height = layer.output_width[:place_bits], layer.output_height[:place_bits]
        pad_top, pad_left = layer.pad_top[:3], layer.pad_left[:3]
        last_column = settled(m, line - 1, width=place_bits)
        last_row = settled(m, height - 1, width=place_bits)
        kernel_height, kernel_width = config.kernel_height, config.kernel_width

        m.submodules.taps = taps = memory.Memory(
            shape=basis_layout(config), depth=2 << config.basis_bits, init=[]
        )
        taps_write = taps.write_port()
        taps_read = taps.read_port(domain="comb")
        m.d.comb += [
            taps_write.addr.eq(Cat(self.basis.p.basis, self.basis.p.half)),
            taps_write.data.eq(self.basis.p.taps),
            taps_write.en.eq(self.basis.valid),
            self.basis.ready.eq(1),
            self.loaded.ready.eq(1),
        ]

        # Issue: at most one non-zero z; the position closes when every row has ended its pixel.
        column, row = Signal(place_bits), Signal(place_bits)
        passes_left = Signal(range(config.channels + 1))
        drain_left = Signal(range(config.kernel_height * config.line + config.kernel_width))
        room = Signal()
        ended = Signal(config.rows)
        in_map = Signal()
        half, loaded = Signal(), Signal()
        m.d.comb += loaded.eq(self.needed.bit_select(half, 1))
        filling = column >= width

        candidates = Cat(z.valid & z.p.nonzero & ~ended[i] for i, z in enumerate(self.z))
        zero_ends = Cat(z.valid & ~z.p.nonzero & ~ended[i] for i, z in enumerate(self.z))
        chosen = Signal(config.rows)
        taken = Signal(config.rows)
        ended_now = Signal(config.rows)
        use, advance = Signal(), Signal()
        z, basis = Signal(signed(config.z_bits)), Signal(config.basis_bits)
        m.d.comb += chosen.eq(candidates & (~candidates + 1))
        with m.If(in_map & room & loaded & ~filling):
            m.d.comb += [taken.eq(chosen | zero_ends), use.eq(candidates.any())]
        for index, source in enumerate(self.z):
            m.d.comb += source.ready.eq(taken[index])
            with m.If(chosen[index]):
                m.d.comb += [z.eq(source.p.z), basis.eq(source.p.basis)]
        m.d.comb += ended_now.eq(ended | Cat(taken[i] & source.p.end for i, source in enumerate(self.z)))
        m.d.sync += ended.eq(Mux(advance, 0, ended_now))

        def next_position():
            m.d.comb += advance.eq(1)
            m.d.sync += column.eq(column + 1)
            with m.If(column == last_column):
                m.d.sync += [column.eq(0), row.eq(row + 1)]
                with m.If(row == last_row):
                    m.d.sync += [row.eq(0), passes_left.eq(passes_left - 1)]
                    with m.If(layer.basis_own[0]):
                        m.d.sync += [half.eq(~half), self.needed.bit_select(half, 1).eq(0)]

        with m.If(self.loaded.valid):
            m.d.sync += self.needed.bit_select(self.loaded.p.half, 1).eq(1)

        last_position = (column == last_column) & (row == last_row) & (passes_left == 1)
        with m.FSM() as fsm:
            with m.State("Idle"):
                m.d.sync += [
                    column.eq(0),
                    row.eq(0),
                    passes_left.eq(layer.passes),
                    drain_left.eq(layer.drain),
                    half.eq(0),
                    self.needed.eq(0),
                ]
                with m.If(self.start):
                    m.next = "Map"
            with m.State("Map"):
                m.d.comb += in_map.eq(1)
                with m.If(room & loaded & (filling | ended_now.all())):
                    next_position()
                    with m.If(last_position):
                        m.next = "Drain"
            with m.State("Drain"):
                with m.If(drain_left == 0):
                    m.next = "Flush"
                with m.Elif(room):
                    m.d.comb += advance.eq(1)
                    m.d.sync += drain_left.eq(drain_left - 1)
            with m.State("Flush"):
                with m.If(drain_left == _IN_FLIGHT):
                    m.next = "Idle"
                m.d.sync += drain_left.eq(drain_left + 1)
        m.d.comb += self.busy.eq(~fsm.ongoing("Idle"))

        # Operands.
        z_1, basis_1, half_1, advance_1 = Signal.like(z), Signal.like(basis), Signal(), Signal()
        rows_1, columns_1 = Signal(kernel_height), Signal(kernel_width)
        for r in range(kernel_height):
            reached = row + pad_top
            m.d.sync += rows_1[r].eq(use & (reached >= r) & (reached < height + r))
        for s in range(kernel_width):
            reached = column + pad_left
            m.d.sync += columns_1[s].eq((reached >= s) & (reached < line + s))
        m.d.sync += [z_1.eq(z), basis_1.eq(basis), half_1.eq(half), advance_1.eq(advance)]
        m.d.comb += taps_read.addr.eq(Cat(basis_1, half_1))

        z_2, advance_2, advance_3 = Signal.like(z), Signal(), Signal()
        m.d.sync += [z_2.eq(z_1), advance_2.eq(advance_1), advance_3.eq(advance_2)]

        m.submodules.lines = lines = PartialSumLines(config)
        m.d.comb += [
            lines.line.eq(layer.line),
            lines.clear.eq(self.start),
            lines.prepare.eq(advance_2),
            lines.advance.eq(advance_3),
        ]
        for r in range(kernel_height):
            carried = Const(0, signed(config.accumulator_bits))
            for s in range(kernel_width):
                tap = Signal(signed(8), name=f"tap_{r}_{s}")
                product = Signal(signed(8 + config.z_bits), name=f"product_{r}_{s}")
                chain = Signal(signed(config.accumulator_bits), name=f"chain_{r}_{s}")
                total = Signal(signed(config.accumulator_bits), name=f"total_{r}_{s}")
                m.d.sync += [
                    tap.eq(Mux(rows_1[r] & columns_1[s], taps_read.data[r * kernel_width + s], 0)),
                    product.eq(tap * z_2),
                    chain.eq(Mux(advance_3, carried, total)),
                ]
                m.d.comb += total.eq(chain + product)
                carried = total
            m.d.comb += lines.sums[r].eq(carried)

        # Results that the stride keeps.
        skip, out_column, out_row = Signal.like(drain_left), Signal(place_bits), Signal(place_bits)
        keep, keep_column, keep_row = Signal(), Signal(), Signal()
        halved = settled(m, layer.stride == 2)
        m.d.comb += [
            keep_column.eq(
                Mux(
                    halved,
                    ~out_column[0] & (out_column[1:] < output_width),
                    out_column < output_width,
                )
            ),
            keep_row.eq(Mux(halved, ~out_row[0] & (out_row[1:] < output_height), out_row < output_height)),
        ]
        advance_4 = Signal()
        m.d.sync += [
            advance_4.eq(advance_3),
            keep.eq(advance_4 & (skip == 0) & keep_column & keep_row),
        ]
        with m.If(fsm.ongoing("Idle")):
            m.d.sync += [skip.eq(layer.drain), out_column.eq(0), out_row.eq(0)]
        with m.Elif(advance_4 & (skip != 0)):
            m.d.sync += skip.eq(skip - 1)
        with m.Elif(advance_4):
            m.d.sync += out_column.eq(out_column + 1)
            with m.If(out_column == last_column):
                m.d.sync += [out_column.eq(0), out_row.eq(out_row + 1)]
                with m.If(out_row == last_row):
                    m.d.sync += out_row.eq(0)

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
        m.d.sync += room.eq(results.level < config.output_fifo - _IN_FLIGHT)
        return m
