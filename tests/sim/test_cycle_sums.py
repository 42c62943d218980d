"""Which sums of activations are zero, as numpy adds them up."""

import numpy as np
import pytest

from sim.cycle_sums import nonzero_sums
from sim.lanes import LANES


@pytest.mark.parametrize("numbers", [[0, 0], [1, 0]], ids=str)
def test_sums_that_are_not_zero(numbers):
    """Two PEs of two rows, two passes that are fed channels of their own; rows make all pixels, or every second one."""
    random, passes, channels, pixels = np.random.default_rng(1), 2, 6, 21
    classes = max(numbers) + 1
    first_channel = np.array([0, channels])
    fed = random.integers(-1, 2, (pixels * classes, 2 * channels, LANES)).astype(np.int16)
    lists, signs, z = np.zeros((4, passes, 4), np.int64), [], 0
    for of_pass in range(passes):
        for row in range(len(lists)):
            count = int(random.integers(1, 4))
            lists[row, of_pass, 2:] = z, count
            signs += [(row, of_pass, random.integers(-1, 2, channels)) for _ in range(count)]
            z += count
    terms, added = [], []
    for _, _, sign in signs:
        ends = np.cumsum([len(added), np.sum(sign > 0), np.sum(sign < 0)])
        terms.append(ends)
        added += [*np.flatnonzero(sign > 0), *np.flatnonzero(sign < 0)]
    found = nonzero_sums(fed, lists, np.array(terms), np.array(added), np.array(numbers), first_channel)
    assert found.shape == (z, pixels)
    for bits, (row, of_pass, sign) in zip(found, signs, strict=True):
        seen = fed[numbers[row % len(numbers)] :: classes, first_channel[of_pass] :][:, :channels]
        expected = np.einsum("pcl,c->pl", seen.astype(np.int64), sign) != 0
        assert bits.tolist() == (expected @ (1 << np.arange(LANES))).tolist()
