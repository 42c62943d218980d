"""The recurrent network: what it computes, that it learns, and that pruning and dense-sparse-dense training take it as any other."""

import copy
import dataclasses

import pytest
import torch
from torch import nn

from sw.compression.compress import compress
from sw.compression.magnitude import MagnitudeSettings, RestoreSettings, prune_least
from sw.compression.masked import MaskedConvolution, restored_network
from sw.compression.micronet.sensitivity import scan
from sw.compression.recipe import Recipe, TrainSettings
from sw.compression.recurrent import new_recurrent_network
from sw.compression.run import Run
from sw.training import TrainingSettings, accuracy, repeatable
from tests.sw.training.patterns import PIXELS, patterns

QUICK = TrainingSettings(epochs=5, rate=0.01, batch=32, optimiser="adamw", evaluate_every=0)


def made(hidden=12):
    with repeatable(6):
        return new_recurrent_network(PIXELS, hidden, 4)


def matrix(network, name):
    return network.unit(name).kernel().flatten(1)


def test_it_computes_what_torch_computes():
    network = made()
    other = nn.LSTM(24, 12, batch_first=True)
    with torch.no_grad():
        network.unit("rows").normalise.offset.normal_()
        for name, wanted in (
            ("weight_ih_l0", matrix(network, "rows")),
            ("weight_hh_l0", matrix(network, "state")),
            ("bias_ih_l0", network.unit("rows").normalise.offset),
            ("bias_hh_l0", torch.zeros(48)),
        ):
            getattr(other, name).copy_(wanted)
        images = torch.from_numpy(patterns().test_images)
        rows = ((images - 128.0) / 64).transpose(1, 2).flatten(2)
        _, (state, _) = other(rows)
        classify = network.unit("classify")
        logits = state[0] @ matrix(network, "classify").T + classify.normalise.offset
        assert torch.allclose(network(images), logits, atol=1e-5)


def test_dense_sparse_dense_training_of_it():
    """The recipe of convolutional networks: zeros stay while there is a mask, come back from zero, and are trained."""
    network, seen = made(), {}
    recipe = Recipe(
        methods=(
            TrainSettings(training=QUICK),
            MagnitudeSettings(sparsity=0.5, rounds=1, tuning=QUICK),
            RestoreSettings(training=dataclasses.replace(QUICK, epochs=2, rate=0.001)),
        )
    )

    class Watched(Run):
        def _record(self, name, network, *more):
            seen[name] = copy.deepcopy(network)
            super()._record(name, network, *more)

    with repeatable(6):
        compress(network, patterns(), recipe, Watched(dataset=patterns()))
    assert list(seen) == ["dense", "magnitude", "magnitude-tune", "restore", "restore-tune"]
    for name in ("rows", "state", "classify"):
        zeros = {phase: matrix(trained, name) == 0 for phase, trained in seen.items()}
        count = zeros["dense"].numel() // 2
        assert int(zeros["magnitude"].sum()) == count and not zeros["dense"].any()
        least = matrix(seen["dense"], name).abs().flatten().argsort()[:count]
        assert zeros["magnitude"].flatten()[least].all()
        assert torch.equal(zeros["magnitude-tune"], zeros["magnitude"])
        assert torch.equal(zeros["restore"], zeros["magnitude"]) and not zeros["restore-tune"].any()
        kept = ~zeros["magnitude"]
        changed = matrix(seen["magnitude-tune"], name)[kept] != matrix(seen["magnitude"], name)[kept]
        assert changed.float().mean() > 0.9
    images = patterns()
    assert accuracy(seen["restore-tune"], images.test_images, images.test_labels) > 0.9


def test_masks_of_other_layers_and_sensitivity():
    network = made()
    pruned = prune_least(network, MagnitudeSettings(sparsity=0.0, layers={"state": 0.25}))
    assert all(isinstance(unit, MaskedConvolution) for _, unit in pruned.units())
    assert [int((matrix(pruned, name) == 0).sum()) for name in ("rows", "state", "classify")] == [0, 144, 0]
    assert not any(isinstance(unit, MaskedConvolution) for _, unit in restored_network(pruned).units())
    found = scan(network, patterns().test_images, patterns().test_labels, (0.5,))
    assert [(layer.name, layer.weights, layer.places) for layer in found.layers] == [
        ("rows", 48 * 24, 8),
        ("state", 48 * 12, 8),
        ("classify", 48, 1),
    ]


def test_its_matrices_must_be_there():
    with pytest.raises(ValueError, match="expected shares of layers from rows, state, classify, got 'stem'"):
        prune_least(made(), MagnitudeSettings(layers={"stem": 0.5}))
