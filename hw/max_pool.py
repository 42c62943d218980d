"""Maximum over windows of a map."""

import numpy as np
from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .activations import activation_write_layout
from .comparison import greater
from .formats import Layer, dense_layout
from .pool_line import PoolLine
from .window_reader import window_layout

__all__ = ["MaxPool"]


class MaxPool(wiring.Component):
    """Writes the maximum of each lane over the chunks of a window, be they read window by window or in a scan.

    Along a row two stretches may be in the making, as windows overlap. All that comes from the beginning of one
    on belongs to the one before it too, so one running maximum serves both: what it was when the second stretch
    began is put aside, and joins it when the first one ends. ``PoolLine`` joins the stretches of the rows.

    Takes a chunk a cycle, but for one cycle after the end of a stretch that is of ``both``: then no stretch may end.

    Members
    -------
    layer : in
        Stable from the first chunk until ``busy`` falls.
    i : stream of ``window_layout``, in
    busy : out
        From the cycle after a stretch has ended until it is written.
    write : stream of ``activation_write_layout``, out
        Must always be ready.
    """

    def __init__(self, config):
        self._config = config
        super().__init__(
            {
                "layer": In(Layer),
                "i": In(stream.Signature(window_layout(config))),
                "busy": Out(1),
                "write": Out(stream.Signature(activation_write_layout(config))),
            }
        )

    @staticmethod
    def latency(config):
        """Cycles from the last chunk of a window to the write."""
        return 3 if config.pool_columns else 1

    @staticmethod
    def model(tensor, window, stride, padding=(0, 0, 0, 0)):
        """Maxima of the windows (rows, columns) of an integer tensor [..., height, width].

        ``padding`` is the places outside of the map, (top, left, bottom, right): they never win.
        """
        top, left, bottom, right = padding
        tensor = np.asarray(tensor, np.int64)
        around = [(0, 0)] * (tensor.ndim - 2) + [(top, bottom), (left, right)]
        tensor = np.pad(tensor, around, constant_values=np.iinfo(np.int64).min)
        windows = np.lib.stride_tricks.sliding_window_view(tensor, window, axis=(-2, -1))
        return windows[..., ::stride, ::stride, :, :].max(axis=(-2, -1))

    def elaborate(self, platform):
        m = Module()
        config, layer, i = self._config, self.layer, self.i
        # What waits is looked at once, in its first cycle: whether it can be taken by then is known late.
        waited, looks = Signal(), Signal()
        m.d.comb += looks.eq(i.valid & ~waited)
        m.d.sync += waited.eq(i.valid & ~i.ready)
        # Without its sign a number is compared as one that is shifted by half the range.
        flip = layer.input_signed[0]
        values = [Cat(value[:-1], value[-1] ^ flip) for value in i.p.values]
        best = Signal(dense_layout(config))
        for greatest, value in zip(best, values, strict=True):
            with m.If(looks & (i.p.first | greater(value, greatest))):
                m.d.sync += greatest.eq(value)
        if config.pool_columns:
            self._stretches(m, best, looks)
        else:
            self._windows(m, best)
        return m

    def _windows(self, m, best):
        """Windows are complete as they are."""
        layer, i, write = self.layer, self.i, self.write
        flip = layer.input_signed[0]
        m.d.sync += [write.valid.eq(i.valid & i.p.last), write.p.address.eq(i.p.address)]
        m.d.comb += [
            i.ready.eq(1),
            write.p.bank.eq(layer.output_bank),
            write.p.lanes.eq(~C(0, self._config.chunk)),
            *(
                to.eq(Cat(value[:-1], value[-1] ^ flip))
                for to, value in zip(write.p.values, best, strict=True)
            ),
            self.busy.eq(write.valid),
        ]

    def _stretches(self, m, best, looks):
        """Two stretches to join, and a line to join them in."""
        config, i = self._config, self.i
        m.submodules.line = line = PoolLine(config)
        aside, stretch = Signal.like(best), Signal.like(best)
        # What was put aside belongs to the stretch that ends next; the latest chunk was a last one, now or earlier.
        joins, ended, ends = Signal(), Signal(), Signal()
        m.d.sync += ends.eq(line.i.valid & line.i.ready)
        with m.If(looks):
            m.d.sync += ended.eq(i.p.last)
            with m.If(i.p.first):
                m.d.sync += [aside.eq(best), joins.eq(i.p.joins)]
            with m.Elif(ended):
                m.d.sync += joins.eq(0)
        with m.If(ends):
            for joined, before, latest in zip(stretch, aside, best, strict=True):
                m.d.sync += joined.eq(Mux(joins & greater(before, latest), before, latest))
        m.d.comb += [
            i.ready.eq(~i.p.last | line.i.ready),
            line.i.valid.eq(i.valid & i.p.last),
            line.i.p.row.eq(i.p.row),
            line.i.p.column.eq(i.p.column),
            line.i.p.address.eq(i.p.address),
            line.values.eq(stretch),
            line.layer.eq(self.layer),
            self.busy.eq(line.busy),
            self.write.payload.eq(line.write.payload),
            self.write.valid.eq(line.write.valid),
            line.write.ready.eq(self.write.ready),
        ]
