"""The end of a pixel moves to the last intermediate element that is not zero."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .formats import z_layout

__all__ = ["PixelCloser"]


class PixelCloser(wiring.Component):
    """Spares the MAC the zeros that only say that a pixel has ended.

    Holds each ``z`` back until the next one comes. If that is a zero, which travels only because it carries
    ``end``, the one that is held takes the ``end`` and the zero is dropped. A zero is left only where a row made
    nothing else for the pixel. It never waits. Latency one cycle for a ``z`` with ``end``, otherwise until the next; throughput one a cycle.

    Members
    -------
    i : stream of ``z_layout``, in
        Always ready.
    o : stream of ``z_layout``, out
        Must always be taken.
    """

    def __init__(self, config):
        super().__init__(
            {
                "i": In(stream.Signature(z_layout(config), always_ready=True)),
                "o": Out(stream.Signature(z_layout(config), always_ready=True)),
            }
        )

    @staticmethod
    def model(z):
        """The dictionary of arrays that ``LaneAccumulator.model`` gives, with ends moved and zeros dropped."""
        kept, last = [], None
        end = z["end"].copy()
        for index in range(len(end)):
            if last is not None and not z["nonzero"][index] and not end[last]:
                end[last] = 1
            else:
                kept.append(index)
                last = index
        return {name: (end if name == "end" else field)[kept] for name, field in z.items()}

    def elaborate(self, platform):
        m = Module()
        held = Signal.like(self.i.payload)
        holds, open_, merges = Signal(), Signal(), Signal()
        m.d.comb += [
            open_.eq(holds & ~held.end),
            merges.eq(open_ & self.i.valid & ~self.i.p.nonzero),
            self.o.payload.eq(held),
            self.o.p.end.eq(held.end | merges),
            self.o.valid.eq(holds & (held.end | self.i.valid)),
        ]
        with m.If(self.i.valid):
            m.d.sync += [held.eq(self.i.payload), holds.eq(~merges)]
        with m.Elif(held.end):
            m.d.sync += holds.eq(0)
        return m
