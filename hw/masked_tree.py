"""Channel accumulation without concentration: all activations of a chunk are added at once, unmatched ones as zero."""

import numpy as np
from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from .accumulation import LaneAccumulator, connect_terms, terms_layout
from .concentration import lanes_layout
from .config import ACTIVATION_BITS
from .formats import pair_layout, z_layout

__all__ = ["MaskedTree"]


class MaskedTree(wiring.Component):
    """One adder tree over the N activations of a chunk, of which those without a coefficient are masked.

    An alternative to ``ChannelAccumulation`` with the same members. No SparseMap, no butterfly and no scheduler: activations are
    in their places, as memory has them, and every pair takes exactly one cycle whatever matches; but the tree is N lanes
    wide and mostly adds zeros. It never waits. Latency 3 cycles from the pair that carries ``last``, 4 where N is more than 8.

    Parameters
    ----------
    config : Config
        ``lanes``, ``lookahead`` and ``lookaside`` have no effect here.

    Members
    -------
    signed_values : Signal(1), in
        1 if activations are two's complement, 0 if unsigned; may change only while the component is empty.
    i : stream of pair_layout(config), in
        Activation chunks met by coefficient chunks. Always ready.
    o : stream of z_layout(config), out
        Must always be taken. Intermediate elements; a zero travels only where it closes the pixel.
    """

    def __init__(self, config):
        self._config = config
        super().__init__(
            {
                "signed_values": In(1),
                "i": In(stream.Signature(pair_layout(config), always_ready=True)),
                "o": Out(stream.Signature(z_layout(config), always_ready=True)),
            }
        )

    @staticmethod
    def model(config, pairs, signed_values):
        """``{"z", "nonzero", "basis", "end": [n]}`` of pairs as ``Matcher.model`` gives them."""
        matched = np.asarray(pairs["map"]).astype(np.int64)
        lanes = {
            "value": np.asarray(pairs["values"]).astype(np.int64) * matched,
            "negative": np.asarray(pairs["negative"]),
            "valid": matched,
        }
        return LaneAccumulator.model(config, {"lanes": lanes, "tag": pairs["tag"]}, signed_values)

    def elaborate(self, platform):
        m = Module()
        config = self._config
        every_place = config.replace(lanes=config.chunk, lookahead=0, lookaside=0)
        m.submodules.accumulator = accumulator = LaneAccumulator(every_place)

        # Masked and inverted before a register, in one LUT a bit, so that an adder follows at once behind it.
        lanes, matched = Signal(lanes_layout(every_place)), Signal(terms_layout(every_place))
        valid = Signal()
        connect(m, accumulator=accumulator.o, row=flipped(self.o))
        m.d.comb += [
            accumulator.i.valid.eq(valid),
            accumulator.i.payload.eq(matched),
        ]
        for place, lane in enumerate(lanes.lanes):
            chosen = self.i.p["map"][place]
            m.d.comb += [
                lane.value.eq(self.i.p["values"][place] & chosen.replicate(ACTIVATION_BITS)),
                lane.negative.eq(self.i.p.negative[place]),
            ]
        m.d.sync += [
            valid.eq(self.i.valid),
            matched.tag.eq(self.i.p.tag),
            *connect_terms(lanes.lanes, matched.terms, self.signed_values),
        ]
        return m
