"""Scale unit: one result becomes one 8-bit activation."""

import numpy as np
from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .config import ACTIVATION_BITS
from .formats import Layer, scale_layout
from .settled import settled

__all__ = ["ScaleUnit"]

#: Bits of the accumulator that one multiplier of 18 x 18 takes, as a positive number.
_LOW_BITS = 17
#: What lies beyond this before the last shift, of at most 7, lies beyond every activation after it.
_CLIPPED = signed(ACTIVATION_BITS + 8)
_LEAST = -1 << _CLIPPED.width - 1


def _sum_of_products(m, factor, value, *, name):
    """``factor * value`` two cycles later, made of adders: multipliers are scarce. ``factor`` is two's complement."""
    terms = [Mux(bit, value << place, 0) for place, bit in enumerate(factor)]
    terms[-1] = -terms[-1]
    shape = signed(len(factor) + len(value) + 1)
    parts = [Signal(shape, name=f"{name}_part_{index}") for index in range(3)]
    total = Signal(shape, name=f"{name}_product")
    # As many adders after one another in either cycle.
    m.d.sync += [part.eq(sum(terms[index::3])) for index, part in enumerate(parts)]
    m.d.sync += total.eq(sum(parts))
    return total


class ScaleUnit(wiring.Component):
    """``clamp((acc * multiplier + bias + residual * residual_multiplier + 2^(shift-1)) >> shift, low, high)``.

    A pipeline that never waits: operands, products, three sums, two halves of the shift and between them a saturation,
    which makes the second half and the clamp short, clamp. One hardware multiplier, with registers on both sides, takes
    the low bits of the accumulator; its high bits and the residual are multiplied in logic. Latency ``LATENCY`` cycles, throughput one result a cycle.

    Members
    -------
    layer : in
        ``shift``, ``low``, ``high`` and ``residual_multiplier``; stable.
    accumulator : signed ``accumulator_bits``, in
    scale : ``scale_layout``, in
    residual : signed, in
        Zero if the layer adds none.
    value : 8 bits, out
    """

    #: Cycles from operands to value.
    LATENCY = 9

    def __init__(self, config):
        self._config = config
        super().__init__(
            {
                "layer": In(Layer),
                "accumulator": In(signed(config.accumulator_bits)),
                "scale": In(scale_layout(config)),
                "residual": In(signed(ACTIVATION_BITS + 1)),
                "value": Out(ACTIVATION_BITS),
            }
        )

    @staticmethod
    def model(accumulators, multiplier, bias, shift, low, high, residual=0, residual_multiplier=0):
        """The formula above on int64 arrays that broadcast; returns int64 from ``low`` to ``high``."""
        total = np.asarray(accumulators, np.int64) * np.asarray(multiplier, np.int64)
        total = total + np.asarray(bias, np.int64)
        total = total + np.asarray(residual, np.int64) * np.int64(residual_multiplier)
        return np.clip((total + (1 << (shift - 1))) >> shift, low, high)

    def elaborate(self, platform):
        m = Module()
        config, layer = self._config, self.layer
        sum_shape = signed(config.bias_bits + 8)
        accumulator = Signal.like(self.accumulator)
        scale = Signal.like(self.scale)
        residual = Signal.like(self.residual)
        half = Signal(32)
        shift = settled(m, layer.shift, width=5)
        least, greatest = settled(m, layer.low), settled(m, layer.high)
        m.d.sync += [
            accumulator.eq(self.accumulator),
            scale.eq(self.scale),
            residual.eq(self.residual),
            half.eq((1 << shift) >> 1),
        ]

        low, high = accumulator[:_LOW_BITS], accumulator[_LOW_BITS:]
        product = Signal(signed(_LOW_BITS + 1 + config.multiplier_bits))
        offset = Signal(sum_shape)
        m.d.sync += [product.eq(low * scale.multiplier), offset.eq(scale.bias + half)]
        residual_multiplier = settled(m, layer.residual_multiplier, width=config.multiplier_bits - 1)
        residual_sum = _sum_of_products(m, residual, residual_multiplier, name="residual")
        high_sum = _sum_of_products(m, high, scale.multiplier, name="high")

        low_sum, low_later = Signal(sum_shape), Signal(sum_shape)
        side_sum, total = Signal(sum_shape), Signal(sum_shape)
        coarse, saturated, fine = Signal(sum_shape), Signal(_CLIPPED), Signal(_CLIPPED)
        above = coarse[_CLIPPED.width - 1 :]
        m.d.sync += [
            low_sum.eq(product + offset),
            low_later.eq(low_sum),
            side_sum.eq(residual_sum + (high_sum << _LOW_BITS)),
            total.eq(low_later + side_sum),
            coarse.eq(total >> (shift[3:5] << 3)),
            saturated.eq(Mux(above.all() | ~above.any(), coarse, Mux(coarse < 0, _LEAST, ~_LEAST))),
            fine.eq(saturated >> shift[:3]),
            self.value.eq(Mux(fine < least, least, Mux(fine > greatest, greatest, fine))),
        ]
        return m
