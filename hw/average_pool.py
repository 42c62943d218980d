"""Sums over windows of a map, for average pooling."""

import numpy as np
from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .config import ACTIVATION_BITS
from .formats import Layer
from .window_reader import window_layout

__all__ = ["AveragePool"]


class AveragePool(wiring.Component):
    """Adds the chunks of a window and hands the N sums to the requantiser, ``requantisers`` a cycle, channel 0 first.

    Takes a chunk a cycle; the sums of a window leave from the next cycle on, while those of the next are made. So a window
    takes as many cycles as it has chunks, or as its sums need to leave, whichever is more.

    Members
    -------
    layer : in
        Stable from the first chunk until the last sum has been taken.
    i : stream of ``window_layout``, in
    sums : stream of array of signed ``accumulator_bits``, out
    """

    def __init__(self, config):
        self._config = config
        super().__init__(
            {
                "layer": In(Layer),
                "i": In(stream.Signature(window_layout(config))),
                "sums": Out(
                    stream.Signature(data.ArrayLayout(signed(config.accumulator_bits), config.requantisers))
                ),
            }
        )

    @staticmethod
    def model(tensor, window, stride):
        """Sums of the windows (rows, columns) of an integer tensor [..., height, width]."""
        windows = np.lib.stride_tricks.sliding_window_view(
            np.asarray(tensor, np.int64), window, axis=(-2, -1)
        )
        return windows[..., ::stride, ::stride, :, :].sum(axis=(-2, -1))

    def elaborate(self, platform):
        m = Module()
        config, layer, i, units = self._config, self.layer, self.i, self._config.requantisers
        # A window has at most all the pixels of a bank.
        bits = min(config.accumulator_bits, ACTIVATION_BITS + 1 + config.activation_words.bit_length())
        sums, leaving = (
            Signal(data.ArrayLayout(signed(bits), config.chunk), name=name) for name in ("sums", "leaving")
        )
        groups = config.chunk // units
        left = Signal(range(groups + 1))
        gives = self.sums.valid & self.sums.ready
        m.d.comb += [
            self.sums.valid.eq(left != 0),
            *(self.sums.payload[unit].eq(leaving[unit]) for unit in range(units)),
            i.ready.eq(~i.p.last | (left == 0) | ((left == 1) & self.sums.ready)),
        ]
        with m.If(gives):
            m.d.sync += [left.eq(left - 1), leaving.as_value().eq(leaving.as_value() >> (units * bits))]
        with m.If(i.valid & i.ready):
            for total, byte, leaver in zip(sums, i.p.values, leaving, strict=True):
                added = Mux(i.p.first, 0, total) + Cat(byte, byte[-1] & layer.input_signed[0]).as_signed()
                m.d.sync += total.eq(added)
                with m.If(i.p.last):
                    m.d.sync += leaver.eq(added)
            with m.If(i.p.last):
                m.d.sync += left.eq(groups)
        return m
