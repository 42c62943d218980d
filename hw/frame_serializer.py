"""Wide values sent as bytes, little end first."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["FrameSerializer", "serial_layout"]


def serial_layout(width):
    """Up to ``width`` bytes, and how many of them count."""
    return data.StructLayout({"bytes": data.ArrayLayout(8, width), "count": range(width + 1)})


class FrameSerializer(wiring.Component):
    """Turns values of some bytes each into a byte stream, lowest byte first.

    Latency: one cycle. Throughput: one byte per cycle, plus one cycle a value.

    Parameters
    ----------
    width : int
        Most bytes of one value.

    Members
    -------
    i : In(stream(serial_layout(width)))
        Value, and how many of its bytes to send (at least one).
    o : Out(stream(8))
        Bytes.
    """

    def __init__(self, width):
        if not isinstance(width, int) or width < 1:
            raise ValueError(f"expected a width of at least one byte, got {width!r}")
        self.width = width
        super().__init__({"i": In(stream.Signature(serial_layout(width))), "o": Out(stream.Signature(8))})

    def elaborate(self, platform):
        m = Module()
        # Bytes need no reset, and while none count they follow the input: a gate less for each of their bits.
        value = Signal(self.i.payload.bytes.shape(), reset_less=True)
        count = Signal.like(self.i.payload.count)

        m.d.comb += [
            self.i.ready.eq(count == 0),
            self.o.valid.eq(count != 0),
            self.o.payload.eq(value[0]),
        ]
        with m.If(count == 0):
            m.d.sync += value.eq(self.i.payload.bytes)
            with m.If(self.i.valid):
                m.d.sync += count.eq(self.i.payload.count)
        with m.Elif(self.o.ready):
            m.d.sync += [value.eq(value.as_value() >> 8), count.eq(count - 1)]
        return m
