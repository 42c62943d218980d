"""Channels that leave: which can, which do, what the network computes without them, by each of the three methods."""

import copy
import dataclasses

import pytest
import torch

from sw.complexity import network_complexity, total
from sw.compression.channel_pruning import lasso
from sw.compression.channel_pruning.filters import FilterSettings, prune_filters, without_filters
from sw.compression.channel_pruning.lasso import (
    LassoSettings,
    choose_channels,
    fit_weights,
    prune_by_lasso,
    sum_parts,
    with_fewer_inputs,
)
from sw.compression.channel_pruning.samples import sample_inputs, sample_sums
from sw.compression.channel_pruning.slimming import SlimmingSettings, slim, without_small_gains
from sw.compression.run import Run
from sw.model import new_network
from sw.training import TrainingSettings, repeatable, train
from tests.sw.compression.networks import dense
from tests.sw.training.patterns import patterns, small_network

QUICK = TrainingSettings(epochs=2, rate=0.005, batch=32, evaluate_every=0)


@pytest.fixture(scope="module")
def trained():
    with repeatable(4):
        network = small_network()
        train(network, patterns(), dataclasses.replace(QUICK, epochs=10, rate=0.02))
    return network


def channels(network):
    """Output channels of every convolution, by name."""
    return {layer.name: layer.outputs for layer, _ in network.units()}


@pytest.mark.parametrize("greedy", [False, True])
def test_filters_with_the_least_norms_go(greedy):
    network = dense()
    norms = network.unit("first").weight.detach().abs().sum((1, 2, 3))
    small = without_filters(network, FilterSettings(sparsity=0.5, greedy=greedy))
    assert channels(small) == channels(network) | {"first": 4, "swish": 5}
    left = small.unit("first").weight.abs().sum((1, 2, 3))
    assert torch.allclose(left.sort().values, norms.sort().values[4:])


def test_greedy_norms_leave_out_what_went():
    """The filter that is strongest through a channel that leaves is not the strongest without it."""
    network = small_network()
    with torch.no_grad():
        network.unit("first").weight[0] = 1e-3
        network.unit("second").weight.fill_(0.1)
        network.unit("second").weight[3] = 0.01
        network.unit("second").weight[3, 0] = 9.0
    shares = {"sparsity": 0.0, "layers": {"first": 0.125, "second": 0.125}}
    independent, greedy = (
        without_filters(network, FilterSettings(**shares, greedy=flag)) for flag in (False, True)
    )
    found = [
        (network.unit("second").kernel() < 0.05).flatten(1).any(1).any() for network in (independent, greedy)
    ]
    assert found == [True, False]


def test_work_of_a_layer_and_of_the_next_falls_as_the_filters(trained):
    small = without_filters(trained, FilterSettings(sparsity=0.0, layers={"first": 0.25}))
    before, after = (
        {layer.name: layer.dense.multiply_adds for layer in network_complexity(network)}
        for network in (trained, small)
    )
    assert {name: after[name] / before[name] for name in ("first", "second", "classify")} == {
        "first": 0.75,
        "second": 0.75,
        "classify": 1,
    }
    assert total(network_complexity(small), "dense").operations < 0.8 * sum(before.values())


def test_filters_are_pruned_and_what_is_left_is_trained(trained):
    run = Run(dataset=patterns())
    with repeatable(4):
        made = prune_filters(trained, FilterSettings(sparsity=0.3, tuning=QUICK), run)
    assert [phase.name for phase in run.phases] == ["filters", "filters-tune"]
    assert channels(made) == {"first": 6, "second": 6, "classify": 4}
    assert run.accuracy(made) >= run.accuracy(trained) - 0.2


def test_slimming_shrinks_gains_and_prunes_them(trained):
    run = Run(dataset=patterns())
    settings = SlimmingSettings(
        penalty=0.3, sparsity=0.25, sparsifying=dataclasses.replace(QUICK, epochs=4, rate=0.02), tuning=QUICK
    )
    with repeatable(4):
        made = slim(trained, settings, run)
    assert [phase.name for phase in run.phases] == ["slim", "slim-prune", "slim-tune"]
    assert channels(made)["first"] + channels(made)["second"] == 12
    # What leaves hardly adds to what follows.
    assert run.phases[1].accuracy >= run.phases[0].accuracy - 0.15
    for name in ("first", "second"):
        gains, before = (network.unit(name).normalise.weight.abs().mean() for network in (made, trained))
        assert gains < 0.8 * before


def test_the_smallest_gains_of_all_layers_go_and_every_layer_keeps_some():
    network = small_network().eval()
    with torch.no_grad():
        network.unit("first").normalise.weight.copy_(torch.arange(8) + 10)
        network.unit("second").normalise.weight.copy_(-(torch.arange(8) + 1))
    small = without_small_gains(network, SlimmingSettings(sparsity=0.25))
    assert channels(small) == {"first": 8, "second": 4, "classify": 4}
    assert small.unit("second").normalise.weight.tolist() == [-5, -6, -7, -8]
    small = without_small_gains(network, SlimmingSettings(sparsity=0.8, least=2))
    # 13 of 16 would go: all of the second but two, and five of the first.
    assert channels(small) == {"first": 3, "second": 2, "classify": 4}


def random_windows(count=600, inputs=8, taps=4, outputs=5, seed=3):
    generator = torch.Generator().manual_seed(seed)
    windows = torch.randn(count, inputs, taps, generator=generator, dtype=torch.float64)
    return windows, torch.randn(outputs, inputs, 2, 2, generator=generator)


def test_lasso_finds_channels_that_add_nothing_and_those_that_are_there_twice():
    windows, kernel = random_windows()
    windows[:, 2] = 0
    windows[:, 6] = windows[:, 1]
    kernel[:, 6] = kernel[:, 1]
    wanted = sample_sums(windows, kernel)
    kept = choose_channels([sum_parts(windows, kernel, wanted, torch.arange(8))], 6).tolist()
    assert 2 not in kept and len({1, 6} & set(kept)) == 1
    weights, offsets = fit_weights(windows[:, kept], wanted + 3.0)
    assert torch.allclose(windows[:, kept].flatten(1) @ weights.T + offsets, wanted + 3.0, atol=1e-8)
    assert torch.allclose(offsets, torch.full((5,), 3.0, dtype=torch.float64), atol=1e-8)


@pytest.mark.parametrize("count", [1, 3, 7, 8])
def test_fitted_weights_are_better_than_the_old_ones(count):
    windows, kernel = random_windows()
    windows = windows + windows.roll(1, 1)
    wanted = sample_sums(windows, kernel)
    kept = choose_channels([sum_parts(windows, kernel, wanted, torch.arange(8))], count)
    assert len(kept) == count and (kept.diff() > 0).all()
    weights, offsets = fit_weights(windows[:, kept], wanted)
    fitted = (windows[:, kept].flatten(1) @ weights.T + offsets - wanted).square().sum()
    plain = (sample_sums(windows[:, kept], kernel[:, kept]) - wanted).square().sum()
    strongest = kernel.abs().sum((0, 2, 3)).argsort(descending=True)[:count].sort().values
    by_norm, beside = fit_weights(windows[:, strongest], wanted)
    norm = (windows[:, strongest].flatten(1) @ by_norm.T + beside - wanted).square().sum()
    assert fitted <= plain + 1e-9 and fitted <= 1.2 * norm + 1e-9


def test_samples_are_what_the_convolution_reads():
    network, dataset = small_network().eval(), patterns()
    layer = network.unit("second").layer
    windows = sample_inputs(network, layer, dataset, images=256, points=16)
    assert windows.shape == (256 * 16, 8, 9)
    sums = sample_sums(windows, network.unit("second").kernel()).reshape(256, 16, 8)
    with torch.no_grad():
        tensors = network.tensors(torch.from_numpy(dataset.train_images).float())
        unit = network.unit("second")
        bare = copy.deepcopy(unit)
        bare.normalise = torch.nn.Identity()
        every = bare.sums(tensors["first"]).flatten(2)
    # Each sampled sum is that of a place of its image.
    distance = (every[:3, :, None, :] - sums[:3].transpose(1, 2)[..., None]).abs().sum(1).amin(2)
    assert distance.max() < 1e-3


def test_fewer_channels_by_lasso_keep_what_was_learned(trained):
    run = Run(dataset=patterns())
    settings = LassoSettings(sparsity=0.25, images=256, tuning=QUICK)
    with repeatable(4):
        made = prune_by_lasso(trained, settings, run)
    assert [phase.name for phase in run.phases] == ["lasso", "lasso-tune"]
    assert channels(made) == {"first": 6, "second": 6, "classify": 4}
    assert run.phases[0].accuracy >= run.accuracy(trained) - 0.1
    same = with_fewer_inputs(trained, LassoSettings(sparsity=0.0), patterns())
    with torch.no_grad():
        pixels = torch.from_numpy(patterns().test_images)
        assert torch.equal(same(pixels), trained(pixels))


@pytest.mark.parametrize("name", ["first", "second"])
def test_what_a_constant_channel_added_stays_as_an_offset(monkeypatch, name):
    layers = [
        dataclasses.replace(layer, padding=(0, 0, 0, 0)) if layer.name == "second" else layer
        for layer in small_network().layers
    ]
    with repeatable(4):
        network = new_network(small_network().pixels, layers)
    with torch.no_grad():
        network.unit(name).normalise.weight[3] = 0
        network.unit(name).normalise.bias[3] = 2.0
    monkeypatch.setattr(lasso, "choose_channels", lambda *_: torch.tensor([0, 1, 2, 4, 5, 6, 7]))
    settings = LassoSettings(sparsity=0.0, layers={name: 0.125}, images=256, points=9)
    small = with_fewer_inputs(network, settings, patterns())
    assert channels(small)[name] == 7
    pixels = torch.from_numpy(patterns().test_images)
    with torch.no_grad():
        assert torch.allclose(small(pixels), network.eval()(pixels), atol=1e-4)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FilterSettings(sparsity=1.0), r"expected a share of filters from 0 to below 1, got 1\.0"),
        (lambda: LassoSettings(layers={"stem": 2.0}), r"expected a share of channels .*, got 2\.0 of stem"),
        (lambda: LassoSettings(points=0), "expected at least one of points, got 0"),
        (lambda: SlimmingSettings(sparsity=-1.0), "expected a share of channels from 0 to below 1"),
        (lambda: SlimmingSettings(penalty=-1.0), "expected a penalty of at least 0"),
        (lambda: SlimmingSettings(least=0), "expected layers to keep at least one channel, got 0"),
        (
            lambda: without_filters(dense(), FilterSettings(layers={"down": 0.5})),
            "expected shares of layers from first, swish, got 'down'",
        ),
        (
            lambda: with_fewer_inputs(dense(), LassoSettings(layers={"last": 0.5}), patterns()),
            "expected shares of layers from first, swish, got 'last'",
        ),
    ],
)
def test_impossible_settings_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
