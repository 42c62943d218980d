"""One axis of windows that step over a map."""

from itertools import pairwise

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["WindowAxis", "axis_layout"]

#: Steps and windows that reach beyond the map have at most so many times its words.
_BEYOND = 8


def axis_layout(config):
    """Windows along one axis, each with a place in the map, in words of memory instead of places.

    ``words`` between two places, between the first place of the map and its ``last``, between the first place of a ``window`` and
    its last, between the first places of two windows (``step``); and before the map in the first window (``pad``).
    Every place of the map has words of its own; the last three are less than 8 times the words of a bank.
    """
    address = (config.activation_words - 1).bit_length()
    wide = ((config.activation_words * _BEYOND) - 1).bit_length()
    return data.StructLayout({"last": address, "window": wide, "step": wide, "pad": wide, "words": address})


class WindowAxis(wiring.Component):
    """Walks over the places of a window, and from window to window, leaving out the places outside of the map.

    What it gives is that of the place it stands on. Each of the strobes moves it at the end of the cycle; the later
    in this list, the more it matters: ``next_place``, ``again``, ``next_window``, ``restart``.

    Every window needs at least one place in the map. As the padding is not negative, the first place of the first window
    is the first of the map.

    In a scan, windows overlap or touch, and no place belongs to more than two. From the last place of a window the walk goes on to the
    place behind it, be it the first of the next window or not; only where both windows end with the map, it stays.

    Members
    -------
    geometry : ``axis_layout``, in
        Stable from two cycles before ``restart`` falls.
    scan : in
        Likewise.
    next_place : in
        Stays on the last place of the map.
    again : in
        Back to the first place of this window. In a scan, like ``next_place``.
    next_window : in
        On to the first place of the next window. In a scan, to the next place, which is that of the next window then.
    restart : in
        To the first place of the first window.
    offset : out
        Words between the first place of the map and this one.
    first, last : out
        This is the first, or last, place of the window.
    next_first : out
        This is the first place of the next window; not known behind the last window of the walk.
    """

    def __init__(self, config):
        super().__init__(
            {
                "geometry": In(axis_layout(config)),
                "scan": In(1),
                "next_place": In(1),
                "again": In(1),
                "next_window": In(1),
                "restart": In(1),
                "offset": Out(range(config.activation_words)),
                "first": Out(1),
                "last": Out(1),
                "next_first": Out(1),
            }
        )

    @staticmethod
    def model(geometry, windows):
        """For each of ``windows`` windows the offsets of its places; ``geometry`` is a mapping like ``axis_layout``."""
        starts = [window * geometry["step"] - geometry["pad"] for window in range(windows)]
        return [
            [
                offset
                for offset in range(start, start + geometry["window"] + 1, geometry["words"])
                if 0 <= offset <= geometry["last"]
            ]
            for start in starts
        ]

    @staticmethod
    def scan_model(geometry, windows):
        """Places of a scan over ``windows`` windows, in order.

        Returns
        -------
        list of dict
            ``offset`` of each place; ``window``, the one that ends next; whether the place is its ``first`` or ``last``,
            or the first of the next one (``next_first``); and whether that has begun (``next``).

        Raises
        ------
        ValueError
            If there are places between windows, or places of more than two.
        """
        offsets = WindowAxis.model(geometry, windows)
        apart = any(right[0] - left[-1] > geometry["words"] for left, right in pairwise(offsets))
        crowded = any(set(left) & set(right) for left, right in zip(offsets, offsets[2:], strict=False))
        if apart or crowded:
            raise ValueError(
                f"expected windows that touch or overlap by at most the half of them, got {geometry}; go window by window"
            )
        made = []
        for window, places in enumerate(offsets):
            following = offsets[window + 1] if window + 1 < windows else []
            new = [offset for offset in places if not made or offset > made[-1]["offset"]]
            for offset in new or places[-1:]:
                made.append(
                    {
                        "offset": offset,
                        "window": window,
                        "first": int(offset == places[0]),
                        "last": int(offset == places[-1]),
                        "next_first": int(offset in following[:1]),
                        "next": int(offset in following),
                    }
                )
        return made

    def elaborate(self, platform):
        m = Module()
        geometry, offset = self.geometry, self.offset
        # Of the windows after the first: where they start and end, before the map or behind it too. What follows the
        # last window may be wrong, as it is not used.
        bits = len(offset)
        reach = signed(len(geometry.window) + 2)
        second_start, first_end, second_end = (
            Signal(reach, name=name) for name in ("second_start", "first_end", "second_end")
        )
        m.d.sync += [
            second_start.eq(geometry.step - geometry.pad),
            first_end.eq(geometry.window - geometry.pad),
            second_end.eq(geometry.window - geometry.pad + geometry.step),
        ]

        start, end = Signal(bits), Signal(bits)
        next_start, next_end = Signal(reach), Signal(reach)
        # The last place of the window is that of the map.
        at_edge = Signal()
        next_place = Mux(next_start < 0, 0, next_start)
        m.d.comb += [
            self.first.eq(offset == start),
            self.last.eq(offset == end),
            self.next_first.eq(offset == next_place),
        ]

        def end_at(bound):
            beyond = bound >= geometry.last
            m.d.sync += [end.eq(Mux(beyond, geometry.last, bound)), at_edge.eq(beyond)]

        with m.If(self.restart):
            end_at(first_end)
            m.d.sync += [start.eq(0), next_start.eq(second_start), next_end.eq(second_end)]
        with m.Elif(self.next_window):
            end_at(next_end)
            m.d.sync += [
                start.eq(next_place),
                next_start.eq(next_start + geometry.step),
                next_end.eq(next_end + geometry.step),
            ]
        with m.If(self.restart):
            m.d.sync += offset.eq(0)
        with m.Elif(self.next_window & ~self.scan):
            m.d.sync += offset.eq(next_place)
        with m.Elif(self.again & ~self.scan):
            m.d.sync += offset.eq(start)
        with m.Elif((self.next_place | self.next_window) & ~(self.last & at_edge)):
            m.d.sync += offset.eq(offset + geometry.words)
        return m
