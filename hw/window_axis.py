"""One axis of windows that step over a map."""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from .settled import settled

__all__ = ["WindowAxis", "axis_layout"]

#: Bits of the step of a window, and of the padding before a map.
_FACTOR_BITS = 3


def axis_layout(config):
    """Windows along one axis, each with a place in the map.

    Places of the map and of a window, step of the window, places outside of the map before its first place, words
    between two places. Every place of the map has words of its own, so there are no more of them than of words.
    """
    places = config.activation_words.bit_length()
    address = (config.activation_words - 1).bit_length()
    return data.StructLayout(
        {"extent": places, "window": places, "stride": _FACTOR_BITS, "pad": _FACTOR_BITS, "words": address}
    )


def _times(factor, value):
    """``factor * value`` for a factor of few bits."""
    return sum(Mux(bit, value << place, 0) for place, bit in enumerate(factor))


class WindowAxis(wiring.Component):
    """Walks over the places of a window, and from window to window, leaving out the places outside of the map.

    What it gives is that of the place it stands on. Each of the strobes moves it at the end of the cycle; the later
    in this list, the more it matters: ``next_place``, ``again``, ``next_window``, ``restart``.

    Every window needs at least one place in the map. As the padding is not negative, the first place of the first window
    is the first of the map.

    Members
    -------
    geometry : ``axis_layout``, in
        Stable from two cycles before ``restart`` falls.
    next_place : in
    again : in
        Back to the first place of this window.
    next_window : in
        On to the first place of the next window.
    restart : in
        To the first place of the first window.
    offset : out
        Words between the first place of the map and this one.
    last : out
        This is the last place of the window.
    """

    def __init__(self, config):
        super().__init__(
            {
                "geometry": In(axis_layout(config)),
                "next_place": In(1),
                "again": In(1),
                "next_window": In(1),
                "restart": In(1),
                "offset": Out(range(config.activation_words)),
                "last": Out(1),
            }
        )

    @staticmethod
    def model(geometry, windows):
        """For each of ``windows`` windows the offsets of its places; ``geometry`` is a mapping like ``axis_layout``."""
        starts = [window * geometry["stride"] - geometry["pad"] for window in range(windows)]
        return [
            [
                place * geometry["words"]
                for place in range(start, start + geometry["window"])
                if 0 <= place < geometry["extent"]
            ]
            for start in starts
        ]

    def elaborate(self, platform):
        m = Module()
        geometry, words = self.geometry, self.geometry.words
        # Of the windows after the first: where they start and end, before the map or behind it too. What follows the
        # last window may be wrong, as it is not used.
        bits = len(geometry.extent)
        place_shape = signed(bits + 2)
        last_place = settled(m, geometry.extent - 1, width=bits)
        step_words = settled(m, _times(geometry.stride, words), width=len(words))
        pad_words = settled(m, _times(geometry.pad, words), width=len(words))
        second_start = Signal(place_shape)
        first_end, second_end = Signal(place_shape), Signal(place_shape)
        m.d.sync += [
            second_start.eq(geometry.stride - geometry.pad),
            first_end.eq(geometry.window - 1 - geometry.pad),
            second_end.eq(geometry.window - 1 - geometry.pad + geometry.stride),
        ]

        place, end = Signal(bits), Signal(bits)
        start, start_offset = Signal(bits), Signal(len(words))
        next_start, next_end, next_offset = Signal(place_shape), Signal(place_shape), Signal(len(words))
        m.d.comb += self.last.eq(place == end)

        def within(bound):
            return Mux(bound > last_place, last_place, bound)

        with m.If(self.restart):
            m.d.sync += [
                place.eq(0),
                self.offset.eq(0),
                start.eq(0),
                start_offset.eq(0),
                end.eq(within(first_end)),
                next_start.eq(second_start),
                next_end.eq(second_end),
                next_offset.eq(step_words - pad_words),
            ]
        with m.Elif(self.next_window):
            before = next_start < 0
            first, first_offset = Mux(before, 0, next_start), Mux(before, 0, next_offset)
            m.d.sync += [
                place.eq(first),
                self.offset.eq(first_offset),
                start.eq(first),
                start_offset.eq(first_offset),
                end.eq(within(next_end)),
                next_start.eq(next_start + geometry.stride),
                next_end.eq(next_end + geometry.stride),
                next_offset.eq(next_offset + step_words),
            ]
        with m.Elif(self.again):
            m.d.sync += [place.eq(start), self.offset.eq(start_offset)]
        with m.Elif(self.next_place):
            m.d.sync += [place.eq(place + 1), self.offset.eq(self.offset + words)]
        return m
