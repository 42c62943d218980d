"""Double buffer: two places in turn, so that the sink decides about next to nothing."""

from amaranth import *
from amaranth.hdl import ShapeLike
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["DoubleBuffer"]


class DoubleBuffer(wiring.Component):
    """Passes a stream on through two places, as a ``SkidBuffer`` does, but for wide payloads whose sink is slow to decide.

    Places are filled and emptied in turn. An empty one takes whatever the source offers, and only a bit says whether that was anything: so
    no register of a payload depends on the sink, and three bits do. In return a multiplexer lies behind the registers.
    ``ready`` comes from registers. Latency one cycle, throughput one transfer a cycle.

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
        filled, next_in, next_out = Signal(2), Signal(), Signal()
        places = [Signal.like(self.i.payload, name=f"place_{number}") for number in range(2)]
        comes, goes = self.i.valid & self.i.ready, self.o.valid & self.o.ready
        m.d.comb += [
            self.i.ready.eq(~filled.all()),
            self.o.valid.eq(filled.any()),
            self.o.payload.eq(Mux(next_out, places[1], places[0])),
        ]
        m.d.sync += [next_in.eq(next_in ^ comes), next_out.eq(next_out ^ goes)]
        for number, place in enumerate(places):
            with m.If(filled[number]):
                m.d.sync += filled[number].eq(~(goes & (next_out == number)))
            with m.Else():
                m.d.sync += [place.eq(self.i.payload), filled[number].eq(comes & (next_in == number))]
        return m
