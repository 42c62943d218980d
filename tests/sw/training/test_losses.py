"""Losses against their formulas, and the moving average against its own."""

import numpy as np
import pytest
import torch

from sw.training import Distillation, TrainingSettings
from sw.training.averaging import WeightAverage
from sw.training.losses import training_loss

from .patterns import small_network


def softmax(numbers):
    raised = np.exp(numbers - numbers.max(1, keepdims=True))
    return raised / raised.sum(1, keepdims=True)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("distillation", [None, Distillation(weight=0.7, temperature=3.0)])
def test_loss_is_the_formula(smoothing, distillation):
    random = np.random.default_rng(4)
    mine, theirs = random.normal(0, 3, (2, 20, 5))
    labels = random.integers(0, 5, 20)
    wanted = np.full((20, 5), smoothing / 5)
    wanted[np.arange(20), labels] += 1 - smoothing
    expected = -(wanted * np.log(softmax(mine))).sum(1).mean()
    if distillation:
        soft, hard = softmax(theirs / 3), softmax(mine / 3)
        distance = (soft * (np.log(soft) - np.log(hard))).sum(1).mean()
        expected = 0.3 * expected + 0.7 * 9 * distance
    loss = training_loss(
        TrainingSettings(smoothing=smoothing, distillation=distillation),
        torch.from_numpy(mine),
        torch.from_numpy(labels),
        torch.from_numpy(theirs) if distillation else None,
    )
    assert float(loss) == pytest.approx(expected, rel=1e-9)


def test_average_forgets_its_start_and_follows():
    network = small_network()
    average = WeightAverage(network, 0.5)
    weight = network.unit("first").weight
    expected = weight.detach().clone()
    for step in range(4):
        with torch.no_grad():
            weight += step + 1.0
        network.unit("first").normalise.num_batches_tracked += 1
        average.update(network)
        keep = min(0.5, (1 + step) / (10 + step))
        expected = keep * expected + (1 - keep) * weight.detach()
    name = next(name for name, value in network.named_parameters() if value is weight)
    assert torch.allclose(average.state[name], expected, atol=1e-5)
    raw = weight.detach().clone()
    with average.swapped_in(network):
        assert torch.equal(weight, average.state[name])
        assert int(network.unit("first").normalise.num_batches_tracked) == 4
    assert torch.equal(weight, raw)
    # As a checkpoint does it.
    other = WeightAverage(small_network(), 0.5)
    other.restore(average.saved())
    average.update(network)
    other.update(network)
    assert all(torch.equal(value, other.state[key]) for key, value in average.state.items())
