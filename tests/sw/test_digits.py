"""All phases from images to integers, with little effort: that they run, repeat and agree."""

import numpy as np
import pytest
import torch

from hw.config import Config
from sim.reference import accuracy, run
from sw.compiler import compile_network
from sw.digits import QUICK, compress_digits
from sw.network import Convolution

PHASES = ["dense", "ternary", "ternary-retrain", "ternary-shrink", "quantise", "refine"]


@pytest.fixture(scope="module")
def digits():
    calls = []
    made = compress_digits(
        recipe=QUICK, images=640, progress=lambda phase, fraction, text: calls.append((phase, fraction))
    )
    return made, calls


def convolutions(network):
    return [layer for layer in network.layers if isinstance(layer, Convolution)]


def test_every_phase_reports_its_beginning_end_and_time(digits):
    made, calls = digits
    assert [phase.name for phase in made.compressed.phases] == PHASES
    assert [phase for phase, fraction in calls if fraction == 0.0] == PHASES
    assert set(calls) >= {(phase, 1.0) for phase in PHASES}
    trained = [phase.name for phase in made.compressed.phases if phase.epochs]
    assert trained == ["dense", "ternary-retrain", "refine"]


def test_integers_classify_as_the_network_they_were_read_from(digits):
    made, _ = digits
    data = made.dataset
    integer = accuracy(made.network, data.test_images, data.test_labels)
    assert abs(integer - made.compressed.accuracy) <= 0.005
    assert made.compressed.accuracy_before > 0.15
    logits = run(made.network, data.test_images[:50])[made.network.layers[-1].name]
    assert logits.shape == (50, 10, 1, 1) and len(np.unique(logits)) > 10


def test_coefficients_are_sparse_in_whole_groups(digits):
    made, _ = digits
    shared = [layer for layer in convolutions(made.network) if layer.bases.shape[1:] == (3, 3)]
    assert [layer.name for layer in shared] == ["down", "block1", "block2"]
    for layer in shared:
        assert (layer.coefficients == 0).mean() >= 0.6, layer.name
        assert (layer.coefficients != 0).any(axis=1).sum(axis=1).max() <= 2, layer.name


def test_network_fits_every_preset(digits):
    made, _ = digits
    for preset in ("small", "ulx3s-85f"):
        program = compile_network(made.network, Config.preset(preset))
        assert program.layer_names == tuple(layer.name for layer in made.network.layers)


def test_same_seed_gives_the_same_integers(digits):
    first, _ = digits
    torch.rand(3)
    again = compress_digits(recipe=QUICK, images=640)
    for one, other in zip(convolutions(first.network), convolutions(again.network), strict=True):
        for name in ("coefficients", "bases", "multiplier", "bias"):
            assert np.array_equal(getattr(one, name), getattr(other, name)), f"{one.name}: {name}"
        assert (one.shift, one.residual_multiplier) == (other.shift, other.residual_multiplier)


def test_settings_of_torch_come_back(digits):
    assert torch.utils.deterministic.fill_uninitialized_memory
    assert not torch.are_deterministic_algorithms_enabled()


def test_too_few_images_are_refused():
    with pytest.raises(ValueError, match="expected at least"):
        compress_digits(recipe=QUICK, images=10)


@pytest.mark.slow
def test_full_effort_keeps_the_accuracy():
    made = compress_digits()
    data = made.dataset
    integer = accuracy(made.network, data.test_images, data.test_labels)
    for phase in made.compressed.phases:
        print(f"{phase.name}: {phase.accuracy}, zeros {phase.zeros}")
    assert made.compressed.accuracy_before > 0.975
    assert integer >= made.compressed.accuracy_before - 0.01
    assert made.compressed.phases[2].zeros >= 0.7
