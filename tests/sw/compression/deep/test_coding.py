"""Relative indices and Huffman codes: what goes in comes out, at the size that the counts say."""

import heapq
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sw.compression.deep.huffman import coded_bits, decode, encode, entropy
from sw.compression.deep.relative import from_relative, to_relative


def sparse_codes(seed, share=0.9, count=3000):
    random = np.random.default_rng(seed)
    return (random.integers(1, 16, count) * (random.random(count) > share)).astype(np.uint8)


@pytest.mark.parametrize("bits", [1, 3, 4, 8])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.99, 1.0])
def test_relative_indices_come_back(bits, share):
    codes = sparse_codes(7, share)
    stored, gaps = to_relative(codes, bits)
    assert gaps.max(initial=0) < 1 << bits
    assert np.array_equal(from_relative(stored, gaps, len(codes)), codes)


def test_fillers_are_the_fewest():
    codes = np.zeros(40, np.uint8)
    codes[[3, 19, 36]] = 5, 6, 7
    stored, gaps = to_relative(codes, 4)
    # 16 zeros between the second and the third: one more than four bits can say.
    assert stored.tolist() == [5, 6, 0, 7] and gaps.tolist() == [3, 15, 15, 0]


def test_places_beyond_the_end_are_refused():
    with pytest.raises(ValueError, match="expected codes at 10 places, got one at place 12"):
        from_relative(np.array([1, 2], np.uint8), np.array([3, 7], np.uint8), 10)


@given(st.lists(st.integers(0, 15), max_size=200))
def test_huffman_codes_come_back(symbols):
    lengths, bits = encode(np.array(symbols, np.uint8), 16)
    assert decode(lengths, bits).tolist() == symbols
    assert coded_bits(np.array(symbols, np.int64), 16) == (len(bits), 96)


def test_huffman_codes_are_optimal_and_near_the_entropy():
    symbols = sparse_codes(8, 0.3)
    numbers = list(Counter(symbols.tolist()).values())
    best = 0
    # The cost of a Huffman tree is the sum of its inner nodes.
    heapq.heapify(numbers)
    while len(numbers) > 1:
        joined = heapq.heappop(numbers) + heapq.heappop(numbers)
        best += joined
        heapq.heappush(numbers, joined)
    assert coded_bits(symbols, 16)[0] == best
    assert entropy(symbols) <= best < entropy(symbols) + len(symbols)


def test_entropy_of_equal_shares():
    assert entropy(np.arange(8).repeat(3)) == pytest.approx(24 * 3) and entropy(np.zeros(0, int)) == 0
