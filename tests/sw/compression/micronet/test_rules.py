"""The rules of the MicroNet Challenge: costs against sums by hand, the published totals."""

import numpy as np
import pytest

from sw.compression.micronet.rules import (
    TASKS,
    Tally,
    additions,
    operations,
    score,
    stored,
    stored_sparse,
    sum_bits,
    total,
    tree_additions,
)


def test_the_example_of_the_rules():
    assert score(3e6, 500e6, TASKS["imagenet"]) == pytest.approx(3 / 6.9 + 500 / 1170)
    assert f"{score(3e6, 500e6, TASKS['imagenet']):.3f}" == "0.862"


def test_a_baseline_scores_two():
    for task in TASKS.values():
        assert score(task.parameters, task.operations, task) == 2


def test_published_totals_of_the_winner():
    """On ImageNet 0.34 M parameters, scored 0.049394, and 93.7 M operations: 20.2 and 12.5 times less, 0.1295 together."""
    task = TASKS["imagenet"]
    parameters, multiplied = 0.049394 * task.parameters, 93.7e6
    assert f"{parameters / 1e6:.2f}" == "0.34"
    assert f"{task.parameters / parameters:.1f}" == "20.2"
    assert f"{task.operations / multiplied:.1f}" == "12.5"
    assert f"{score(parameters, multiplied, task):.4f}" == "0.1295"
    # With sums in a tree, and everything else in 16 bits, they counted less.
    assert f"{score(parameters, 0.075749 * task.operations, task):.4f}" == "0.1251"
    assert f"{TASKS['cifar100'].operations / 29.421e6:.1f}" == "356.5"


def test_zeros_are_stored_as_a_mask():
    # 512 x 128 in 4 bits, a quarter of it not zero: the mask has a bit for each place.
    assert stored_sparse(512 * 128, 16384, 4) == (512 * 128 + 16384 * 4) / 32
    assert stored_sparse(100, 99, 8) == 100 * 8 / 32
    assert stored(7, 16) == 3.5


def test_an_operation_is_as_wide_as_its_wider_input():
    assert operations(32, 3, 5) == 5
    assert operations(1, 1, 32) == 1


def brute_force(terms, bits, most):
    """Additions of a tree, pair after pair."""
    numbers, cost = [bits] * terms, 0
    while len(numbers) > 1:
        pairs = len(numbers) // 2
        cost += pairs * min(numbers[0], most)
        numbers = [numbers[0] + 1] * (pairs + len(numbers) % 2)
    return cost / 32


@pytest.mark.parametrize("most", [9, 12, 64])
def test_a_tree_widens_from_level_to_level(most):
    random = np.random.default_rng(3)
    counts = random.integers(0, 60, 20)
    wanted = sum(brute_force(int(count), 8, most) for count in counts)
    assert tree_additions(counts, 8, most) == pytest.approx(wanted)
    # Four numbers of 8 bits: two additions of 8 bits, one of 9.
    assert tree_additions([4], 8) == (8 + 8 + 9) / 32
    assert tree_additions([0, 1], 8) == 0


def test_an_accumulator_has_one_width():
    assert additions([4, 0, 1, 3], 16) == (3 + 2) * 16 / 32
    assert [sum_bits(8, terms) for terms in (0, 1, 2, 3, 4, 5)] == [8, 8, 9, 10, 10, 11]
    # The widest sums fit, and would not in a bit less.
    for terms in (2, 5, 9, 64):
        assert terms * 255 < 2 ** sum_bits(8, terms) and terms * 255 >= 2 ** (sum_bits(8, terms) - 1)


def test_tallies_add_up():
    parts = [
        Tally(name="a", parameters=1, multiplications=2),
        Tally(name="b", multiplications=3, additions=4),
    ]
    whole = total(parts)
    assert (whole.name, whole.parameters, whole.operations) == ("network", 1, 9)
