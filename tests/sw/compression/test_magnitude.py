"""Pruning by magnitude: which weights go, that they stay away in training, rounds, resuming, and coming back."""

import dataclasses

import pytest
import torch

from sw.compression.decomposed import decompose_network
from sw.compression.magnitude import (
    MagnitudeSettings,
    RestoreSettings,
    prune_by_magnitude,
    prune_least,
    restore,
)
from sw.compression.masked import MaskedConvolution, prunable_units
from sw.compression.plan import LayerPlan
from sw.compression.run import Run
from sw.compression.shrinking import shrink
from sw.compression.zeros import nonzero_count
from sw.model import DenseConvolution
from sw.training import TrainingSettings, repeatable, train
from tests.sw.compression.networks import dense, images
from tests.sw.training.patterns import patterns, small_network

QUICK = TrainingSettings(epochs=2, rate=0.01, batch=32, evaluate_every=0, checkpoint_minutes=0)


@pytest.mark.parametrize("scope", ["layer", "network"])
@pytest.mark.parametrize("share", [0.0, 0.37, 0.9])
def test_the_least_weights_go(scope, share):
    network = dense()
    made = prune_least(network, MagnitudeSettings(sparsity=share, scope=scope))
    parts = [
        (network.unit(layer.name).weight.detach().abs(), unit.kept) for layer, unit in prunable_units(made)
    ]
    if scope == "network":
        parts = [tuple(torch.cat([part.flatten() for part in side]) for side in zip(*parts, strict=True))]
    for magnitude, kept in parts:
        assert int((~kept).sum()) == round(share * kept.numel())
        if not kept.all():
            assert magnitude[~kept].max() <= magnitude[kept].min()
    assert not isinstance(made.unit("scale"), MaskedConvolution)
    assert not isinstance(network.unit("first"), MaskedConvolution)


def test_layers_have_shares_of_their_own():
    made = prune_least(dense(), MagnitudeSettings(sparsity=0.5, layers={"first": 0.0, "down": 0.75}))
    zeros = {layer.name: 1 - float(unit.kept.double().mean()) for layer, unit in prunable_units(made)}
    assert zeros["first"] == 0 and zeros["down"] == 0.75 and zeros["swish"] == pytest.approx(0.5, abs=0.01)
    with pytest.raises(ValueError, match=r"expected shares of layers from first, down, .*, got 'scale'"):
        prune_least(dense(), MagnitudeSettings(layers={"scale": 0.5}))


def test_what_is_masked_counts_before_what_happens_to_be_zero():
    unit = dense().unit("down")
    weight = unit.weight.detach().clone()
    weight[:3] = 0
    kept = torch.ones_like(weight, dtype=torch.bool)
    kept[-3:] = False
    masked = MaskedConvolution(unit.layer, weight, None, kept)
    masked.prune(3 / len(weight))
    assert torch.equal(masked.kept, kept)
    masked.prune(6 / len(weight))
    assert not masked.kept[:3].any() and masked.kept[3:-3].all()


@pytest.mark.parametrize("optimiser", [torch.optim.SGD, torch.optim.AdamW])
def test_pruned_weights_stay_zero_in_training(optimiser):
    made = prune_least(dense(), MagnitudeSettings(sparsity=0.7))
    before = nonzero_count(made)
    steps = optimiser(made.parameters(), 0.1, weight_decay=1e-2)
    for _ in range(3):
        loss = made(images()).square().sum()
        steps.zero_grad()
        loss.backward()
        steps.step()
    assert nonzero_count(made) == before
    for _, unit in prunable_units(made):
        assert torch.equal(unit.weight, unit.kernel())


@pytest.fixture(scope="module")
def trained():
    with repeatable(4):
        network = small_network()
        train(network, patterns(), dataclasses.replace(QUICK, epochs=10, rate=0.02))
    return network


def pruned(network, folder=None, progress=None, **changes):
    """The run of a pruning, and what came out."""
    settings = MagnitudeSettings(**({"sparsity": 0.7, "rounds": 3, "tuning": QUICK} | changes))
    run = Run(dataset=patterns(), folder=folder, progress=progress, about=settings)
    with repeatable(4):
        return run, prune_by_magnitude(network, settings, run)


def test_rounds_leave_the_same_share_each(trained):
    run, made = pruned(trained)
    names = [f"magnitude{tune}-{number}" for number in (1, 2, 3) for tune in ("", "-tune")]
    assert [phase.name for phase in run.phases] == names
    zeros = [phase.zeros for phase in run.phases]
    assert zeros[0] == zeros[1] == pytest.approx(1 - 0.3 ** (1 / 3), abs=0.01)
    assert zeros[-1] == pytest.approx(0.7, abs=0.01)
    assert run.accuracy(made) >= run.accuracy(trained) - 0.1 and run.accuracy(trained) > 0.8


def test_later_rounds_prune_what_was_trained():
    """Weights that earlier rounds made zero stay so, and masks only grow."""
    kept = []
    made = dense()
    for part in (0.5, 1.0):
        made = prune_least(made, MagnitudeSettings(sparsity=0.75), part)
        kept.append([unit.kept for _, unit in prunable_units(made)])
    for early, late in zip(*kept, strict=True):
        assert not (late & ~early).any() and late.sum() < early.sum()


class Killed(Exception):
    """A run that ends where it should not."""


def test_a_killed_run_goes_on_where_it_was(trained, tmp_path):
    def stop(name, fraction, text):
        if name == "magnitude-tune-2" and fraction > 0.3:
            raise Killed

    _, whole = pruned(trained, rounds=2)
    with pytest.raises(Killed):
        pruned(trained, tmp_path, stop, rounds=2)
    _, again = pruned(trained, tmp_path, rounds=2)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name
    with pytest.raises(ValueError, match=r"with about\.sparsity 0\.8, got one with 0\.7"):
        pruned(trained, tmp_path, rounds=2, sparsity=0.8)


def test_restored_weights_start_from_zero_and_are_trained(trained):
    run, made = pruned(trained, rounds=1)
    restored = restore(made, RestoreSettings(training=QUICK), run)
    assert [phase.name for phase in run.phases[2:]] == ["restore", "restore-tune"]
    assert run.phases[2].accuracy == run.phases[1].accuracy and run.phases[2].zeros is None
    for (_, unit), (_, before) in zip(restored.units(), made.units(), strict=True):
        assert type(unit) is DenseConvolution and unit.weight.requires_grad
        assert (before.kernel() == 0).any() and (unit.weight != 0).all()


def test_channels_that_lost_all_weights_can_leave():
    made = prune_least(dense(), MagnitudeSettings(sparsity=0.3))
    made.unit("swish").kept[2] = False
    made.unit("swish").normalise.bias.data[2] = 0
    made.unit("swish").normalise.running_mean[2] = 0
    small = shrink(made).network
    assert small.unit("swish").kept.shape[0] == 9 and small.unit("last").kept.shape[1] == 9
    with torch.no_grad():
        assert torch.allclose(small(images()), made(images()), atol=1e-4)


def test_a_decomposed_network_is_refused():
    network = dense()
    plans = {layer.name: LayerPlan(bases=1) for layer, _ in network.units()}
    made = decompose_network(network, plans)
    with pytest.raises(ValueError, match="expected a layer with weights of its own, got none"):
        prunable_units(made)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sparsity": 1.0}, r"expected a share of zeros from 0 to below 1, got 1\.0 of sparsity"),
        ({"layers": {"stem": -0.1}}, r"got -0\.1 of stem"),
        ({"scope": "world"}, "expected a scope of layer or network, got 'world'"),
        ({"scope": "network", "layers": {"a": 0.5}}, "expected shares of single layers with the scope layer"),
        ({"rounds": 0}, "expected at least one round, got 0"),
    ],
)
def test_impossible_settings_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        MagnitudeSettings(**changes)
