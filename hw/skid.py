"""Skid buffer: it cuts the path of ``ready`` that runs back through a pipeline."""

from amaranth import *
from amaranth.hdl import ShapeLike
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["SkidBuffer"]


class SkidBuffer(wiring.Component):
    """Passes a stream on; what arrives in the cycle in which the sink stops waits in a second register.

    ``ready`` and ``valid`` both come from registers. Latency one cycle, throughput one transfer a cycle.

    Parameters
    ----------
    shape : shape-like
        Shape of the payload.

    Members
    -------
    i : stream, in
    o : stream, out
    """

    def __init__(self, shape: ShapeLike):
        super().__init__({"i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape))})

    def elaborate(self, platform):
        m = Module()
        waiting = Signal.like(self.i.payload)
        waits = Signal()
        m.d.comb += self.i.ready.eq(~waits)
        # It does not matter what ``waiting`` holds while nothing waits, and so its enable is a register.
        with m.If(~waits):
            m.d.sync += waiting.eq(self.i.payload)
        with m.If(~self.o.valid | self.o.ready):
            m.d.sync += [
                self.o.valid.eq(self.i.valid | waits),
                self.o.payload.eq(self.i.payload),
                waits.eq(0),
            ]
            with m.If(waits):
                m.d.sync += self.o.payload.eq(waiting)
        with m.Elif(self.i.valid & ~waits):
            m.d.sync += waits.eq(1)
        return m
