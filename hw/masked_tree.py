"""Channel accumulation without a gather: all channels of a chunk are added at once, most of them as zero."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from .accumulation import LaneAccumulator
from .butterfly import BitScatter
from .concentration import lanes_layout
from .config import ACTIVATION_BITS
from .formats import pair_layout, z_layout

__all__ = ["MaskedTree"]


def _all_lanes(config):
    """The configuration with one lane for each channel of a chunk."""
    return config.replace(lanes=config.chunk, lookahead=0, lookaside=0)


class _MatchedScatter(wiring.Component):
    """Activations that meet a coefficient, in their own channel: one step of N lanes a chunk, 1 cycle later."""

    def __init__(self, config):
        self._config = config
        super().__init__(
            {
                "i": In(stream.Signature(pair_layout(config))),
                "o": Out(stream.Signature(lanes_layout(_all_lanes(config)))),
            }
        )

    @staticmethod
    def model(pairs):
        match = pairs["mask"] * pairs["map"]
        return {
            "lanes": {
                "value": BitScatter.model(pairs["values"], match, pairs["controls"]),
                "negative": match * pairs["negative"],
                "valid": match,
            },
            "tag": pairs["tag"],
        }

    def elaborate(self, platform):
        m = Module()
        m.submodules.scatter = scatter = BitScatter(self._config.chunk, ACTIVATION_BITS)

        pair = self.i.payload
        match = pair.mask & pair.map
        m.d.comb += [scatter.i.eq(pair.values), scatter.mask.eq(match), scatter.controls.eq(pair.controls)]
        with m.If(~self.o.valid | self.o.ready):
            m.d.comb += self.i.ready.eq(1)
            m.d.sync += self.o.valid.eq(self.i.valid)
            m.d.sync += self.o.payload.tag.eq(pair.tag)
            for channel, lane in enumerate(self.o.payload.lanes):
                m.d.sync += [
                    lane.value.eq(scatter.o[channel]),
                    lane.negative.eq(match[channel] & pair.negative[channel]),
                    lane.valid.eq(match[channel]),
                ]

        return m


class MaskedTree(wiring.Component):
    """Packed activations are scattered back to their channels, masked and added in one tree.

    Same members as ``ChannelAccumulation``. Every pair takes exactly one cycle whatever matches, at the price of
    a butterfly for whole activations and a tree of N lanes. Latency 3 cycles from the pair that carries ``last``.

    Parameters
    ----------
    config : Config

    Members
    -------
    signed_values : Signal(1), in
        1 if activations are two's complement, 0 if unsigned; may change only while the component is empty.
    i : stream of pair_layout(config), in
        Activation chunks met by coefficient chunks.
    o : stream of z_layout(config), out
        Intermediate elements; a zero travels only where it closes the pixel.
    """

    def __init__(self, config):
        self._config = config
        super().__init__(
            {
                "signed_values": In(1),
                "i": In(stream.Signature(pair_layout(config))),
                "o": Out(stream.Signature(z_layout(config))),
            }
        )

    @staticmethod
    def model(config, pairs, signed_values):
        """``{"z", "nonzero", "basis", "end": [n]}`` of pairs as ``Dilution.model`` takes them."""
        return LaneAccumulator.model(_all_lanes(config), _MatchedScatter.model(pairs), signed_values)

    def elaborate(self, platform):
        m = Module()
        m.submodules.scatter = scatter = _MatchedScatter(self._config)
        m.submodules.accumulator = accumulator = LaneAccumulator(_all_lanes(self._config))

        connect(m, row=flipped(self.i), scatter=scatter.i)
        connect(m, scatter=scatter.o, accumulator=accumulator.i)
        connect(m, accumulator=accumulator.o, row=flipped(self.o))
        m.d.comb += accumulator.signed_values.eq(self.signed_values)

        return m
