"""Counters of the cycles in which units had work to do and waited."""

import numpy as np
from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .protocol import Unit

__all__ = ["StallCounters"]


class StallCounters(wiring.Component):
    """One counter for each ``Unit``. They go round after 2^32 cycles.

    A cycle is counted two cycles later: whether a unit waits is often known late in a cycle, so a register takes it.

    Members
    -------
    stalled : in, one bit for each unit
        It has work to do and waits.
    clear : in
        All counters become zero, and do not count what came in the cycle before.
    counts : array of 32 bits, out, one for each unit
    """

    def __init__(self):
        super().__init__({"stalled": In(len(Unit)), "clear": In(1), "counts": Out(32).array(len(Unit))})

    @staticmethod
    def model(stalled):
        """Counts, a list of int, after cycles bool [cycles, units] without a ``clear``."""
        return (np.sum(stalled, axis=0, dtype=np.int64) % (1 << 32)).tolist()

    def elaborate(self, platform):
        m = Module()
        stalled = Signal.like(self.stalled)
        m.d.sync += stalled.eq(self.stalled)
        for count, waits in zip(self.counts, stalled, strict=True):
            m.d.sync += count.eq(count + waits)
            with m.If(self.clear):
                m.d.sync += count.eq(0)
        return m
