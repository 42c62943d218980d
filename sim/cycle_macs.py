"""When the multipliers of a PE take what its rows have for them.

In every cycle in which there is room for results they look at what is in front of the rows, in the order of these, and take each ``z`` that
is zero, and the first of each class of rows that is not. So a row loses a cycle only to rows before it, and rows can be
followed one after the other: cycles that those before it have claimed are known by then.

Times are vectors, an image a lane, as in ``sim.cycle_rows``. A place for results is what ``cycle_fifo.wait`` asks for besides the cycle.
"""

from .cycle_fifo import wait
from .lanes import choose, inlined, least, load, most, store

__all__ = ["claim", "take"]


@inlined
def take(m, claimed, count, room, cycle, nonzero):
    """The cycle, from ``cycle`` on, in which the multipliers take what a row has in front.

    ``claimed``: where the cycles lie, earlier ones first, in which they take a ``z`` of a row before it; ``count``: how many there are.
    """
    cycle = wait(m, *room, cycle)
    for number in range(count):
        cycle = wait(m, *room, cycle - (nonzero & (load(m, claimed + number) == cycle)))
    return cycle


@inlined
def claim(m, claimed, count, cycle, mask):
    """A cycle joins those that are claimed, in lanes of ``mask``; in others cycle 0, in which nothing happens."""
    later = choose(mask, cycle, 0)
    for number in range(claimed, claimed + count):
        other = load(m, number)
        store(m, number, least(other, later))
        later = most(other, later)
    store(m, claimed + count, later)
