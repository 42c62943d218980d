"""Ternary projection, and the layer retrained through it."""

from itertools import pairwise

import pytest
import torch

from sw.compression.decomposed import DecomposedConvolution
from sw.compression.plan import LayerPlan
from sw.compression.ternary import (
    THRESHOLD,
    TernaryConvolution,
    project,
    set_sparsity,
    sparsity,
    straight_through,
)
from sw.layers import ConvolutionLayer
from sw.model import DenseConvolution


def numbers(*shape, seed=5):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def dense(**changes):
    torch.manual_seed(6)
    values = {"name": "layer", "input": "input", "inputs": 8, "outputs": 6, "padding": (1, 1, 1, 1)}
    return DenseConvolution(ConvolutionLayer(**(values | changes)))


def unit(bases=5, kept=2, **changes):
    return TernaryConvolution.of(dense(**changes), LayerPlan(bases=bases, kept=kept))


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
    ternary = unit().combination().detach()
    assert set(ternary.unique().tolist()) <= {-1.0, 0.0, 1.0}
    assert int((ternary != 0).any(1).sum(1).max()) <= 2
    assert float((ternary == 0).double().mean()) >= 0.6


def test_basis_that_nobody_keeps_is_harmless():
    made = unit(outputs=1, inputs=4, bases=9, kept=1)
    assert bool(torch.isfinite(made.threshold).all()) and bool(torch.isfinite(made.kernel()).all())


def test_gradient_reaches_bases_and_kept_coefficients_only():
    made = unit()
    made(numbers(2, 8, 6, 6)).square().sum().backward()
    assert bool((made.bases.grad != 0).any()) and bool((made.coefficients.grad != 0).any())
    assert bool((made.coefficients.grad[~made.kept] == 0).all())


def test_groups_are_decomposed_like_any_kernels():
    made = unit(inputs=8, outputs=6, groups=2)
    assert made.coefficients.shape == (6, 4, 5)
    assert made(numbers(2, 8, 6, 6)).shape == (2, 6, 6, 6)


def test_one_by_one_layer_comes_closer_with_every_plane():
    errors = []
    for planes in (1, 2, 4, 6):
        made = dense(inputs=16, outputs=10, kernel=(1, 1), padding=(0, 0, 0, 0))
        weight = made.weight.detach()
        ternary = TernaryConvolution.of(made, LayerPlan(bases=planes, kept=planes))
        errors.append(float((ternary.kernel().detach() - weight).norm() / weight.norm()))
    assert all(later < earlier for earlier, later in pairwise(errors))
    assert errors[0] < 0.6 and errors[-1] < 0.15


def test_decomposed_layer_gives_the_same_as_the_dense_one_it_came_from():
    made = dense()
    through = TernaryConvolution.of(DecomposedConvolution.of(made, 5), LayerPlan(bases=5, kept=2))
    assert torch.allclose(through.kernel(), unit().kernel(), atol=1e-6)


def test_scale_between_coefficients_and_bases_does_not_matter():
    one = DecomposedConvolution.of(dense(), 5)
    other = DecomposedConvolution(
        one.layer, one.coefficients.detach() * 4, one.bases.detach() / 4, one.normalise
    )
    plan = LayerPlan(bases=5, kept=2)
    kernels = [TernaryConvolution.of(each, plan).kernel() for each in (one, other)]
    assert torch.allclose(*kernels, atol=1e-6)


def test_pruned_coefficients_stay_zero():
    made = DecomposedConvolution.of(dense(), 5)
    made.kept[:, ::2] = False
    assert not TernaryConvolution.of(made, LayerPlan(bases=5, kept=5)).combination()[:, ::2].any()


@pytest.mark.parametrize("share", [0.0, 0.65, 0.8, 0.95])
def test_sparsity_is_what_was_asked_for_or_what_is_best(share):
    units = [unit(), unit(outputs=30), unit(inputs=40, kept=5)]
    set_sparsity(units, share)
    best = sum(int((made.losses() <= 0).sum()) for made in units) / sum(made.kept.numel() for made in units)
    assert sparsity(units) == pytest.approx(max(share, best), abs=2e-3)
    for made in units:
        assert set(made.combination().detach().unique().tolist()) <= {-1.0, 0.0, 1.0}


def error(made):
    return float((made.kernel().detach() - dense(inputs=40).weight.detach()).square().sum())


def test_least_coefficients_become_zero_first():
    made = unit(inputs=40, kept=5)
    set_sparsity([made], 0.7)
    left = made.combination().detach() != 0
    for basis in range(5):
        magnitude = made.coefficients.detach()[:, :, basis].abs()
        assert magnitude[left[:, :, basis]].min() >= magnitude[~left[:, :, basis]].max()


def test_losses_are_what_the_kernel_loses():
    made = unit(inputs=40, kept=5)
    set_sparsity([made], 0.5)
    energy = float(made.bases.detach().square().sum((1, 2)).mean())
    losses, left = made.losses(), made.combination().detach() != 0
    before = error(made)
    for place in left.nonzero()[::97].tolist():
        made.kept[tuple(place)] = False
        assert error(made) - before == pytest.approx(float(losses[tuple(place)]) * energy, abs=1e-4)
        made.kept[tuple(place)] = True


def test_bases_that_hold_little_get_more_zeros():
    made = unit(inputs=40, kept=5)
    with torch.no_grad():
        made.bases[3] *= 0.3
    set_sparsity([made], 0.8)
    zeros = (made.combination().detach() == 0).float().mean((0, 1))
    assert zeros[3] > 0.95 and zeros.argmax() == 3 and zeros.mean() == pytest.approx(0.8, abs=2e-3)


@pytest.mark.parametrize(("units", "share", "message"), [(1, 1.0, "got 1.0"), (0, 0.5, "at least one layer")])
def test_impossible_sparsity_is_refused(units, share, message):
    with pytest.raises(ValueError, match=message):
        set_sparsity([unit()] * units, share)


def test_coefficients_settle_at_what_they_usually_were():
    made = unit(kept=5)
    ternary, latent = made.combination().detach(), made.coefficients.detach().clone()
    rare = (ternary == 0).nonzero()[0]
    often = (ternary == 1).nonzero()[0]
    for step in range(400):
        with torch.no_grad():
            made.coefficients.copy_(latent)
            # One is -1 in a step of five and 0 in the others, one is 1 in four of five and 0 in the last.
            made.coefficients[tuple(rare)] = -5.0 if step % 5 == 4 else 0.0
            made.coefficients[tuple(often)] = 0.0 if step % 5 == 4 else 5.0
        made.remember()
    assert made.combination()[tuple(rare)] == -1 and made.combination()[tuple(often)] == 0
    made.settle(1)
    assert torch.equal(made.combination(), ternary)
    assert not made.coefficients.requires_grad and made.bases.requires_grad
    # Numbers behind those that were as usual still say which of them would be given up first.
    others = torch.ones_like(latent, dtype=torch.bool)
    others[tuple(rare)] = others[tuple(often)] = False
    assert torch.equal(made.coefficients[others], latent[others])


def test_a_share_of_the_coefficients_settles_and_the_others_do_not():
    made = unit(inputs=40, kept=5)
    optimiser = torch.optim.AdamW(made.parameters(), lr=0.1)
    begun, settled = made.combination().detach(), torch.zeros_like(made.kept)
    for share in (0.25, 0.5, 0.5):
        # All that had settled, and as many more as are wanted.
        still = begun.clone()
        made(numbers(2, made.layer.inputs, 6, 6)).square().sum().backward()
        optimiser.step()
        made.settle(share)
        made.remember()
        assert (made.turn < share).float().mean() == pytest.approx(share, abs=0.05)
        now = made.combination().detach()
        assert torch.equal(now[settled], still[settled]) and not torch.equal(now[~settled], still[~settled])
        assert made.coefficients.requires_grad
        settled = made.turn < share
        begun = now


def test_settled_coefficients_keep_their_zeros():
    made = unit(inputs=40, kept=5)
    made.settle(0.3)
    settled = made.turn < 0.3
    before = made.combination().detach()
    # At first some count as zeros that are put back beyond the threshold, where they count no more.
    for _ in range(8):
        set_sparsity([made], 0.7)
        made.settle(0.3)
    assert torch.equal(made.combination()[settled], before[settled])
    assert sparsity([made]) == pytest.approx(0.7, abs=2e-3)


def test_settled_coefficients_bear_training():
    made = unit(kept=5)
    made.settle(1)
    settled = made.combination()
    before = made.bases.detach().clone()
    optimiser = torch.optim.AdamW(made.parameters(), lr=0.1)
    made(numbers(2, made.layer.inputs, 6, 6)).square().sum().backward()
    optimiser.step()
    assert torch.equal(made.combination(), settled) and not torch.equal(made.bases, before)
