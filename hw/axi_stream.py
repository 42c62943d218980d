"""AXI4-Stream words to bytes and back; packets of the output are responses."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["WordPacker", "WordUnpacker", "word_layout"]

#: Bytes of a response that are not payload: start, code and length; and the checksum.
_HEAD, _CHECKSUM = 4, 2


def word_layout(width):
    """``width`` bytes, lowest first, of which those with ``keep`` set count; ``last`` ends a packet."""
    return data.StructLayout({"data": data.ArrayLayout(8, width), "keep": width, "last": 1})


class WordUnpacker(wiring.Component):
    """Words to bytes. Bytes that are not kept are left out, wherever they are; where packets end does not matter.

    Throughput: a byte a cycle, and a cycle for each word.

    Parameters
    ----------
    width : int
        Bytes of a word.

    Members
    -------
    i : stream of ``word_layout(width)``, in
    o : stream of 8 bits, out
    """

    def __init__(self, width):
        self._width = width
        super().__init__({"i": In(stream.Signature(word_layout(width))), "o": Out(stream.Signature(8))})

    def elaborate(self, platform):
        m = Module()
        word, left = Signal(data.ArrayLayout(8, self._width)), Signal(self._width)
        m.d.comb += [
            self.i.ready.eq(left == 0),
            self.o.valid.eq(left != 0),
        ]
        with m.If(left == 0):
            m.d.sync += word.eq(self.i.p.data)
            with m.If(self.i.valid):
                m.d.sync += left.eq(self.i.p.keep)
        with m.Elif(self.o.ready):
            # Without its lowest bit.
            m.d.sync += left.eq(left & (left - 1))
        for place in reversed(range(self._width)):
            with m.If(left[place]):
                m.d.comb += self.o.payload.eq(word[place])
        return m


class WordPacker(wiring.Component):
    """Bytes of response frames to words, as many bytes in each as fit; each response is a packet.

    A word leaves when it is full or its response ends. Throughput: a byte a cycle as long as words are taken at once.

    Parameters
    ----------
    width : int
        Bytes of a word.

    Members
    -------
    i : stream of 8 bits, in
        Response frames (``hw.protocol``), one after the other.
    o : stream of ``word_layout(width)``, out
    """

    def __init__(self, width):
        self._width = width
        super().__init__({"i": In(stream.Signature(8)), "o": Out(stream.Signature(word_layout(width)))})

    def elaborate(self, platform):
        m = Module()
        # Bytes of the frame: those that have come, as far as the head goes, and those that are still to come after it.
        head, left = Signal(range(_HEAD + 1)), Signal(17)
        place, last = Signal(range(self._width)), Signal()
        taken = self.i.valid & self.i.ready
        in_head = head != _HEAD
        m.d.comb += [
            self.i.ready.eq(~self.o.valid | self.o.ready),
            last.eq(~in_head & (left == 1)),
        ]
        with m.If(taken & in_head):
            m.d.sync += head.eq(head + 1)
            with m.If(head == 2):
                m.d.sync += left.eq(self.i.payload + _CHECKSUM)
            with m.If(head == 3):
                m.d.sync += left.eq(left + (self.i.payload << 8))
        with m.Elif(taken):
            m.d.sync += left.eq(left - 1)
            with m.If(last):
                m.d.sync += head.eq(0)

        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(taken):
            with m.If(place == 0):
                m.d.sync += [self.o.p.keep.eq(1), self.o.p.data.eq(self.i.payload)]
            with m.Else():
                m.d.sync += [
                    self.o.p.keep.bit_select(place, 1).eq(1),
                    self.o.p.data[place].eq(self.i.payload),
                ]
            m.d.sync += [place.eq(place + 1), self.o.p.last.eq(last)]
            with m.If(last | (place == self._width - 1)):
                m.d.sync += [place.eq(0), self.o.valid.eq(1)]
        return m
