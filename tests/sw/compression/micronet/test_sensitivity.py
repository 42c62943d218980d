"""The scan against pruning by hand, and zeros chosen from scans whose answer is known."""

import numpy as np
import pytest
import torch

from sw.compression.masked import prunable_units
from sw.compression.micronet.budget import budget_of, choose, prune_to
from sw.compression.micronet.sensitivity import LayerSensitivity, Sensitivity, scan
from sw.training import accuracy
from tests.sw.compression.networks import dense, images


def labelled(network):
    """Images with the labels that ``network`` gives them: it is always right."""
    pictures = images(40).to(torch.uint8).numpy()
    with torch.no_grad():
        return pictures, network(torch.from_numpy(pictures).float()).argmax(1).numpy()


def test_the_scan_prunes_one_layer_at_a_time():
    network = dense()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    pictures, labels = labelled(network)
    seen = []
    found = scan(network, pictures, labels, (0.3, 0.9), progress=lambda part, name: seen.append((part, name)))
    assert found.accuracy == 1 and found.images == 40
    assert [layer.name for layer in found.layers] == [
        layer.name for layer, _ in network.units() if not layer.fixed
    ]
    assert [part for part, _ in seen] == sorted(part for part, _ in seen) and len(seen) == 2 * len(
        found.layers
    )
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    for layer in found.layers:
        unit = network.unit(layer.name)
        weight = unit.weight.detach().clone()
        assert layer.weights == weight.numel()
        assert layer.places == np.prod(network.shapes[layer.name][1:])
        for share, measured in zip(found.shares, layer.accuracies, strict=True):
            limit = weight.abs().flatten().kthvalue(round(share * weight.numel())).values
            with torch.no_grad():
                unit.weight.copy_(weight * (weight.abs() > limit))
            assert accuracy(network, pictures, labels) == measured, (layer.name, share)
        with torch.no_grad():
            unit.weight.copy_(weight)
    # It is not the same everywhere.
    assert len({layer.accuracies for layer in found.layers}) > 2


@pytest.mark.parametrize("shares", [(), (0.0, 0.5), (0.5, 1.0), (0.5, 0.4), (0.5, 0.5)])
def test_other_shares_are_refused(shares):
    network = dense()
    with pytest.raises(ValueError, match="expected rising shares of zeros above 0 and below 1"):
        scan(network, *labelled(network), shares)


def sensitivity(*layers, accuracy=0.9, shares=(0.25, 0.5, 0.75)):
    return Sensitivity(
        shares=shares,
        accuracy=accuracy,
        images=100,
        layers=tuple(
            LayerSensitivity(name=name, weights=weights, places=places, accuracies=accuracies)
            for name, weights, places, accuracies in layers
        ),
    )


def test_every_layer_may_cost_the_same():
    """Losses are 0.4 s and 0.2 s: the second layer gets twice the zeros of the first."""
    found = sensitivity(
        ("a", 1000, 4, (0.8, 0.7, 0.6)),
        ("b", 1000, 1, (0.85, 0.8, 0.75)),
    )
    choice = choose(found, 1250)
    assert choice.left == 1250 and choice.zeros == {"a": 250, "b": 500}
    assert choice.tolerance == pytest.approx(0.1, abs=1e-3)


def test_multiply_adds_count_positions():
    found = sensitivity(("a", 1000, 4, (0.8, 0.7, 0.6)), ("b", 1000, 1, (0.8, 0.7, 0.6)))
    budget = budget_of(found, 0.6, "operations")
    choice = choose(found, budget, "operations")
    left = (1000 - choice.zeros["a"]) * 4 + 1000 - choice.zeros["b"]
    assert budget == 3000 and choice.left == left and budget - 4 < left <= budget
    assert abs(choice.zeros["a"] - choice.zeros["b"]) <= 4


def test_a_layer_that_recovers_is_not_trusted():
    """Accuracy above that of a smaller share is chance."""
    found = sensitivity(("a", 1000, 1, (0.5, 0.9, 0.9)), ("b", 1000, 1, (0.9, 0.9, 0.9)))
    choice = choose(found, 1250)
    assert choice.zeros["a"] == 0 and choice.zeros["b"] == 750


@pytest.mark.parametrize("cost", ["parameters", "operations"])
@pytest.mark.parametrize("seed", range(6))
def test_budgets_are_met(seed, cost):
    random = np.random.default_rng(seed)
    layers = []
    for number in range(7):
        # Accuracies of few images have steps.
        drops = np.cumsum(random.integers(0, 4, 9)) / 50
        layers.append(
            (f"l{number}", int(random.integers(20, 3000)), int(random.integers(1, 65)), tuple(0.9 - drops))
        )
    found = sensitivity(*layers, shares=tuple(np.arange(1, 10) / 10))
    for share in (0.2, 0.5, 0.77, 1.0):
        budget = budget_of(found, share, cost)
        choice = choose(found, budget, cost)
        each = {layer.name: layer.places if cost == "operations" else 1 for layer in found.layers}
        left = sum((layer.weights - choice.zeros[layer.name]) * each[layer.name] for layer in found.layers)
        assert choice.left == left <= budget
        assert budget - left < (max(each.values()) if cost == "operations" else 1)
        assert all(0 <= choice.zeros[layer.name] <= 0.9 * layer.weights for layer in found.layers)


def test_equal_layers_need_not_get_the_same():
    """Their zeros change together: what is left over goes back to one of them."""
    found = sensitivity(*((name, 1000, 1, (0.8, 0.7, 0.6)) for name in "abc"))
    choice = choose(found, 1501)
    assert choice.left == 1501 and max(choice.zeros.values()) - min(choice.zeros.values()) <= 2


def test_a_larger_budget_costs_less():
    random = np.random.default_rng(9)
    found = sensitivity(*((f"l{i}", 500, 1, tuple(0.9 - np.cumsum(random.random(3)) / 9)) for i in range(5)))
    tolerances = [choose(found, budget_of(found, share)).tolerance for share in (0.3, 0.5, 0.7, 0.9)]
    assert tolerances == sorted(tolerances, reverse=True) and tolerances[-1] < tolerances[0]


def test_what_cannot_be_met_is_refused():
    found = sensitivity(("a", 1000, 1, (0.8, 0.7, 0.6)))
    with pytest.raises(ValueError, match="at least 250 parameters, what zeros of 75% leave, got 100"):
        choose(found, 100)
    with pytest.raises(ValueError, match="expected a share above 0 and at most 1 that is left, got 0"):
        budget_of(found, 0)
    with pytest.raises(ValueError, match="expected a budget of parameters or operations, got 'bytes'"):
        choose(found, 500, "bytes")


def test_networks_get_their_zeros():
    network = dense()
    units = prunable_units(network)
    zeros = {layer.name: 7 * number for number, (layer, _) in enumerate(units)}
    made = prune_to(network, zeros)
    for layer, unit in prunable_units(made):
        assert int((unit.kernel() == 0).sum()) == zeros[layer.name]
        left, gone = unit.weight.abs()[unit.kept], network.unit(layer.name).weight.abs()[~unit.kept]
        assert not len(gone) or gone.max() <= left.min()
