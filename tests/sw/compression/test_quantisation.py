"""Scales, folding and the step from the quantised network to integers."""

import numpy as np
import pytest
import torch

from sim.reference import run
from sw.model import AverageSpec, ConvolutionSpec, float_network
from sw.network import MaxPool
from sw.quantisation import (
    ACCUMULATOR_LIMIT,
    PIXEL_SCALE,
    best_scale,
    calibrate,
    fold,
    integer_network,
    quantised_network,
)
from sw.ternary import ternary_network

SPECS = (
    ConvolutionSpec(name="first", input="input", inputs=2, outputs=6, bases=4, kept=2),
    MaxPool(name="pool", input="first", window=(2, 2), stride=2),
    ConvolutionSpec(
        name="down", input="pool", inputs=6, outputs=8, bases=4, kept=2, stride=2, padding=(0, 0, 1, 1)
    ),
    ConvolutionSpec(name="add", input="down", inputs=8, outputs=8, bases=4, kept=3, residual="down"),
    AverageSpec(name="average", input="add"),
    ConvolutionSpec(
        name="last",
        input="average",
        inputs=8,
        outputs=5,
        bases=3,
        kept=3,
        kernel=1,
        padding=(0, 0, 0, 0),
        relu=False,
        batch_norm=False,
    ),
)


@pytest.fixture(scope="module")
def made():
    """Images as integers, the ternary network's tensors of them, scales, and the quantised network."""
    torch.manual_seed(8)
    pixels = torch.randint(0, 256, (16, 2, 12, 12))
    ternary = ternary_network(float_network(SPECS))
    ternary.train()
    for _ in range(20):
        ternary(pixels / 255)
    scales = calibrate(ternary, pixels / 255)
    with torch.no_grad():
        exact = ternary.tensors(pixels / 255)
    return pixels, exact, scales, quantised_network(ternary, scales).eval()


def test_best_scale_finds_the_grid_that_numbers_lie_on():
    values = torch.arange(256.0).repeat(8) * 0.125
    assert best_scale(values, 0, 255) == pytest.approx(0.125)


def test_best_scale_clips_a_long_tail():
    values = -torch.log(torch.linspace(1e-4, 1, 10000))
    scale = best_scale(values, 0, 15)
    assert 0.25 * float(values.max()) / 15 < scale < 0.8 * float(values.max()) / 15


def test_best_scale_of_zeros_is_refused():
    with pytest.raises(ValueError, match="expected activations other than zero"):
        best_scale(torch.zeros(10), 0, 255)


@pytest.mark.parametrize("seed", range(5))
def test_folded_integers_are_within_half_a_unit_and_at_the_largest_shift(seed):
    random = np.random.default_rng(seed)
    ratio = random.normal(size=16) * 10.0 ** -random.integers(1, 6)
    offset, added = random.normal(size=16) * 50, random.uniform(0, 0.5)
    multiplier, bias, shift, residual_multiplier = fold(ratio, offset, added)
    unit = 2.0**-shift
    assert multiplier.dtype == bias.dtype == np.int64
    assert np.abs(multiplier * unit - ratio).max() <= unit / 2
    assert np.abs(bias * unit - offset).max() <= unit / 2
    assert abs(residual_multiplier * unit - added) <= unit / 2
    assert max(np.abs(multiplier).max(), residual_multiplier) < 1 << 15 and np.abs(bias).max() < 1 << 39
    if shift < 31:
        larger = np.floor(np.abs(np.append(ratio, added)) * 2.0 ** (shift + 1) + 0.5).max()
        assert larger >= 1 << 15 or np.abs(offset).max() * 2.0 ** (shift + 1) >= (1 << 39) - 1


def test_integer_formula_is_within_half_an_output_of_the_real_one():
    random = np.random.default_rng(9)
    ratio, offset = random.uniform(1e-4, 2e-4, 8), random.normal(size=8) * 20
    sums, residual = random.integers(-(1 << 19), 1 << 19, (100, 8)), random.integers(0, 256, (100, 8))
    multiplier, bias, shift, added = fold(ratio, offset, 0.3)
    result = (sums * multiplier + bias + residual * added + (1 << shift - 1)) >> shift
    rounding = 2.0**-shift / 2 * (np.abs(sums) + 1 + residual)
    assert (np.abs(result - (sums * ratio + offset + 0.3 * residual)) <= 0.5 + rounding).all()


def test_ratios_that_are_too_large_are_refused():
    with pytest.raises(ValueError, match="expected ratios below 16384"):
        fold([20000.0], [0.0])


def test_integers_are_the_quantised_network(made):
    pixels, _, _, twin = made
    network = integer_network(twin, "made", (2, 12, 12))
    integers = run(network, pixels.numpy())
    with torch.no_grad():
        tensors = twin.tensors(pixels / 255)
    assert np.array_equal(integers["input"], pixels.numpy())
    for spec in SPECS:
        twin_integers = tensors[spec.name].numpy()
        assert np.array_equal(twin_integers, np.round(twin_integers))
        difference = np.abs(integers[spec.name] - twin_integers)
        # Sums on the edge between two outputs fall either way in torch's 24 bits.
        assert difference.max() <= 2 and (difference != 0).mean() < 0.01, spec.name


def test_integers_times_scale_are_near_the_ternary_network(made):
    pixels, exact, scales, twin = made
    integers = run(integer_network(twin, "made", (2, 12, 12)), pixels.numpy())
    assert scales["input"] == PIXEL_SCALE and scales["pool"] == scales["first"]
    for spec in SPECS:
        real, near = exact[spec.name].numpy(), integers[spec.name] * scales[spec.name]
        assert np.sqrt(np.square(near - real).mean()) < 0.05 * np.sqrt(np.square(real).mean()), spec.name


def test_sums_beyond_the_accumulator_are_refused(made):
    _, _, _, twin = made
    unit = twin.units["down"]
    kept = unit.basis_scale
    unit.basis_scale, unit.input_high = kept / 4, 1 << 22
    try:
        with pytest.raises(ValueError, match=f"layer down: expected sums below {ACCUMULATOR_LIMIT}"):
            integer_network(twin, "made", (2, 12, 12))
    finally:
        unit.basis_scale, unit.input_high = kept, 255


def test_bases_shrink_where_sums_could_overflow():
    torch.manual_seed(8)
    spec = ConvolutionSpec(name="wide", input="input", inputs=512, outputs=4, bases=9, kept=9)
    ternary = ternary_network(float_network((spec,)))
    unit = quantised_network(ternary, {"input": 1.0, "wide": 1.0}).units["wide"]
    assert unit.integer_bases().detach().abs().max() < 127
    assert unit.bound() < ACCUMULATOR_LIMIT
