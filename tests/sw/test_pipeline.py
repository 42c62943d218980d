"""All steps from images to integers, with little effort: that they run, repeat and agree."""

import numpy as np
import pytest
import torch

from hw.config import Config
from sim.reference import accuracy, run
from sw.compiler import compile_network
from sw.network import Convolution
from sw.pipeline import QUICK, STEPS, Effort, compress_mnist


@pytest.fixture(scope="module")
def compressed():
    calls = []
    result = compress_mnist(effort=QUICK, progress=lambda step, fraction: calls.append((step, fraction)))
    return result, calls


def convolutions(network):
    return [layer for layer in network.layers if isinstance(layer, Convolution)]


def test_every_step_reports_its_beginning_end_and_time(compressed):
    result, calls = compressed
    assert tuple(result.seconds) == STEPS
    assert [step for step, fraction in calls if fraction == 0.0] == list(STEPS)
    assert set(calls) >= {(step, 1.0) for step in STEPS}


def test_integers_classify_as_the_network_they_were_read_from(compressed):
    result, _ = compressed
    data = result.dataset
    integer = accuracy(result.network, data.test_images, data.test_labels)
    assert abs(integer - result.accuracy_compressed) <= 0.005
    assert result.accuracy_float > 0.15
    logits = run(result.network, data.test_images[:50])[result.network.layers[-1].name]
    assert logits.shape == (50, 10, 1, 1) and len(np.unique(logits)) > 10


def test_coefficients_are_sparse_in_whole_groups(compressed):
    result, _ = compressed
    for layer in convolutions(result.network):
        if layer.bases.shape[1:] == (3, 3):
            assert (layer.coefficients == 0).mean() >= 0.6, layer.name
            assert (layer.coefficients != 0).any(axis=1).sum(axis=1).max() <= 2, layer.name
        dense = layer.coefficients.shape[0] * layer.coefficients.shape[1] * layer.bases[0].size
        assert result.dense_parameters[layer.name] == dense


def test_network_fits_the_small_accelerator(compressed):
    result, _ = compressed
    program = compile_network(result.network, Config.preset("small"))
    assert program.layer_names == tuple(layer.name for layer in result.network.layers)


def test_same_seed_gives_the_same_integers(compressed):
    first, _ = compressed
    torch.rand(3)
    again = compress_mnist(effort=QUICK)
    for one, other in zip(convolutions(first.network), convolutions(again.network), strict=True):
        for name in ("coefficients", "bases", "multiplier", "bias"):
            assert np.array_equal(getattr(one, name), getattr(other, name)), f"{one.name}: {name}"
        assert (one.shift, one.residual_multiplier) == (other.shift, other.residual_multiplier)


def test_settings_of_torch_come_back(compressed):
    assert torch.utils.deterministic.fill_uninitialized_memory
    assert not torch.are_deterministic_algorithms_enabled()


def test_too_few_images_are_refused():
    with pytest.raises(ValueError, match="expected at least 64 images to train on, got 10"):
        compress_mnist(effort=Effort(train=1, retrain=1, refine=1, images=10))


@pytest.mark.slow
def test_full_effort_keeps_the_accuracy():
    result = compress_mnist()
    data = result.dataset
    integer = accuracy(result.network, data.test_images, data.test_labels)
    print(f"float {result.accuracy_float}, compressed {result.accuracy_compressed}, integer {integer}")
    assert result.accuracy_float > 0.975
    assert integer >= result.accuracy_float - 0.01
    for layer in convolutions(result.network):
        if layer.bases.shape[1:] == (3, 3):
            assert (layer.coefficients == 0).mean() >= 0.7, layer.name
