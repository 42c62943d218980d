"""Dilution: activations and coefficients of a chunk are matched, on the packed activations."""

import numpy as np
from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .butterfly import BitGather
from .formats import dense_layout, pair_layout, tag_layout

__all__ = ["Dilution", "diluted_layout"]


def diluted_layout(config):
    """Packed activations, those that meet a non-zero coefficient (``match``) and those that meet a -1."""
    return data.StructLayout(
        {
            "values": dense_layout(config),
            "match": config.chunk,
            "negative": config.chunk,
            "tag": tag_layout(config),
        }
    )


class Dilution(wiring.Component):
    """Finds the packed activations that meet a non-zero coefficient, and the signs they meet.

    The coefficients under the activation mask are gathered to the front, where their activations already are: two
    planes of one bit pass through a butterfly, the activations do not move. Both use the controls of the
    activation mask, which travel with the chunk.

    Latency 1 cycle, throughput one chunk a cycle.

    From Li et al., "ESCALATE: Boosting the Efficiency of Sparse CNN Accelerator with Kernel Decomposition", 2021.

    Parameters
    ----------
    config : Config

    Members
    -------
    i : stream of pair_layout(config), in
        An activation chunk, the butterfly controls of its mask, and a coefficient chunk.
    o : stream of diluted_layout(config), out
        The packed activations, with ``match`` and ``negative`` (a subset) over their packed positions.
    """

    def __init__(self, config):
        self._config = config
        super().__init__(
            {
                "i": In(stream.Signature(pair_layout(config))),
                "o": Out(stream.Signature(diluted_layout(config))),
            }
        )

    @staticmethod
    def model(pairs):
        """Diluted chunks of a dictionary of arrays, one row a chunk.

        Fields are named as in the layouts: ``mask``, ``values``, ``map`` and ``negative [n, N]``, ``controls
        [n, switches]``, and in ``tag`` a dictionary with ``basis``, ``last`` and ``end [n]``. Masks are arrays of 0
        and 1, ``values`` are bytes.
        """
        mask, signs = np.asarray(pairs["mask"]), np.asarray(pairs["negative"])
        return {
            "values": np.asarray(pairs["values"]).astype(np.int64),
            "match": BitGather.model(mask * pairs["map"], pairs["controls"]),
            "negative": BitGather.model(mask * signs, pairs["controls"]),
            "tag": pairs["tag"],
        }

    def elaborate(self, platform):
        m = Module()
        m.submodules.match = match = BitGather(self._config.chunk, 1)
        m.submodules.negative = negative = BitGather(self._config.chunk, 1)

        pair = self.i.payload
        m.d.comb += [
            match.i.eq(pair.map & pair.mask),
            match.controls.eq(pair.controls),
            negative.i.eq(pair.negative & pair.mask),
            negative.controls.eq(pair.controls),
        ]
        with m.If(~self.o.valid | self.o.ready):
            m.d.comb += self.i.ready.eq(1)
            m.d.sync += self.o.valid.eq(self.i.valid)
            m.d.sync += [
                self.o.payload.values.eq(pair.values),
                self.o.payload.match.eq(match.o),
                self.o.payload.negative.eq(negative.o),
                self.o.payload.tag.eq(pair.tag),
            ]

        return m
