"""Scale unit of the serial machine."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .config import ACTIVATION_BITS
from .formats import Layer, scale_layout
from .scaling import ScaleUnit

__all__ = ["SerialScale"]

#: What lies beyond this before the last shift, of at most 7, lies beyond every activation after it.
_CLIPPED = signed(ACTIVATION_BITS + 8)


class SerialScale(wiring.Component):
    """The formula of ``ScaleUnit`` in fewer registers: products, sum, two halves of the shift with a saturation between them, clamp.

    A pipeline that never waits. Latency ``LATENCY`` cycles, throughput one result a cycle.

    Members
    -------
    layer : in
        ``shift``, ``low``, ``high`` and ``residual_multiplier``; stable.
    accumulator : signed ``accumulator_bits``, in
    scale : ``scale_layout``, in
        Stable.
    residual : signed, in
        Zero if the layer adds none.
    value : 8 bits, out
    """

    #: Cycles from operands to value.
    LATENCY = 4
    #: The same numbers.
    model = staticmethod(ScaleUnit.model)

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

    def elaborate(self, platform):
        m = Module()
        config, layer = self._config, self.layer
        shift = layer.shift[:5]
        product = Signal(signed(config.accumulator_bits + config.multiplier_bits))
        added = Signal(signed(ACTIVATION_BITS + 1 + config.multiplier_bits))
        total = Signal(signed(config.bias_bits + 8))
        saturated, fine = Signal(_CLIPPED), Signal(_CLIPPED)
        coarse = Signal.like(total)
        above = coarse[_CLIPPED.width - 1 :]
        least = -1 << _CLIPPED.width - 1
        m.d.comb += [
            coarse.eq(total >> (shift[3:] << 3)),
            fine.eq(saturated >> shift[:3]),
        ]
        m.d.sync += [
            product.eq(self.accumulator * self.scale.multiplier),
            added.eq(self.residual * layer.residual_multiplier[: config.multiplier_bits - 1]),
            total.eq(product + added + self.scale.bias + ((1 << shift) >> 1)),
            saturated.eq(Mux(above.all() | ~above.any(), coarse, Mux(coarse < 0, least, ~least))),
            self.value.eq(Mux(fine < layer.low, layer.low, Mux(fine > layer.high, layer.high, fine))),
        ]
        return m
