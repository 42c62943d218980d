"""Channel accumulation without concentration: all positions of a chunk are added at once, unmatched ones as zero."""

import numpy as np
from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from .accumulation import LaneAccumulator
from .dilution import Dilution
from .formats import pair_layout, z_layout

__all__ = ["MaskedTree"]


class MaskedTree(wiring.Component):
    """Dilution, then one adder tree over the N packed positions, of which those without a match are masked.

    An alternative to ``ChannelAccumulation`` with the same members: no scheduler, every pair takes exactly one
    cycle whatever matches, but the tree is N lanes wide and mostly adds zeros. Latency 3 cycles from the pair that
    carries ``last``, 4 where N is more than 8.

    Parameters
    ----------
    config : Config
        ``lanes``, ``lookahead`` and ``lookaside`` have no effect here.

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
        diluted = Dilution.model(pairs)
        match = np.asarray(diluted["match"])
        lanes = {"value": diluted["values"] * match, "negative": diluted["negative"], "valid": match}
        return LaneAccumulator.model(config, {"lanes": lanes, "tag": diluted["tag"]}, signed_values)

    def elaborate(self, platform):
        m = Module()
        config = self._config
        every_position = config.replace(lanes=config.chunk, lookahead=0, lookaside=0)
        m.submodules.dilution = dilution = Dilution(config)
        m.submodules.accumulator = accumulator = LaneAccumulator(every_position)

        connect(m, row=flipped(self.i), dilution=dilution.i)
        connect(m, accumulator=accumulator.o, row=flipped(self.o))
        m.d.comb += [
            accumulator.signed_values.eq(self.signed_values),
            accumulator.i.valid.eq(dilution.o.valid),
            dilution.o.ready.eq(accumulator.i.ready),
            accumulator.i.payload.tag.eq(dilution.o.payload.tag),
        ]
        for position, lane in enumerate(accumulator.i.payload.lanes):
            match = dilution.o.payload.match[position]
            m.d.comb += [
                lane.value.eq(Mux(match, dilution.o.payload.values[position], 0)),
                lane.negative.eq(dilution.o.payload.negative[position]),
                lane.valid.eq(match),
            ]

        return m
