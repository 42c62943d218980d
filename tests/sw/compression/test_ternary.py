"""Ternary projection, and the layer retrained through it."""

from itertools import pairwise

import pytest
import torch

from sw.model import ConvolutionSpec, FloatConvolution
from sw.ternary import THRESHOLD, TernaryConvolution, project, straight_through


def numbers(*shape, seed=5):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def layer(**changes):
    torch.manual_seed(6)
    values = {"name": "layer", "input": "input", "inputs": 8, "outputs": 6, "bases": 5, "kept": 2}
    return TernaryConvolution(FloatConvolution(ConvolutionSpec(**(values | changes))))


def test_projection_is_ternary_and_cuts_at_the_threshold():
    values = numbers(1000)
    ternary, _ = project(values)
    assert sorted(ternary.unique().tolist()) == [-1, 0, 1]
    cut = THRESHOLD * values.abs().mean()
    assert torch.equal(ternary != 0, values.abs() > cut)
    assert torch.equal(ternary[ternary != 0], values[ternary != 0].sign())


def test_scale_is_the_best_for_its_ternary_numbers():
    values = numbers(1000)
    ternary, scale = project(values)
    best = (values * ternary).sum() / ternary.abs().sum()
    assert float(scale) == pytest.approx(float(best), rel=1e-6)


def test_scaled_ternary_numbers_come_back_unchanged():
    ternary = torch.tensor([1.0, 0.0, -1.0, -1.0, 0.0, 0.0, 1.0])
    again, scale = project(0.25 * ternary)
    assert torch.equal(again, ternary) and float(scale) == 0.25


def test_elements_left_out_are_zero_and_do_not_count():
    values, kept = torch.tensor([5.0, 1.0, -1.0, 0.1]), torch.tensor([False, True, True, True])
    ternary, scale = project(values, kept)
    assert ternary.tolist() == [0, 1, -1, 0] and float(scale) == 1.0


def test_nothing_but_zeros_has_scale_one():
    ternary, scale = project(torch.zeros(4))
    assert ternary.tolist() == [0] * 4 and float(scale) == 1.0


def test_straight_through_gradient_is_that_of_the_number_behind():
    latent = torch.tensor([0.2, -0.7], requires_grad=True)
    output = straight_through(latent.round(), latent)
    assert output.tolist() == [0.0, -1.0]
    (output * torch.tensor([2.0, 3.0])).sum().backward()
    assert latent.grad.tolist() == [2.0, 3.0]


def test_each_output_channel_uses_only_the_bases_it_keeps():
    ternary = layer().ternary().detach()
    assert set(ternary.unique().tolist()) <= {-1.0, 0.0, 1.0}
    assert int((ternary != 0).any(1).sum(1).max()) <= 2
    assert float((ternary == 0).double().mean()) >= 0.6


def test_basis_that_nobody_keeps_is_harmless():
    unit = layer(outputs=1, inputs=4, bases=9, kept=1)
    assert bool(torch.isfinite(unit.threshold).all()) and bool(torch.isfinite(unit.kernel()).all())


def test_gradient_reaches_bases_and_kept_coefficients_only():
    unit = layer()
    unit(numbers(2, 8, 6, 6)).square().sum().backward()
    assert bool((unit.bases.grad != 0).any()) and bool((unit.coefficients.grad != 0).any())
    assert bool((unit.coefficients.grad[~unit.kept] == 0).all())


def test_one_by_one_layer_comes_closer_with_every_plane():
    errors = []
    for planes in (1, 2, 4, 6):
        spec = ConvolutionSpec(
            name="layer", input="input", inputs=16, outputs=10, bases=planes, kept=planes, kernel=1
        )
        torch.manual_seed(6)
        dense = FloatConvolution(spec)
        weight = dense.weight.detach()
        errors.append(float((TernaryConvolution(dense).kernel().detach() - weight).norm() / weight.norm()))
    assert all(later < earlier for earlier, later in pairwise(errors))
    assert errors[0] < 0.6 and errors[-1] < 0.15
