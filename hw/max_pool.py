"""Maximum over windows of a map."""

import numpy as np
from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .activations import activation_write_layout
from .config import ACTIVATION_BITS
from .formats import Layer, dense_layout
from .window_reader import window_layout

__all__ = ["MaxPool"]


class MaxPool(wiring.Component):
    """Writes the maximum of each lane over the chunks of a window. Takes a chunk a cycle; latency one cycle.

    Members
    -------
    layer : in
        Stable from the first chunk until the last write.
    i : stream of ``window_layout``, in
        Always ready.
    write : stream of ``activation_write_layout``, out
        Must always be ready.
    """

    def __init__(self, config):
        self._config = config
        super().__init__(
            {
                "layer": In(Layer),
                "i": In(stream.Signature(window_layout(config))),
                "write": Out(stream.Signature(activation_write_layout(config))),
            }
        )

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
        best = Signal(dense_layout(config))
        sign_flip = Cat(C(0, ACTIVATION_BITS - 1), layer.input_signed[0])
        m.d.comb += i.ready.eq(1)
        m.d.sync += self.write.valid.eq(i.valid & i.p.last)
        with m.If(i.valid):
            m.d.sync += self.write.p.address.eq(i.p.address)
            for greatest, value in zip(best, i.p.values, strict=True):
                with m.If(i.p.first | ((value ^ sign_flip) > (greatest ^ sign_flip))):
                    m.d.sync += greatest.eq(value)
        m.d.comb += [
            self.write.p.bank.eq(layer.output_bank),
            self.write.p.lanes.eq(~C(0, config.chunk)),
            self.write.p.values.eq(best),
        ]
        return m
