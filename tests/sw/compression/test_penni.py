"""PENNI: pruning, turns of training, and all four phases on pictures that can be learned in seconds."""

import dataclasses

import pytest
import torch

from sw.compression.decomposed import (
    DecomposedConvolution,
    coefficient_penalty,
    decompose_network,
    decomposed_units,
)
from sw.compression.penni import PenniSettings, alternate, penni, prune
from sw.compression.plan import LayerPlan, plan_layers
from sw.compression.run import Run
from sw.compression.zeros import nonzero_count
from sw.training import TrainingSettings, repeatable, train
from tests.sw.compression.networks import dense, images
from tests.sw.training.patterns import patterns, small_network

QUICK = TrainingSettings(epochs=6, rate=0.02, batch=32, evaluate_every=0)


@pytest.fixture
def decomposed():
    network = dense()
    return decompose_network(network, plan_layers(network, bases=5))


def test_all_bases_are_the_network_itself():
    network = dense()
    plans = {
        layer.name: plan if not plan.decomposed else LayerPlan(bases=layer.kernel[0] * layer.kernel[1])
        for (layer, _), plan in zip(network.units(), plan_layers(network).values(), strict=True)
    }
    made = decompose_network(network, plans)
    assert len(decomposed_units(made)) == 5
    with torch.no_grad():
        assert torch.allclose(made(images()), network(images()), atol=1e-4)


def test_fewer_bases_leave_the_network_as_it_was(decomposed):
    network = dense()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    made = decompose_network(network, plan_layers(network, bases=2))
    made.unit("down").coefficients.data.zero_()
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize("zeros", [0.0, 0.3, 0.9])
def test_share_of_zeros_is_what_was_asked_for(decomposed, zeros):
    prune(decomposed, zeros=zeros)
    nonzero, count = nonzero_count(decomposed)
    assert count - nonzero == round(zeros * count)


def test_what_adds_least_goes_first(decomposed):
    importance = {layer.name: unit.importance() for layer, unit in decomposed_units(decomposed)}
    prune(decomposed, zeros=0.5)
    kept = torch.cat([importance[layer.name][unit.kept] for layer, unit in decomposed_units(decomposed)])
    gone = torch.cat([importance[layer.name][~unit.kept] for layer, unit in decomposed_units(decomposed)])
    assert gone.max() <= kept.min()


def test_deviations_are_those_of_a_layer(decomposed):
    before = {layer.name: unit.coefficients.detach().clone() for layer, unit in decomposed_units(decomposed)}
    prune(decomposed, deviations=1.0)
    for layer, unit in decomposed_units(decomposed):
        coefficients = before[layer.name]
        assert torch.equal(unit.kept, coefficients.abs() >= coefficients.std(correction=0)), layer.name


def test_pruned_coefficients_stay_zero_in_training(decomposed):
    prune(decomposed, zeros=0.8)
    nonzero = nonzero_count(decomposed)
    optimiser = torch.optim.SGD(decomposed.parameters(), 0.1, momentum=0.9, weight_decay=1e-4)
    for _ in range(3):
        loss = decomposed(images()).square().sum() + coefficient_penalty(decomposed)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert nonzero_count(decomposed) == nonzero


@pytest.mark.parametrize(
    ("interval", "turns"), [(1, "BCBCBC"), (2, "CBBCCB"), (3, "CCBBBC")], ids=lambda value: str(value)
)
def test_bases_and_coefficients_take_turns(decomposed, interval, turns):
    for epoch, turn in enumerate(turns):
        alternate(decomposed, epoch, interval)
        for _, unit in decomposed_units(decomposed):
            assert unit.coefficients.requires_grad == (turn == "C")
            assert unit.bases.requires_grad == (turn == "B")
    alternate(decomposed, None, interval)
    assert all(parameter.requires_grad for parameter in decomposed.unit("down").parameters())


def test_penalty_is_the_sum_of_magnitudes(decomposed):
    expected = sum(float(unit.coefficients.detach().abs().sum()) for _, unit in decomposed_units(decomposed))
    assert float(coefficient_penalty(decomposed).detach()) == pytest.approx(expected, rel=1e-5)


def test_four_phases_keep_what_was_learned():
    with repeatable(4):
        dataset, network = patterns(), small_network()
        train(network, dataset, dataclasses.replace(QUICK, epochs=12))
        run = Run(dataset=dataset)
        before = run.accuracy(network)
        made = penni(network, PenniSettings(retraining=QUICK, tuning=QUICK, zeros=0.5, bases=4), run)
    assert [phase.name for phase in run.phases] == ["decompose", "retrain", "prune", "tune", "shrink"]
    assert run.accuracy(made) >= before - 0.1 and before > 0.8
    zeros = {phase.name: phase.zeros for phase in run.phases}
    assert zeros["retrain"] < 0.1 and zeros["tune"] == pytest.approx(0.5, abs=0.01)
    assert [layer.name for layer, _ in decomposed_units(made)] == ["second", "classify"]
    assert all(isinstance(unit, DecomposedConvolution) for _, unit in decomposed_units(made))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"interval": 0}, "expected an interval of at least one epoch, got 0"),
        ({"zeros": 1.0}, r"expected a share of zeros from 0 to below 1, got 1\.0"),
        ({"penalty": -1.0}, "expected penalty and deviations of at least 0"),
    ],
)
def test_impossible_settings_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        PenniSettings(**changes)
