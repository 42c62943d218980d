"""When a FIFO lets what fills it go on, if that stops while more than a limit waits there.

Times are vectors, an image a lane, as in ``sim.cycle_rows``. A FIFO is a tuple of integers: where the first entry lies that could still
matter, an integer in the first lane; where the times lie at which entries were written, and taken; the mask of their numbers; the
limit. Entry ``number`` makes ``limit`` wait from when it is written until the one ``limit - 1`` before it is taken.
"""

from .lanes import LANES, any_lane, choose, inlined, load, most

__all__ = ["forget", "wait"]

#: Cycles until what fills the FIFO sees what has been written to it, or taken from it.
_SEEN_LATER = 2


@inlined
def forget(m, fifo, count, cycle):
    """The first entry, as a number of entries, that could make anything wait from ``cycle`` on; more than ``count`` if there is none.

    ``count`` is how many entries there are. No lane of ``cycle`` is ever less than before.
    """
    first_at, _, taken, mask, limit = fifo
    first = max(m[LANES * first_at], limit)
    while first <= count and not any_lane(load(m, taken + (first - limit & mask)) + _SEEN_LATER > cycle):
        first += 1
    m[LANES * first_at] = first
    return first


@inlined
def wait(m, fifo, first, count, cycle):
    """First cycles from ``cycle`` on in which fewer than ``limit`` entries wait, as far as can be seen then.

    ``first``: what ``forget`` gave for these entries and cycles that were not later.
    """
    _, written, taken, mask, limit = fifo
    for number in range(first, count + 1):
        full = load(m, written + (number - 1 & mask)) + _SEEN_LATER <= cycle
        if not any_lane(full):
            break
        cycle = choose(full, most(cycle, load(m, taken + (number - limit & mask)) + _SEEN_LATER), cycle)
    return cycle
