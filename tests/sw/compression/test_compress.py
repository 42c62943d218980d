"""All methods in a row on pictures that can be learned in seconds; resuming; refusals."""

import copy
import dataclasses
import math

import numpy as np
import pytest
import torch

from hw.config import PRESETS
from sim.reference import run as reference
from sw.compression.compress import compress
from sw.compression.escalate import EscalateSettings, first_ternary, pruned_units
from sw.compression.exact import integer_accuracy
from sw.compression.outline import outline
from sw.compression.penni import PenniSettings
from sw.compression.plan import plan_layers
from sw.compression.recipe import Recipe, TrainSettings
from sw.compression.requantisation import IntegerLimits
from sw.compression.run import Run
from sw.compression.shrinking import shrink
from sw.compression.ternary import TernaryConvolution, set_sparsity, sparsity, ternary_units
from sw.layers import IDENTITY, AverageLayer, ConvolutionLayer
from sw.model import new_network
from sw.network import Concatenation, Convolution
from sw.network_file import network_bytes
from sw.training import Distillation, TrainingSettings, repeatable
from tests.sw.compression.networks import EVERY_KIND, PLAIN, dense
from tests.sw.training.patterns import PIXELS, patterns, small_network

TRAINING = TrainingSettings(epochs=8, rate=0.02, batch=32, evaluate_every=0, checkpoint_minutes=0)
TEACHER = Distillation(weight=0.5, temperature=2.0)
PENNI = PenniSettings(retraining=TRAINING, tuning=TRAINING, zeros=0.3)
ESCALATE = EscalateSettings(
    sparsity=0.6,
    retraining=dataclasses.replace(TRAINING, distillation=TEACHER),
    refining=dataclasses.replace(TRAINING, epochs=2, rate=0.002, distillation=TEACHER),
)
RECIPE = Recipe(methods=(TrainSettings(training=dataclasses.replace(TRAINING, epochs=12)), PENNI, ESCALATE))
PHASES = ["dense", "decompose", "retrain", "prune", "tune", "shrink"] + [
    "ternary",
    "ternary-retrain",
    "ternary-shrink",
    "quantise",
    "refine",
]


def made(folder=None, recipe=RECIPE, progress=None):
    with repeatable(4):
        run = Run(dataset=patterns(), folder=folder, progress=progress)
        return compress(small_network(), run.dataset, recipe, run, name="patterns")


@pytest.fixture(scope="module")
def whole():
    return made()


def test_every_phase_is_recorded_with_its_accuracy(whole):
    assert [phase.name for phase in whole.phases] == PHASES
    assert whole.accuracy_before > 0.8 and whole.accuracy >= whole.accuracy_before - 0.1
    zeros = {phase.name: phase.zeros for phase in whole.phases}
    assert zeros["dense"] is None and zeros["ternary-retrain"] > 0.5


def test_integers_are_the_twin(whole):
    data = patterns()
    assert abs(integer_accuracy(whole.integers, data.test_images, data.test_labels) - whole.accuracy) <= 0.02
    assert whole.integers.input.signed and whole.integers.pixels == PIXELS
    tensors = reference(whole.integers, PIXELS.integers(data.test_images[:4]))
    assert tensors["classify"].shape == (4, 4, 1, 1) and len(np.unique(tensors["classify"])) > 4


def test_presets_of_narrow_multipliers_narrow_no_other():
    assert PRESETS["nano"].multiplier_bits < IntegerLimits.of().multiplier_bits
    assert IntegerLimits.of(PRESETS["nano"]).multiplier_bits == PRESETS["nano"].multiplier_bits
    assert all(
        preset.multiplier_bits >= IntegerLimits.of().multiplier_bits
        for name, preset in PRESETS.items()
        if name != "nano"
    )


def test_integers_fit_every_preset_but_nano(whole):
    limits = IntegerLimits.of()
    for layer in whole.integers.layers:
        if isinstance(layer, Convolution):
            assert np.abs(layer.multiplier).max() < limits.multiplier
            assert np.abs(layer.bias).max() < limits.bias


def test_refining_leaves_ternary_coefficients(whole):
    """Where it changes what they are multiplied by."""
    before = {layer.name: unit for layer, unit in ternary_units(shrink(whole.ternary).network)}
    assert before
    changed = False
    for layer, unit in whole.network.units():
        if layer.name in before:
            after = unit.weights.unit
            assert torch.equal(after.combination() != 0, before[layer.name].combination() != 0), layer.name
            assert torch.equal(after.coefficients, before[layer.name].coefficients), layer.name
            changed |= not torch.equal(after.bases, before[layer.name].bases)
    assert changed


class Killed(Exception):
    """A run that ends where it should not."""


@pytest.mark.parametrize("phase", ["retrain", "refine"])
def test_a_killed_run_goes_on_where_it_was(whole, tmp_path, phase):
    def stop(name, fraction, text):
        if name == phase and fraction > 0.3:
            raise Killed

    with pytest.raises(Killed):
        made(tmp_path, progress=stop)
    again = made(tmp_path)
    assert network_bytes(again.integers) == network_bytes(whole.integers)
    assert [phase.name for phase in again.phases] == PHASES


def _killed_in(phase, folder):
    def stop(name, fraction, text):
        if name == phase and fraction > 0.3:
            raise Killed

    with pytest.raises(Killed):
        made(folder, progress=stop)


def test_checkpoints_of_another_compression_are_refused(tmp_path):
    """Even where they are of a training whose own settings are the same."""
    _killed_in("ternary-retrain", tmp_path)
    sparser = RECIPE.changed(EscalateSettings, sparsity=0.7)
    with pytest.raises(
        ValueError, match=r"with about\.escalate\.sparsity 0\.7, got one with 0\.6: delete it"
    ):
        made(tmp_path, sparser)
    shorter = dataclasses.replace(TRAINING, epochs=3)
    (tmp_path / "dense.checkpoint").unlink()
    with pytest.raises(
        ValueError, match=r"retrain\.checkpoint: .* with about\.train\.training\.epochs 3, got one with 12"
    ):
        made(tmp_path, RECIPE.changed(TrainSettings, training=shorter))


def test_phases_before_a_change_are_not_run_again(tmp_path):
    """Neither those of methods before, nor those of the same method that do not look at the setting."""

    made(tmp_path)

    def trained_again(recipe, *changed):
        for phase in changed:
            (tmp_path / f"{phase}.checkpoint").unlink()
        kept = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
        again = made(tmp_path, recipe)
        assert {path: path.stat().st_mtime_ns for path in kept} == kept
        return network_bytes(again.integers)

    finer = RECIPE.changed(EscalateSettings, refining=dataclasses.replace(ESCALATE.refining, epochs=1))
    assert trained_again(finer, "refine") == network_bytes(made(recipe=finer).integers)
    trained_again(RECIPE.changed(PenniSettings, zeros=0.5), "tune", "ternary-retrain", "refine")


def test_without_training_there_is_what_was_fitted():
    none = dataclasses.replace(TRAINING, epochs=0)
    first, _, _ = RECIPE.methods
    untrained = dataclasses.replace(ESCALATE, kept=None, retraining=none, refining=none)
    alone = made(recipe=Recipe(methods=(first, untrained)))
    assert [phase.name for phase in alone.phases] == ["dense", "ternary", "ternary-shrink", "quantise"]
    assert alone.accuracy > alone.accuracy_before - 0.1
    assert alone.phases[1].zeros > 0.5
    data = patterns()
    assert abs(integer_accuracy(alone.integers, data.test_images, data.test_labels) - alone.accuracy) <= 0.02
    # Of the dense network too.
    nothing = made(recipe=Recipe(methods=(TrainSettings(training=none), untrained)))
    assert [phase.name for phase in nothing.phases] == [phase.name for phase in alone.phases]


def test_coefficients_settle_one_after_the_other(monkeypatch):
    remember, settle = TernaryConvolution.remember, TernaryConvolution.settle
    steps, shares = [], []
    monkeypatch.setattr(TernaryConvolution, "remember", lambda unit: steps.append(unit) or remember(unit))
    monkeypatch.setattr(
        TernaryConvolution, "settle", lambda unit, share: shares.append(share) or settle(unit, share)
    )
    method = dataclasses.replace(ESCALATE, settle_from=0.25, settle_until=0.75)
    network = made(recipe=Recipe(methods=(method,))).ternary
    layers = len(ternary_units(network))
    batches = len(patterns().train_images) // TRAINING.batch
    # Then none is trained.
    total = TRAINING.epochs * batches
    assert len(steps) == layers * math.ceil(0.75 * total)
    assert len(shares) == layers * (math.ceil(0.75 * total) - math.floor(0.25 * total))
    assert shares == sorted(shares) and shares[-1] == 1 and shares[0] < 0.1
    assert len(set(shares)) == len(shares) / layers


def test_coefficients_may_settle_at_once():
    method = dataclasses.replace(ESCALATE, settle_from=0.8, settle_until=0.8)
    assert [method.settled(done) for done in (0, 0.79, 0.8, 1)] == [0, 0, 1, 1]


def test_more_zeros_are_fitted_to_what_was_trained(whole):
    none = dataclasses.replace(TRAINING, epochs=0)
    recipe = Recipe(methods=(dataclasses.replace(ESCALATE, sparsity=0.85, retraining=none, refining=none),))
    begun, images = whole.ternary, torch.from_numpy(patterns().test_images).float()
    with repeatable(4), torch.no_grad():
        answers = begun(images)
        fitted = compress(small_network(), patterns(), recipe, Run(dataset=patterns()), start=begun).ternary
        assert torch.equal(begun(images), answers)
        cut = copy.deepcopy(begun)
        set_sparsity(pruned_units(cut), 0.85)
        assert sparsity(pruned_units(fitted)) == pytest.approx(sparsity(pruned_units(cut)), abs=0.02)
        errors = [(network(images) - answers).square().mean() for network in (fitted, cut)]
    assert errors[0] < errors[1] / 3
    # The first training left them settled.
    trained = [
        [unit.coefficients.requires_grad for _, unit in ternary_units(each)] for each in (begun, fitted)
    ]
    assert not any(trained[0]) and all(trained[1])


def test_what_was_trained_with_as_many_zeros_goes_on_from_where_it_was(whole):
    none = dataclasses.replace(TRAINING, epochs=0)
    zeros = sparsity(pruned_units(whole.ternary))
    recipe = Recipe(methods=(dataclasses.replace(ESCALATE, sparsity=zeros, retraining=none, refining=none),))
    again = compress(
        small_network(), patterns(), recipe, Run(dataset=patterns()), start=whole.ternary
    ).ternary
    for (_, unit), (_, before) in zip(ternary_units(again), ternary_units(whole.ternary), strict=True):
        assert torch.equal(unit.coefficients, before.coefficients) and torch.equal(unit.bases, before.bases)
        assert unit.coefficients.requires_grad and not before.coefficients.requires_grad


def test_penni_alone_makes_no_integers():
    alone = made(recipe=Recipe(methods=(PENNI,)))
    assert alone.integers is None and alone.phases[-1].name == "shrink"


def test_a_network_of_one_ternary_layer_gets_its_zeros():
    layers = (
        AverageLayer(name="average", input="input", window=(1, 1)),
        Concatenation(name="twice", inputs=("average", "average")),
        ConvolutionLayer(
            name="only",
            input="twice",
            inputs=6,
            outputs=8,
            kernel=(8, 8),
            batch_norm=False,
            activation=IDENTITY,
        ),
    )
    recipe = Recipe(methods=(dataclasses.replace(ESCALATE, sparsity=0.9),))
    with repeatable(4):
        run = Run(dataset=patterns())
        compress(new_network(PIXELS, layers), run.dataset, recipe, run)
    zeros = {phase.name: phase.zeros for phase in run.phases}
    assert zeros["ternary-retrain"] == pytest.approx(0.9, abs=0.03)


def test_images_of_another_shape_are_refused():
    data = patterns()
    data = dataclasses.replace(
        data, train_images=data.train_images[:, :, :7], test_images=data.test_images[:, :, :7]
    )
    with pytest.raises(ValueError, match="expected images of 3x8x8 as the network reads, got 3x7x8"):
        compress(small_network(), data, RECIPE, Run(dataset=data))


def test_networks_of_fewer_classes_are_refused_before_anything_is_done():
    run = Run(dataset=patterns())
    with pytest.raises(ValueError, match="expected logits of 4 classes, got 3"):
        compress(small_network(outputs=3), run.dataset, RECIPE, run)
    assert run.phases == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sparsity": 1.0}, r"expected a sparsity from 0 to below 1, got 1\.0"),
        ({"fitting": 0}, "expected at least 1 image of fitting, got 0"),
        ({"settle_until": 1.5}, "settle_until <= 1, got settle_from = 0.4 and settle_until = 1.5"),
        ({"settle_from": 0.97}, "settle_from <= settle_until <= 1, got settle_from = 0.97"),
    ],
)
def test_impossible_settings_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        EscalateSettings(**changes)


def test_outline_has_the_shapes_of_what_will_be_made(whole):
    torch.manual_seed(1)
    network = small_network()
    plans = plan_layers(network, bases=5, kept=2)
    shape = outline(PIXELS, network.layers, plans)
    for layer, drawn in zip(whole.integers.layers, shape.layers, strict=True):
        assert type(layer) is type(drawn) and layer.name == drawn.name
        if isinstance(layer, Convolution) and layer.own_bases:
            assert np.array_equal(layer.coefficients, drawn.coefficients)
    assert shape.tensors().keys() == whole.integers.tensors().keys()


def test_outline_holds_every_kind_of_layer_but_tables():
    layers = tuple(layer for layer in EVERY_KIND if layer.name not in ("swish", "average", "last"))
    shape = outline(PLAIN, layers, plan_layers(new_network(PLAIN, layers)))
    assert [layer.name for layer in shape.layers] == [layer.name for layer in layers]


@pytest.mark.parametrize(
    ("options", "message"),
    [({"bases": 0}, "expected at least 1 of bases, got 0"), ({"energy": 2.0}, "expected a share of energy")],
)
def test_impossible_plans_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        plan_layers(small_network(), **options)


def test_plans_follow_the_layers():
    plans = plan_layers(dense(), bases=6, kept=3, planes=2)
    assert {name: (plan.bases, plan.kept) for name, plan in plans.items()} == {
        "first": (None, None),
        "down": (6, 3),
        "shortcut": (2, 2),
        "add": (6, 3),
        "depth": (None, None),
        "scale": (None, None),
        "swish": (6, 3),
        "last": (4, 4),
    }
    energies = plan_layers(dense(), energy=0.99)
    assert all(energies[name].bases == energies[name].kept > 4 for name in ("down", "add", "swish"))


def test_no_layer_for_ternary_coefficients():
    stem = ConvolutionLayer(
        name="stem", input="input", inputs=3, outputs=4, kernel=(3, 3), padding=(1, 1, 1, 1)
    )
    network = new_network(PIXELS, [stem, AverageLayer(name="average", input="stem")])
    with pytest.raises(
        ValueError, match=r"^expected a layer for ternary coefficients, got none: .*; use --recipe micronet"
    ):
        first_ternary(network, EscalateSettings())
