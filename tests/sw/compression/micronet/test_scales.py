"""Solved scales: the error never rises, the end is a fixed point, nothing is worse than where it started."""

from fractions import Fraction

import numpy as np
import pytest
import torch

from sw.compression.grids import best_scale
from sw.compression.micronet.scales import alternations, kernel_scales, tensor_scale, weight_range


def kernels(seed, rows=6, n=27):
    """Rows with a heavy tail, as trained kernels have."""
    random = np.random.default_rng(seed)
    return torch.from_numpy(random.standard_t(4, (rows, n)) * random.uniform(0.01, 2, (rows, 1)))


def exact_error(numbers, scale, integers):
    """Squared error as a fraction: nothing is rounded."""
    scale = Fraction(scale)
    return sum(
        (Fraction(x) - scale * int(q)) ** 2 for x, q in zip(numbers.tolist(), integers.tolist(), strict=True)
    )


def nearest(numbers, scale, low, high):
    return torch.floor(numbers / scale + 0.5).clamp(low, high)


@pytest.mark.parametrize("bits", range(2, 9))
def test_the_exact_error_never_rises(bits):
    low, high = weight_range(bits)
    numbers = kernels(bits)
    start = numbers.abs().amax(1) / -low
    before = [
        exact_error(row, scale, nearest(row, scale, low, high))
        for row, scale in zip(numbers, start.tolist(), strict=True)
    ]
    first, rounds = list(before), 0
    for scales, integers in alternations(numbers, start, low, high):
        rounds += 1
        errors = [
            exact_error(row, scale, q)
            for row, scale, q in zip(numbers, scales.tolist(), integers, strict=True)
        ]
        assert all(now <= then for now, then in zip(errors, before, strict=True))
        before = errors
    assert rounds and sum(before) < sum(first)


@pytest.mark.parametrize("bits", range(2, 9))
def test_the_end_is_a_fixed_point(bits):
    low, high = weight_range(bits)
    numbers = kernels(bits + 10)
    scales = kernel_scales(numbers, bits)
    integers = nearest(numbers, scales[:, None], low, high)
    again = (numbers * integers).sum(1) / integers.square().sum(1)
    assert torch.equal(again, scales)
    assert bool((integers != 0).any(1).all())


def test_scales_follow_what_they_scale():
    numbers = kernels(3).reshape(6, 3, 3, 3)
    scales = kernel_scales(numbers, 4)
    # Powers of two are exact in floating point.
    assert torch.equal(kernel_scales(numbers * 8, 4), scales * 8)
    for row, scale in zip(numbers, scales, strict=True):
        assert kernel_scales(row[None], 4) == scale


def test_a_grid_is_found_again():
    integers = torch.tensor([[-8.0, 3, 0, 5, 7, -1], [1, 0, 0, -8, 2, 2]])
    assert torch.equal(
        kernel_scales(integers * torch.tensor([[0.25], [4.0]]), 4), torch.tensor([0.25, 4.0]).double()
    )


def test_kernels_of_zeros_stay_zero():
    scales = kernel_scales(torch.zeros(2, 3, 3, 3), 3)
    assert torch.equal(scales, torch.ones(2).double())


@pytest.mark.parametrize("seed", range(5))
def test_the_exact_solution_of_ternary_grids_stays(seed):
    """The best scale of -1, 0, +1 is known: of the k greatest magnitudes their mean, for the best k."""
    (row,) = kernels(seed, rows=1, n=200)
    magnitudes = row.abs().sort(descending=True).values
    gains = magnitudes.cumsum(0).square() / torch.arange(1, 201)
    best = int(gains.argmax()) + 1
    optimum = float(row.square().sum() - gains.max())
    for start, slack in ((magnitudes[:best].mean(), 1 + 1e-12), (magnitudes[0], 2)):
        *_, (scales, integers) = alternations(row[None], start[None], -1, 1)
        error = float((row - scales[0] * integers[0]).square().sum())
        assert optimum * (1 - 1e-12) <= error <= slack * optimum
        assert slack == 2 or int(integers.abs().sum()) == best


@pytest.mark.parametrize(("low", "high"), [(0, 15), (-8, 7), (0, 127), (-128, 127)])
def test_activations_are_never_worse_than_the_best_candidate(low, high):
    random = np.random.default_rng(high)
    values = torch.from_numpy(random.gamma(0.5, 2, 5000) if low == 0 else random.laplace(0, 1, 5000))

    def error(scale):
        return float((nearest(values, scale, low, high) * scale - values).square().sum())

    assert error(tensor_scale(values, low, high)) <= error(best_scale(values, low, high))
    assert error(tensor_scale(values, low, high)) < error(float(values.abs().max()) / high)


@pytest.mark.parametrize("bits", [1, 9, 0])
def test_other_widths_are_refused(bits):
    with pytest.raises(ValueError, match=f"expected weights of 2 to 8 bits, got {bits}"):
        weight_range(bits)
