"""What fills a FIFO goes on when a simulation of it, cycle by cycle, does."""

import numpy as np
import pytest
from numba import njit

from sim.cycle_fifo import forget, wait
from sim.lanes import LANES, load, pointer, store, vectors

#: Places in memory: where the first entry lies; ``cycle``; when entries were written; when they were taken.
_FIRST, _CYCLE, _WRITTEN, _TAKEN, _MASK = 0, 1, 2, 34, 31


@njit
def _ask(memory, count, limit):
    m = pointer(memory)
    fifo, cycle = (_FIRST, _WRITTEN, _TAKEN, _MASK, limit), load(m, _CYCLE)
    store(m, _CYCLE, wait(m, fifo, forget(m, fifo, count, cycle), count, cycle))


def simulated(written, taken, limit, cycle):
    """The first cycle from ``cycle`` on in which fewer than ``limit`` entries wait, as seen two cycles later."""
    while sum(written <= cycle - 2) - sum(taken <= cycle - 2) >= limit:
        cycle += 1
    return cycle


@pytest.mark.parametrize("limit", [1, 3, 8])
def test_room(limit):
    """As a row asks: whenever it writes an entry, all lanes at times of their own; numbers go around twice."""
    random, entries = np.random.default_rng(limit), 80
    memory = vectors(_TAKEN + _MASK + 1)
    memory[_CYCLE] = random.integers(1, 9, LANES)
    written, taken = np.zeros((2, entries, LANES), np.int64)
    waited = 0
    for number in range(entries):
        expected = []
        for lane in range(LANES):
            times = written[:number, lane], taken[:number, lane]
            expected.append(simulated(*times, limit, memory[_CYCLE, lane]))
        before = memory[_CYCLE].copy()
        _ask(memory, number, limit)
        assert memory[_CYCLE].tolist() == expected
        waited += (memory[_CYCLE] > before).sum()
        written[number] = memory[_CYCLE] + 3
        taken[number] = np.maximum(written[number], taken[number - 1] if number else 0)
        taken[number] += random.integers(1, 2 + 4 * (number % 9 < 4), LANES)
        memory[_WRITTEN + (number & _MASK)] = written[number]
        memory[_TAKEN + (number & _MASK)] = taken[number]
        memory[_CYCLE] += random.integers(1, 4, LANES)
    assert waited
