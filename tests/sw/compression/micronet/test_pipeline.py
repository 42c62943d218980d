"""The pipeline on a small network: zeros within the budget are kept to the end, the integers are those that were trained."""

import dataclasses

import numpy as np
import pytest

from sw.compression.exact import integer_accuracy
from sw.compression.masked import prunable_units
from sw.compression.micronet.pipeline import (
    SensitivitySettings,
    UniformSettings,
    prune_by_sensitivity,
    quantise_uniformly,
)
from sw.compression.quantisation import integer_network
from sw.compression.run import Run
from sw.training import TrainingSettings, repeatable, train
from tests.sw.training.patterns import patterns, small_network

TRAINING = TrainingSettings(epochs=2, rate=0.01, batch=32, evaluate_every=0)


@pytest.mark.slow
def test_from_a_trained_network_to_integers():
    with repeatable(4):
        network, dataset = small_network(), patterns()
        train(network, dataset, dataclasses.replace(TRAINING, epochs=8, rate=0.02))
        run = Run(dataset=dataset)
        pruned = prune_by_sensitivity(
            network, SensitivitySettings(sparsity=0.5, images=128, tuning=TRAINING), run
        )
        settings = UniformSettings(weight_bits=3, activation_bits=5, layers={"classify": 6}, tuning=TRAINING)
        twin = quantise_uniformly(pruned, settings, run)
        integers = integer_network(twin, "patterns")
    assert [phase.name for phase in run.phases] == [
        *("sensitivity", "sensitivity-tune"),
        *("uniform", "uniform-tune", "uniform-integers"),
    ]
    weights = sum(unit.weight.numel() for _, unit in prunable_units(network))
    kept = sum(int(unit.kernel().count_nonzero()) for _, unit in prunable_units(pruned))
    assert kept <= weights // 2 and run.phases[0].zeros == pytest.approx(0.5, abs=1e-3)
    # What rounds to zero comes on top.
    assert run.phases[-2].zeros >= run.phases[0].zeros - 1e-9
    for layer, bits in zip((integers.layers[index] for index in (0, 1, 3)), (8, 3, 6), strict=True):
        assert -(2 ** (bits - 1)) <= layer.bases.min() and layer.bases.max() < 2 ** (bits - 1)
        gone = ~pruned.unit(layer.name).kept.numpy()
        kernels = np.einsum("kcm,kmrs->kcrs", layer.coefficients.astype(int), layer.bases.astype(int))
        assert not kernels[gone].any()
    assert [layer.high for layer in integers.layers[:3]] == [31, 31, 31]
    found = integer_accuracy(integers, dataset.test_images, dataset.test_labels)
    assert found > 0.6 and found >= run.phases[-1].accuracy - 0.1


def test_layers_that_are_not_there_are_refused():
    run = Run(dataset=patterns())
    with pytest.raises(ValueError, match="expected bits of layers from first, second, classify, got 'third'"):
        quantise_uniformly(small_network(), UniformSettings(layers={"third": 4}), run)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: SensitivitySettings(sparsity=1.0), "expected a sparsity from 0 to below 1, got 1.0"),
        (
            lambda: SensitivitySettings(cost="bytes"),
            "expected a cost of parameters or operations, got 'bytes'",
        ),
        (lambda: SensitivitySettings(images=0), "expected at least one image"),
        (lambda: UniformSettings(weight_bits=1), "expected 2 to 8 bits, got 1 of weights"),
        (lambda: UniformSettings(layers={"a": 9}), "expected 2 to 8 bits, got 9 of a"),
        (lambda: UniformSettings(images=0), "expected at least one image"),
    ],
)
def test_other_settings_are_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()
