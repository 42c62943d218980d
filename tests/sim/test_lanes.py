"""Vectors do lane by lane what numpy does with arrays."""

import numpy as np
import pytest
from numba import njit

from sim.lanes import (
    BITS,
    LANES,
    any_lane,
    bits_of,
    choose,
    least,
    load,
    load_bits,
    load_short,
    most,
    pointer,
    spread,
    store,
    vectors,
)


@njit
def _arithmetic(array):
    m = pointer(array)
    a, b = load(m, 0), load(m, 1)
    store(m, 2, a + b)
    store(m, 3, a - b)
    store(m, 4, most(a, b))
    store(m, 5, least(a, 7))
    store(m, 6, choose((a < b) & ~(a == 3), b, spread(array.shape[0])))
    store(m, 7, (a >= b) | (a != 3))
    return any_lane(a == 3)


@njit
def _kinds(array, short, bits):
    m = pointer(array)
    store(m, 1, load_short(pointer(short), 1))
    bits[1] = bits_of(load(m, 0) > 1)
    store(m, 2, load_bits(pointer(bits), 0))


@pytest.mark.parametrize("seed", range(4))
def test_arithmetic(seed):
    print(f"seed {seed}")
    random = np.random.default_rng(seed)
    memory = vectors(8)
    memory[:2] = random.integers(-9, 10, (2, LANES))
    if seed % 2:
        memory[0][memory[0] == 3] = 4
    a, b = memory[:2].copy()
    assert _arithmetic(memory) == (a == 3).any()
    assert memory[2:6].tolist() == [
        each.tolist() for each in (a + b, a - b, np.maximum(a, b), np.minimum(a, 7))
    ]
    assert memory[6].tolist() == np.where((a < b) & (a != 3), b, 8).tolist()
    assert memory[7].tolist() == np.where((a >= b) | (a != 3), -1, 0).tolist()


def test_shorts_and_bits():
    random = np.random.default_rng(1)
    memory, short = vectors(3), random.integers(-99, 99, (2, LANES)).astype(np.int16)
    memory[0] = random.integers(0, 4, LANES)
    bits = np.array([int(random.integers(1 << LANES)), 0], BITS)
    _kinds(memory, short, bits)
    assert memory[1].tolist() == short[1].tolist()
    assert bits[1] == sum(1 << lane for lane in range(LANES) if memory[0, lane] > 1)
    assert memory[2].tolist() == [-(int(bits[0]) >> lane & 1) for lane in range(LANES)]


def test_vectors_are_whole_lines():
    memory = vectors(3)
    assert memory.shape == (3, LANES) and not memory.any()
    assert memory.ctypes.data % (4 * LANES) == 0
