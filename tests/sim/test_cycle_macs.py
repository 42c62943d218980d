"""Multipliers that follow rows one after the other take what a simulation, cycle by cycle, takes."""

import numpy as np
import pytest
from numba import njit

from sim.cycle_macs import claim, take
from sim.lanes import LANES, choose, load, pointer, spread, store, vectors

ROWS, MOST = 3, 4
#: Places in memory: when each ``z`` of a row is there; whether it is not zero; when it is taken; when results were stored and left; claims.
_THERE, _NONZERO, _TAKEN = (kind * ROWS * MOST for kind in range(3))
_STORED, _PULLED, _CLAIMED = (3 * ROWS * MOST + number for number in range(3))


@njit
def _rows(memory, counts):
    m, claimed = pointer(memory), 0
    # A result waits and FIFOs hold one: nothing is taken while it is seen there.
    room = (0, _STORED, _PULLED, 0, 1), 1, 1
    for row in range(ROWS):
        free, before = spread(0), claimed > 0
        for at in range(row * MOST, row * MOST + counts[row]):
            there, nonzero = load(m, _THERE + at), load(m, _NONZERO + at)
            there = choose(there > free, there, free)
            taken = take(m, _CLAIMED, claimed if before else 0, room, there, nonzero)
            store(m, _TAKEN + at, taken)
            claim(m, _CLAIMED, claimed, taken, nonzero)
            claimed += 1
            free = taken + 1


def simulated(there, nonzero, stored, pulled):
    """Cycles in which the ``z`` of each row are taken: one that is not zero in a cycle, of the first row that has one."""
    taken, cycle = [[] for _ in there], 0
    while any(len(done) < len(row) for done, row in zip(taken, there, strict=True)):
        free, room = True, not stored + 2 <= cycle < pulled + 2
        for done, row, flags in zip(taken, there, nonzero, strict=True):
            at = len(done)
            if room and at < len(row) and row[at] <= cycle and (free or not flags[at]):
                done.append(cycle)
                free &= not flags[at]
        cycle += 1
    return taken


@pytest.mark.parametrize("seed", range(20))
def test_rows_share_multipliers(seed):
    random = np.random.default_rng(seed)
    counts = random.integers(1, MOST + 1, ROWS)
    memory = vectors(_CLAIMED + ROWS * MOST)
    there = np.cumsum(random.integers(0, 4, (ROWS, MOST, LANES)), axis=1) + 1
    nonzero = random.random((ROWS, MOST, LANES)) < 0.7
    stored = random.integers(0, 6, LANES)
    pulled = stored + random.integers(1, 5, LANES)
    memory[:_NONZERO] = there.reshape(-1, LANES)
    memory[_NONZERO:_TAKEN] = -nonzero.reshape(-1, LANES).astype(np.int64)
    memory[_STORED], memory[_PULLED] = stored, pulled
    _rows(memory, counts)
    taken = memory[_TAKEN:_STORED].reshape(ROWS, MOST, LANES)
    for lane in range(LANES):
        rows = [(there[row, : counts[row], lane], nonzero[row, : counts[row], lane]) for row in range(ROWS)]
        expected = simulated(*zip(*rows, strict=True), stored[lane], pulled[lane])
        assert [taken[row, : counts[row], lane].tolist() for row in range(ROWS)] == expected
