"""Ternary layers fitted to trained ones: every step is a best one, and the network is the better for it."""

import copy

import pytest
import torch

from sw.compression.fitting import fit_layer, fit_network
from sw.compression.plan import LayerPlan, plan_layers
from sw.compression.ternary import TernaryConvolution, sparsity, ternary_network, ternary_units
from sw.layers import IDENTITY, ConvolutionLayer
from sw.model import DenseConvolution, convolve, new_network
from sw.pixels import Pixels

from .networks import dense, images

LAYERS = {
    "plain": {},
    "strided": {"stride": 2, "padding": (0, 0, 1, 1)},
    "groups": {"groups": 2},
    "planes": {"kernel": (1, 1), "padding": (0, 0, 0, 0)},
    "wide": {"kernel": (5, 3), "padding": (2, 1, 2, 1)},
}


def layer(**changes):
    values = {"name": "layer", "input": "input", "inputs": 8, "outputs": 6, "padding": (1, 1, 1, 1)}
    return ConvolutionLayer(**(values | changes))


def correlated(count=40, channels=8, size=9, seed=3):
    """Maps whose channels and pixels hang together, of unlike strength, and none negative."""
    generator = torch.Generator().manual_seed(seed)
    maps = torch.randn(count, channels, size + 2, size + 2, generator=generator)
    maps = torch.nn.functional.avg_pool2d(maps, 3, 1) * 3
    mixed = torch.einsum("cd,ndhw->nchw", torch.randn(channels, channels, generator=generator), maps)
    return (mixed * torch.linspace(0.2, 2, channels)[:, None, None]).relu()


def made(bases=5, kept=5, **changes):
    torch.manual_seed(6)
    trained = DenseConvolution(layer(**changes))
    return trained, TernaryConvolution.of(trained, LayerPlan(bases=bases, kept=kept))


def moments(shape, maps, other=None):
    """Mean products of patches, position by position: slow, and shares nothing with what is tested."""
    top, left, bottom, right = shape.padding
    grids = []
    for source in (other if other is not None else maps, maps):
        padded = torch.nn.functional.pad(source, (left, right, top, bottom)).double()
        height, width = shape.kernel
        rows = range(0, padded.shape[2] - height + 1, shape.stride)
        columns = range(0, padded.shape[3] - width + 1, shape.stride)
        parts = [padded[:, :, y : y + height, x : x + width].flatten(1) for y in rows for x in columns]
        grids.append(torch.stack(parts).flatten(0, 1).unflatten(1, (shape.groups, -1)))
    return tuple(torch.einsum("pgm,pgn->gmn", grid, grids[1]) / len(grids[1]) for grid in grids)[::-1]


def fitted(name, zeros=None, **options):
    maps = correlated()
    trained, unit = made(**LAYERS[name], **options)
    fit = fit_layer(unit, trained.weight.detach(), *moments(unit.layer, maps), zeros)
    before = copy.deepcopy(unit)
    unit.take(fit)
    return trained, before, unit, maps


def error(trained, unit, maps, kernel=None):
    kernel = unit.kernel() if kernel is None else kernel
    wanted, got = (convolve(maps.double(), k.double(), unit.layer) for k in (trained.weight, kernel))
    return float((wanted - got).detach().square().mean() / wanted.detach().square().mean())


@pytest.mark.parametrize("name", LAYERS)
def test_fit_comes_far_closer_than_the_nearest_kernel(name):
    trained, before, unit, maps = fitted(name, bases=2 if name == "planes" else 5)
    share = 0.7 if name == "planes" else 0.5
    assert error(trained, unit, maps) < share * error(trained, before, maps)
    assert set(unit.combination().detach().unique().tolist()) <= {-1.0, 0.0, 1.0}


@pytest.mark.parametrize("name", LAYERS)
def test_no_other_coefficient_is_better_than_the_one_chosen(name):
    trained, _, unit, maps = fitted(name)
    best = error(trained, unit, maps)
    ternary = unit.combination().detach()
    for place in torch.cartesian_prod(*(torch.arange(n) for n in ternary.shape))[::7].tolist():
        for value in (-1.0, 0.0, 1.0):
            changed = ternary.clone()
            changed[tuple(place)] = value
            kernel = torch.einsum("kcm,mrs->kcrs", changed, unit.bases.detach())
            # The damping, and coefficients that were not gone through again.
            assert error(trained, unit, maps, kernel) > best * 0.98


def test_losses_are_what_the_sums_lose():
    trained, _, unit, maps = fitted("plain")
    ternary, losses = unit.combination().detach(), unit.losses()
    whole = convolve(maps.double(), trained.weight.detach().double(), unit.layer).square().mean()
    before = error(trained, unit, maps)
    counted, measured = [], []
    for place in ternary.nonzero()[::9].tolist():
        without = ternary.clone()
        without[tuple(place)] = 0
        kernel = torch.einsum("kcm,mrs->kcrs", without, unit.bases.detach())
        counted.append(float(losses[tuple(place)]))
        measured.append(float((error(trained, unit, maps, kernel) - before) * whole))
    together = torch.corrcoef(torch.tensor([counted, measured]))[0, 1]
    assert len(counted) > 10 and together > 0.98


@pytest.mark.parametrize("share", [0.6, 0.8, 0.95])
def test_zeros_are_as_many_as_asked_for_and_better_chosen_than_by_kernels(share):
    trained, before, unit, maps = fitted("plain", zeros=share)
    assert sparsity([unit]) == pytest.approx(share, abs=0.02)
    nearest = copy.deepcopy(before)
    nearest.give_up(nearest.losses().flatten().kthvalue(round(share * nearest.kept.numel())).values)
    assert error(trained, unit, maps) < 0.8 * error(trained, nearest, maps)


def test_only_coefficients_that_are_kept_are_used():
    _, _, unit, _ = fitted("plain", kept=2)
    assert not unit.combination()[~unit.kept].any() and unit.combination()[unit.kept].any()


def test_errors_of_layers_before_are_made_up_for():
    maps = correlated()
    noisy = (maps + 0.4 * correlated(seed=4)).relu()
    trained, unit = made()
    fits = []
    for found in (moments(unit.layer, noisy), moments(unit.layer, noisy, maps)):
        one = copy.deepcopy(unit)
        one.take(fit_layer(one, trained.weight.detach(), *found))
        fits.append(one)
    wanted = convolve(maps, trained.weight.detach(), unit.layer)
    errors = [
        float((convolve(noisy, one.kernel(), one.layer) - wanted).detach().square().mean()) for one in fits
    ]
    assert errors[1] < 0.85 * errors[0]


def test_a_network_answers_like_the_trained_one():
    network, pixels = dense(), images(400)
    plans = plan_layers(network, bases=6)
    nearest = ternary_network(network, plans).eval()
    fit = fit_network(network, copy.deepcopy(nearest), pixels)
    other = images(64, seed=9)
    wanted = network(other)
    distances = [float((one(other) - wanted).detach().square().mean()) for one in (nearest, fit)]
    assert distances[1] < 0.75 * distances[0]
    again = fit_network(network, ternary_network(network, plans), pixels)
    for (_, one), (_, two) in zip(ternary_units(fit), ternary_units(again), strict=True):
        assert torch.equal(one.coefficients, two.coefficients) and torch.equal(one.bases, two.bases)


def test_each_layer_gets_its_share_of_zeros():
    network = dense()
    fit = ternary_network(network, plan_layers(network, bases=6))
    names = [name.name for name, _ in ternary_units(fit)]
    shares = dict(zip(names, (0.6, 0.7, 0.8) * len(names), strict=False))
    fit_network(network, fit, images(64), shares)
    for found, unit in ternary_units(fit):
        assert sparsity([unit]) == pytest.approx(shares[found.name], abs=0.1)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_means_stay_those_of_the_trained_layer(batch_norm):
    torch.manual_seed(6)
    only = layer(inputs=4, name="only", batch_norm=batch_norm, activation=IDENTITY)
    pixels = Pixels(channels=4, height=6, width=6, offset=(0.0,) * 4, gain=(1.0,) * 4)
    network = new_network(pixels, (only,)).eval()
    seen = 3 + torch.rand(50, 4, 6, 6, generator=torch.Generator().manual_seed(2))
    fit = ternary_network(network, {"only": LayerPlan(bases=2, kept=2)})
    fit_network(network, fit, seen)
    got = fit.tensors(seen)["only"].detach()
    # What leaves a batch norm has the mean 0 and the variance 1.
    wanted = torch.zeros(6) if batch_norm else network.tensors(seen)["only"].detach().mean((0, 2, 3))
    torch.testing.assert_close(got.mean((0, 2, 3)), wanted, atol=1e-3, rtol=1e-3)
    if batch_norm:
        torch.testing.assert_close(got.var((0, 2, 3)), torch.ones(6), atol=1e-2, rtol=1e-2)


def test_what_is_the_same_in_all_patches_counts_for_nothing():
    """It goes into the offset; a fit that looked at it would see little else of pixels as bright as these."""
    torch.manual_seed(6)
    only = layer(inputs=8, name="only", padding=(0, 0, 0, 0), batch_norm=False, activation=IDENTITY)
    network = new_network(Pixels(channels=8, height=9, width=9, offset=(0.0,) * 8, gain=(1.0,) * 8), (only,))
    errors = []
    for brightness in (0.0, 100.0):
        fit = ternary_network(network, {"only": LayerPlan(bases=4, kept=4)})
        seen = correlated() + brightness
        fit_network(network, fit, seen)
        wrong = fit.tensors(seen)["only"] - network.tensors(seen)["only"]
        errors.append(float(wrong.detach().var()))
    assert errors[1] == pytest.approx(errors[0], rel=0.05)


def test_channels_that_are_always_zero_do_no_harm():
    network = new_network(
        Pixels(channels=4, height=6, width=6, offset=(0.0,) * 4, gain=(1.0,) * 4),
        (layer(inputs=4, name="only", batch_norm=False),),
    )
    fit = ternary_network(network, {"only": LayerPlan(bases=4, kept=4)})
    dark = torch.zeros(8, 4, 6, 6)
    fit_network(network, fit, dark)
    for value in fit.state_dict().values():
        assert bool(torch.isfinite(value.double()).all())


def test_a_layer_without_coefficients_keeps_its_bases():
    maps = correlated()
    trained, unit = made()
    unit.kept[:] = False
    before = unit.bases.detach().clone()
    unit.take(fit_layer(unit, trained.weight.detach(), *moments(unit.layer, maps)))
    assert not unit.combination().any()
    torch.testing.assert_close(unit.bases.detach(), before)
