"""Basis MAC of the serial machine: one multiplier, tap after tap."""

import numpy as np
from amaranth import *
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from .bases import basis_store_layout
from .formats import Layer, basis_layout, z_layout
from .serial_plane import plane_write_layout
from .taps import tap_group, tap_parity

__all__ = ["SerialTaps"]


class SerialTaps(wiring.Component):
    """Adds each ``z`` times the taps of its basis to the outputs that they work for.

    The last tap comes first, so that outputs come in raster order; a basis that has no other, as that of a 1x1 kernel, takes it
    alone. With stride 2 only the taps that meet an output are looked at. A tap a cycle::

        cycle   basis       plane
          t     z taken
          t+1   first tap   sum asked
          t+2   next tap    sum + z * first tap is written
          ...
          t+n   last tap
          t+n+1             sum + z * last tap is written

    The next ``z`` is taken together with the last tap; a cycle later where only taps of one row, or of one column, of the kernel are
    looked at, because its first output may be that of the last tap then. A zero, which only closes a pixel, takes one cycle.

    Members
    -------
    layer : in
        Stable from the cycle before ``begin`` on.
    begin : in
        A layer begins.
    start : in
        A pass begins. After ``begin``, and only while not ``busy``.
    busy : out
        What has been taken is not yet written.
    store : stream of ``basis_store_layout``, in
        Always ready. Not while ``busy``.
    z : stream of ``z_layout``, in
    position : out
        Output that ``sum`` is asked for.
    sum : in
        Its sum, a cycle later.
    write : stream of ``plane_write_layout``, out
        Must always be ready.
    """

    def __init__(self, config):
        self._config = config
        write = plane_write_layout(config)
        super().__init__(
            {
                "layer": In(Layer),
                "begin": In(1),
                "start": In(1),
                "busy": Out(1),
                "store": In(stream.Signature(basis_store_layout(config))),
                "z": In(stream.Signature(z_layout(config))),
                "position": Out(write["position"].shape),
                "sum": In(write["sum"].shape),
                "write": Out(stream.Signature(write)),
            }
        )

    @staticmethod
    def taps_of(size, stride_two, last_first, extent, before):
        """For each of ``extent`` rows (or columns) of the map: the taps that are looked at, in order, and the output of each.

        Parameters
        ----------
        size : int
            Taps of the configuration along the axis.
        stride_two : bool
            Whether the description has squares.
        last_first, before : int
            ``last_upper`` and ``pad_top``, or ``last_left`` and ``pad_left``.
        """
        taps = []
        for place in range(extent):
            if stride_two:
                square, second = divmod(place, 2)
                wanted = 1 if second != last_first else 0
                indices = [index for index in reversed(range(size)) if tap_parity(index, size) == wanted]
                outputs = [square + before - tap_group(index, size, last_first) for index in indices]
            else:
                indices = list(reversed(range(size)))
                outputs = [place + before - index for index in indices]
            taps.append(list(zip(indices, outputs, strict=True)))
        return taps

    @staticmethod
    def looked_at(config, layer):
        """``taps_of`` the rows and of the columns of the map of a layer."""
        squares = layer["squares"]
        return (
            SerialTaps.taps_of(
                config.kernel_height,
                squares,
                layer["last_upper"],
                layer["map_height" if squares else "height"],
                layer["pad_top"],
            ),
            SerialTaps.taps_of(
                config.kernel_width,
                squares,
                layer["last_left"],
                layer["map_width" if squares else "width"],
                layer["pad_left"],
            ),
        )

    @staticmethod
    def model(config, z, bases, layer):
        """Sums of one pass, int64 [output_height, output_width].

        Parameters
        ----------
        config : Config
        z : dict of arrays
            What a pass is given, as ``SerialSums.model`` makes it.
        bases : int array [M, R, S]
        layer : mapping
            ``LAYER_FIELDS``.
        """
        rows, columns = SerialTaps.looked_at(config, layer)
        sums = np.zeros((layer["output_height"], layer["output_width"]), np.int64)
        pixels = np.cumsum(z["end"]) - z["end"]
        for value, basis, pixel in zip(z["z"], z["basis"], pixels, strict=True):
            row, column = divmod(int(pixel), len(columns))
            for r, to_row in rows[row]:
                for s, to_column in columns[column]:
                    if 0 <= to_row < sums.shape[0] and 0 <= to_column < sums.shape[1]:
                        sums[to_row, to_column] += int(value) * int(bases[basis][r][s])
        return sums

    def elaborate(self, platform):
        m = Module()
        config, layer = self._config, self.layer
        height, width = config.kernel_height, config.kernel_width
        place = signed((2 * config.line).bit_length() + 2)
        squares = layer.squares[0]
        # Beside each basis, whether it has no tap but the last: to find out from the word read would take too long.
        kept = data.StructLayout({"taps": basis_layout(config), "alone": 1})
        m.submodules.bases = bases = memory.Memory(shape=kept, depth=config.basis_words, init=[])
        write_port, read_port = bases.write_port(), bases.read_port()
        stored = self.store.p.data
        m.d.comb += [
            write_port.addr.eq(self.store.p.address),
            write_port.data.taps.eq(stored),
            write_port.data.alone.eq(~stored.as_value()[: stored.as_value().shape().width - 8].any()),
            write_port.en.eq(self.store.valid),
            self.store.ready.eq(1),
        ]

        # Bases of the pass.
        base, own = Signal(range(config.basis_words)), Signal(range(config.basis_words))
        with m.If(self.begin):
            m.d.sync += [own.eq(layer.basis_base)]

        # Of the pixel whose z come: the first output that it works for, and whether the last tap does.
        top, left = Signal(place), Signal(place)
        line = Signal.like(self.position)
        below, right = Signal(), Signal()
        column = Signal((2 * config.line).bit_length())
        last_column = column + 1 == Mux(squares, layer.map_width, layer.width)[: len(column)]
        line_words = layer.output_width[: len(line)]

        def before(size, last_first, pad):
            last = Mux(squares, Mux(last_first, size // 2, (size - 1) // 2), size - 1)
            return last - pad[:3]

        above = Signal(range(height))
        m.d.comb += above.eq(before(height, layer.last_upper[0], layer.pad_top))
        to_left = Signal(range(width))
        m.d.comb += to_left.eq(before(width, layer.last_left[0], layer.pad_left))
        first_below, first_right = ~squares | layer.last_upper[0], ~squares | layer.last_left[0]

        # The tap that is looked at.
        r, s, first_s = Signal(range(height)), Signal(range(width)), Signal(range(width))
        to_row, to_column, first_column = Signal(place), Signal(place), Signal(place)
        to_line = Signal.like(line)
        z, multiplies, moved = Signal(signed(config.z_bits)), Signal(), Signal()
        last_s, last_r = s <= squares, r <= squares
        ends = (last_s & last_r) | read_port.data.alone
        m.d.comb += [
            self.z.ready.eq(~multiplies | (ends & moved & (s != first_s))),
            read_port.addr.eq(base + self.z.p.basis),
            read_port.en.eq(self.z.valid & self.z.ready),
            self.position.eq(to_line + to_column),
        ]

        def next_column():
            m.d.sync += [column.eq(column + 1), right.eq(right ^ squares), left.eq(left + right)]
            with m.If(last_column):
                m.d.sync += [
                    column.eq(0),
                    left.eq(-to_left),
                    right.eq(first_right),
                    below.eq(below ^ squares),
                    top.eq(top + below),
                    line.eq(line + Mux(below, line_words, 0)),
                ]

        with m.If(multiplies):
            m.d.sync += [s.eq(s - 1 - squares), to_column.eq(to_column + 1)]
            with m.If(last_s):
                m.d.sync += [
                    s.eq(first_s),
                    r.eq(r - 1 - squares),
                    to_column.eq(first_column),
                    to_row.eq(to_row + 1),
                    to_line.eq(to_line + line_words),
                    moved.eq(1),
                ]
            m.d.sync += multiplies.eq(~ends)
        with m.If(self.z.valid & self.z.ready):
            own_s = Mux(right, width - 1, max(0, width - 2))
            m.d.sync += [
                z.eq(self.z.p.z),
                multiplies.eq(self.z.p.nonzero),
                moved.eq(0),
                r.eq(Mux(below, height - 1, max(0, height - 2))),
                s.eq(own_s),
                first_s.eq(own_s),
                to_row.eq(top),
                to_line.eq(line),
                to_column.eq(left),
                first_column.eq(left),
            ]
            with m.If(self.z.p.end):
                next_column()
        with m.If(self.start):
            m.d.sync += [
                base.eq(own),
                column.eq(0),
                top.eq(-above),
                left.eq(-to_left),
                below.eq(first_below),
                right.eq(first_right),
                line.eq(-(above * line_words)),
            ]
            with m.If(layer.basis_own[0]):
                m.d.sync += own.eq(own + layer.basis_count)

        # Product and sum.
        settles, hits, position = Signal(), Signal(), Signal.like(self.position)
        product = Signal(signed(config.z_bits + 8))
        tap = Array(read_port.data.taps)[r * width + s]
        reaches = (to_row >= 0) & (to_row < layer.output_height) & (to_column >= 0)
        m.d.sync += [
            settles.eq(multiplies),
            hits.eq(multiplies & reaches & (to_column < layer.output_width)),
            position.eq(self.position),
            product.eq(z * tap),
        ]
        m.d.comb += [
            self.write.valid.eq(hits),
            self.write.p.position.eq(position),
            self.write.p.sum.eq(self.sum + product),
            self.busy.eq(multiplies | settles),
        ]
        return m
