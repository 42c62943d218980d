"""The winner's network: its published numbers from its checkpoint, and a small one of its kind counted by hand."""

import os
from pathlib import Path

import numpy as np
import pytest

from sw.compression.micronet.entry import entry_layers
from sw.compression.micronet.entry_count import MODES, count_entry
from sw.compression.micronet.rules import TASKS, score, total, tree_additions

CHECKPOINT = "micronet-densenet100-cifar100.pth.tar"
#: Of every mode, as published: 10^6 operations, their share of the baseline's, score.
PUBLISHED = (
    ("29.421", "0.002805", "0.004169"),
    ("40.590", "0.003869", "0.005234"),
    ("75.309", "0.007179", "0.008544"),
    ("42.748", "0.004075", "0.005440"),
    ("31.579", "0.003010", "0.004375"),
    ("29.441", "0.002807", "0.004171"),
    ("40.610", "0.003871", "0.005236"),
)


@pytest.fixture(scope="module")
def layers():
    torch = pytest.importorskip("torch")
    path = Path(os.environ.get("FARTHING_DATA", ""), CHECKPOINT)
    if not path.is_file():
        pytest.skip(f"FARTHING_DATA names no folder with {CHECKPOINT}")
    return entry_layers(
        {name: tensor.numpy() for name, tensor in torch.load(path, weights_only=True).items()}
    )


@pytest.mark.parametrize("number", range(len(MODES)))
def test_published_modes_to_the_printed_digit(layers, number):
    task, whole = TASKS["cifar100"], total(count_entry(layers, MODES[number], published=True))
    assert (
        f"{whole.operations / 1e6:.3f}",
        f"{whole.operations / task.operations:.6f}",
        f"{score(whole.parameters, whole.operations, task):.6f}",
    ) == PUBLISHED[number]
    assert f"{whole.parameters / 1e3:.2f}" == "49.81"
    assert f"{whole.parameters / task.parameters:.6f}" == "0.001365"


def test_by_the_rules_scales_of_every_channel_are_stored(layers):
    whole = total(count_entry(layers, MODES[0]))
    published = total(count_entry(layers, MODES[0], published=True))
    scales = [layer for layer in layers if hasattr(layer, "bias")]
    missing = sum((layer.channels - 1) * (1 + layer.bias) / 2 for layer in scales)
    assert whole.parameters - published.parameters == missing
    assert f"{whole.parameters / 1e3:.2f} {whole.operations / 1e6:.3f}" == "62.20 29.459"


def scale(channels, bias):
    return np.ones((1, channels, 1)), np.full((1, channels, 1), bias)


def small():
    """One block of one layer, no transition: 3 -> 2 channels, 4 more by way of 3."""
    random = np.random.default_rng(4)
    shapes = {"conv1": (2, 3, 3, 3), "dense1.0.conv1": (3, 2, 1, 1), "dense1.0.conv2": (4, 3, 3, 3)}
    state = {
        f"{name}.weight": random.integers(-8, 8, shape) * (random.random(shape) < 0.5)
        for name, shape in shapes.items()
    }
    state["conv1.weight"][0, 0, 0, 0] = -8
    state["fc.weight"] = np.array([[0, -32, 0, 1, 0, 0], [31, 0, 0, 0, 5, 0]])
    biases = {"scale1": (2, 0.0), "dense1.0.scale1": (2, 0.5), "dense1.0.scale2": (3, -1.0)}
    biases |= {"dense1.0.scale3": (4, 0.0), "scale2": (6, 0.25), "scale3": (2, 0.125)}
    for name, (channels, bias) in biases.items():
        state[f"{name}.weight"], state[f"{name}.bias"] = scale(channels, bias)
    return state


def test_a_small_network_by_hand():
    state = small()
    tallies = {tally.name: tally for tally in count_entry(entry_layers(state), MODES[0])}
    assert list(tallies) == [
        *("conv1", "scale1", "dense1.0.scale1", "dense1.0.conv1", "dense1.0.scale2", "dense1.0.conv2"),
        *("dense1.0.scale3", "scale2", "relu", "average", "fc", "scale3"),
    ]
    weights = state["dense1.0.conv2.weight"]
    terms = np.count_nonzero(weights.reshape(4, -1), axis=1)
    conv = tallies["dense1.0.conv2"]
    assert conv.parameters == (108 + 4 * terms.sum()) / 32
    assert conv.multiplications == terms.sum() * 1024 * 4 / 32
    assert conv.additions == tree_additions(terms, 8) * 1024
    # What reads real numbers counts in full: 4 of 12 weights in 6 bits.
    assert tallies["fc"].parameters == (12 + 4 * 6) / 32
    assert (tallies["fc"].multiplications, tallies["fc"].additions) == (4, 2)
    # In 16 bits: a scale for two channels, without a bias and with one.
    assert (tallies["scale1"].parameters, tallies["scale1"].operations) == (1, 1024)
    assert (tallies["dense1.0.scale1"].parameters, tallies["dense1.0.scale1"].operations) == (2, 2048)
    assert tallies["average"].operations == 6 * 1024 / 2
    assert tallies["relu"].operations == 6 * 1024 / 2


def test_modes_differ_in_sums_alone():
    layers = entry_layers(small())
    found = [total(count_entry(layers, mode)) for mode in MODES]
    assert len({(each.parameters, each.multiplications) for each in found}) == 1
    assert found[0].additions < found[1].additions < found[3].additions
    assert found[5].additions < found[4].additions


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda state: state.pop("fc.weight"), "expected a checkpoint of a fused DenseNet with fc.weight"),
        (
            lambda state: state.pop("dense1.0.scale2.bias"),
            "expected a checkpoint with the tensor dense1.0.scale2.bias",
        ),
        (
            lambda state: state.update({"dense1.0.conv1.weight": np.full((3, 2, 1, 1), 0.5)}),
            "expected integer weights, got other numbers in dense1.0.conv1.weight",
        ),
    ],
)
def test_other_checkpoints_are_refused(change, words):
    state = small()
    change(state)
    with pytest.raises(ValueError, match=words):
        entry_layers(state)
