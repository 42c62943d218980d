"""Accumulation of lanes: additions and subtractions of activations, over the steps of one sum."""

import numpy as np
from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from .config import ACTIVATION_BITS
from .formats import tag_layout, z_layout

__all__ = ["LaneAccumulator", "connect_terms", "terms_layout"]


def _add(a, b, carry):
    """``a + b + carry`` as one adder: the carry comes out of an extra lowest bit."""
    return (Cat(carry, a).as_signed() + Cat(Const(1), b).as_signed()) >> 1


def terms_layout(config):
    """What the adders of a step take: for each lane an activation of one more bit, and a carry; and the tag.

    An activation that counts negative is inverted, and its missing one is the carry; a lane that is not valid is zero.
    """
    term = data.StructLayout({"sum": signed(ACTIVATION_BITS + 1), "carry": 1})
    return data.StructLayout({"terms": data.ArrayLayout(term, config.lanes), "tag": tag_layout(config)})


def connect_terms(lanes, terms, signed_values):
    """Statements that make ``terms`` of the lanes of ``lanes_layout``."""
    statements = []
    for lane, term in zip(lanes, terms, strict=True):
        sign = signed_values & lane.value[-1]
        extended = Cat(lane.value, sign) ^ lane.negative.replicate(ACTIVATION_BITS + 1)
        statements += [term.sum.eq(extended.as_signed()), term.carry.eq(lane.negative)]
    return statements


class LaneAccumulator(wiring.Component):
    """Adds up the lanes of each step and the steps of each ``z``.

    Two stages: an adder tree over the lanes, then the accumulator. A tree of more than 8 lanes is cut once more, in
    the middle. Latency 2 cycles (3 with the cut) from the step that carries ``last``, throughput one step a cycle.
    It never waits. A ``z`` of zero that does not close the pixel ends here. Each adder of the tree takes in one of the carries,
    the accumulator the one left over.

    Parameters
    ----------
    config : Config

    Members
    -------
    i : stream of terms_layout(config), in
        Always ready.
    o : stream of z_layout(config), out
        Must always be taken. ``z`` modulo 2 ** z_bits, at the end of each sum.
    """

    def __init__(self, config):
        self._config = config
        super().__init__(
            {
                "i": In(stream.Signature(terms_layout(config), always_ready=True)),
                "o": Out(stream.Signature(z_layout(config), always_ready=True)),
            }
        )

    @staticmethod
    def model(config, steps, signed_values):
        """``{"z", "nonzero", "basis", "end": [n]}`` of steps as ``Concentration.model`` gives them."""
        values = np.asarray(steps["lanes"]["value"]).astype(np.int64)
        negative = np.asarray(steps["lanes"]["negative"]).astype(np.int64)
        tag = {name: np.asarray(field).astype(np.int64) for name, field in steps["tag"].items()}
        if signed_values:
            values = values - ((values >> (ACTIVATION_BITS - 1)) << ACTIVATION_BITS)
        sums = np.cumsum(np.where(negative, -values, values).sum(axis=1))
        last = np.flatnonzero(tag["last"])
        half = 1 << (config.z_bits - 1)
        z = (np.diff(sums[last], prepend=0) + half) % (2 * half) - half
        kept = (z != 0) | (tag["end"][last] == 1)
        z, last = z[kept], last[kept]
        return {
            "z": z,
            "nonzero": (z != 0).astype(np.int64),
            "basis": tag["basis"][last],
            "end": tag["end"][last],
        }

    def elaborate(self, platform):
        m = Module()
        config = self._config

        def register(name, terms, tag, valid):
            """A pipeline stage: the same after a register."""
            term = data.StructLayout({"sum": terms[0][0].shape(), "carry": 1})
            layout = data.StructLayout(
                {"terms": data.ArrayLayout(term, len(terms)), "tag": tag_layout(config)}
            )
            row = Signal(layout, name=name)
            row_valid = Signal(name=f"{name}_valid")
            m.d.sync += [row_valid.eq(valid), row.tag.eq(tag)]
            for held, (value, carry) in zip(row.terms, terms, strict=True):
                m.d.sync += [held.sum.eq(value), held.carry.eq(carry)]
            return [(held.sum, held.carry) for held in row.terms], row.tag, row_valid

        terms = [(term.sum, term.carry) for term in self.i.p.terms]
        tag, valid = self.i.payload.tag, self.i.valid
        levels = exact_log2(config.lanes)
        for level in range(levels):
            if config.tree_is_cut and level == levels // 2:
                terms, tag, valid = register("halfway", terms, tag, valid)
            pairs = zip(terms[::2], terms[1::2], strict=True)
            terms = [(_add(a, b, carry), left_over) for (a, carry), (b, left_over) in pairs]
        [(step_sum, step_carry)], tag, valid = register("summed", terms, tag, valid)

        accumulator = Signal(signed(config.z_bits))
        total = Signal(signed(config.z_bits))
        nonzero = Signal()
        m.d.comb += [
            total.eq(_add(accumulator, step_sum, step_carry)),
            nonzero.eq(total != 0),
        ]
        m.d.sync += [
            self.o.valid.eq(valid & tag.last & (nonzero | tag.end)),
            self.o.payload.z.eq(total),
            self.o.payload.nonzero.eq(nonzero),
            self.o.payload.basis.eq(tag.basis),
            self.o.payload.end.eq(tag.end),
        ]
        with m.If(valid):
            m.d.sync += accumulator.eq(Mux(tag.last, 0, total))

        return m
