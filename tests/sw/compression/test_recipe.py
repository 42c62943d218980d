"""Recipes: what they may hold, what they say in a file, what is refused and where; that all those by name run."""

import dataclasses

import numpy as np
import pytest

from sw.compression.channel_pruning.slimming import SlimmingSettings
from sw.compression.compress import compress
from sw.compression.deep.sharing import SharingSettings
from sw.compression.escalate import EscalateSettings
from sw.compression.exact import integer_accuracy
from sw.compression.magnitude import MagnitudeSettings, RestoreSettings
from sw.compression.penni import PenniSettings
from sw.compression.recipe import METHODS, Recipe, TrainSettings
from sw.compression.recipe_file import load_recipe, parse_recipe, recipe_names, recipe_text
from sw.compression.requantisation import IntegerLimits
from sw.compression.run import Run
from sw.compression.typed import values_of
from sw.layers import ConvolutionLayer
from sw.network import Convolution
from sw.training import TrainingSettings, repeatable
from tests.sw.compression.channel_pruning.residual_networks import residual_network
from tests.sw.training.patterns import patterns, small_network

FINE = """
[[methods]]
method = "magnitude"
sparsity = 0.7
layers = {first = 0.0}

[methods.tuning]
epochs = 3
distillation = {weight = 1}

[[methods]]
method = "escalate"
kept = "none"
limits = {bias_bits = 32}
"""


def shortened(recipe):
    """The recipe with one epoch in each training, of batches that small data sets have, and a search of few policies."""
    methods = []
    for method in recipe.methods:
        changes = {
            member.name: dataclasses.replace(
                getattr(method, member.name), epochs=1, batch=32, evaluate_every=0
            )
            for member in dataclasses.fields(method)
            if isinstance(getattr(method, member.name), TrainingSettings)
        }
        if hasattr(method, "search"):
            changes["search"] = dataclasses.replace(method.search, explore=3, exploit=3, images=32)
        methods.append(dataclasses.replace(method, **changes))
    return Recipe(methods=tuple(methods))


def test_what_a_file_says_is_read_and_the_rest_is_the_methods():
    magnitude, escalate = parse_recipe(FINE).methods
    assert (magnitude.sparsity, magnitude.layers, magnitude.rounds) == (0.7, {"first": 0.0}, 3)
    assert (magnitude.tuning.epochs, magnitude.tuning.rate) == (3, MagnitudeSettings().tuning.rate)
    assert magnitude.tuning.distillation.weight == 1.0 and magnitude.tuning.augmentation == "crop-flip"
    assert escalate.kept is None and escalate.retraining == EscalateSettings().retraining
    assert escalate.limits == IntegerLimits(bias_bits=32)


@pytest.mark.parametrize("name", [*recipe_names(), None])
def test_a_recipe_comes_back_from_its_text(name):
    recipe = parse_recipe(FINE) if name is None else load_recipe(name)
    assert parse_recipe(recipe_text(recipe)) == recipe
    assert recipe_text(parse_recipe(recipe_text(recipe))) == recipe_text(recipe)


def test_methods_have_defaults_and_plain_settings():
    for name, method in METHODS.items():
        settings = method.settings()
        assert parse_recipe(f'[[methods]]\nmethod = "{name}"').methods == (settings,)
        assert isinstance(values_of(settings), dict)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected at least one method, got none; there are train, magnitude"),
        ("[[methods]\n", "expected a recipe in TOML, got .*line 1"),
        ("rate = 0.1", "expected nothing but tables [[methods]], got 'rate'"),
        ("methods = 3", "expected nothing but tables [[methods]], got 'methods'"),
        ("methods = [3]", "method 1: expected a table [[methods]], got 3"),
        ("[[methods]]\nsparsity = 0.5", "method 1: expected a method from train, .*, got None"),
        ('[[methods]]\nmethod = "prune"', "method 1: expected a method from train, .*, got 'prune'"),
        (
            '[[methods]]\nmethod = "train"\n[[methods]]\nmethod = "magnitude"\nsparsty = 0.5',
            "method 2, magnitude: expected a setting of MagnitudeSettings, got 'sparsty'; do you mean sparsity?",
        ),
        (
            '[[methods]]\nmethod = "magnitude"\nsparsity = "much"',
            "method 1, magnitude: sparsity: expected a number, got 'much'",
        ),
        (
            '[[methods]]\nmethod = "magnitude"\nrounds = 1.5',
            "method 1, magnitude: rounds: expected a whole number, got 1.5",
        ),
        (
            '[[methods]]\nmethod = "magnitude"\nrounds = true',
            "method 1, magnitude: rounds: expected a whole number, got True",
        ),
        (
            '[[methods]]\nmethod = "magnitude"\nlayers = {stem = "all"}',
            "method 1, magnitude: layers.stem: expected a number, got 'all'",
        ),
        (
            '[[methods]]\nmethod = "magnitude"\nsparsity = 1.5',
            "method 1, magnitude: expected a share of zeros from 0 to below 1, got 1.5 of sparsity",
        ),
        (
            '[[methods]]\nmethod = "escalate"\n[methods.refining]\nepochs = -1',
            "method 1, escalate: refining: expected epochs to be a whole number from 0, got -1",
        ),
        (
            '[[methods]]\nmethod = "escalate"\nrefining = {distillation = {temperature = "hot"}}',
            "method 1, escalate: refining.distillation.temperature: expected a number, got 'hot'",
        ),
        (
            '[[methods]]\nmethod = "amc"\n[methods.search]\nmost = 2',
            "method 1, amc: search: expected the greatest share above 0 and below 1, got 2.0 of most",
        ),
        (
            '[[methods]]\nmethod = "amc"\n[methods.search.agent]\nhidden = "wide"',
            "method 1, amc: search.agent.hidden: expected a whole number, got 'wide'",
        ),
        (
            '[[methods]]\nmethod = "amc"\nsearch = {cost = "cycles"}',
            "method 1, amc: expected a cost from operations, parameters, bits, got 'cycles': .* by amc-escalate",
        ),
        (
            '[[methods]]\nmethod = "amc"\naction = "bits"',
            "method 1, amc: expected an action from weights, channels, coefficients, got 'bits'",
        ),
        (
            '[[methods]]\nmethod = "escalate"\nrefining = 3',
            "method 1, escalate: refining: expected a table, got 3",
        ),
        (
            '[[methods]]\nmethod = "sharing"\n[[methods]]\nmethod = "magnitude"',
            "expected sharing after magnitude, got it before; change their order",
        ),
        (
            '[[methods]]\nmethod = "penni"\n[[methods]]\nmethod = "magnitude"',
            "expected penni after magnitude, got it before; change their order",
        ),
    ],
)
def test_bad_recipes_are_refused_with_their_place(tmp_path, text, message):
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(ValueError) as refused:
        load_recipe(path)
    start, end = message.split(".*") if ".*" in message else (message, "")
    said = str(refused.value)
    assert said.startswith(f"{path}: {start}") and end in said and len(said.splitlines()) == 1


def test_an_unknown_recipe_is_refused():
    with pytest.raises(
        ValueError, match=r"expected a recipe from amc, deep-compression, dsd, .*, got 'best': no such file"
    ):
        load_recipe("best")
    with pytest.raises(ValueError, match=r"expected settings of a method .*, got TrainingSettings"):
        Recipe(methods=(TrainingSettings(),))


def test_methods_that_come_twice_have_numbers():
    recipe = Recipe(methods=(TrainSettings(), MagnitudeSettings(), TrainSettings(), MagnitudeSettings()))
    assert list(recipe.labelled()) == ["train", "magnitude", "train-2", "magnitude-2"]
    assert recipe.dense == TrainSettings().training
    assert recipe.after_training().names() == ["magnitude", "train", "magnitude"]
    changed = recipe.changed(MagnitudeSettings, sparsity=0.1)
    assert [method.sparsity for method in changed.methods[1::2]] == [0.8, 0.1]


PHASES = {
    "deep-compression": [
        "dense",
        *(f"magnitude{tune}-{number}" for number in (1, 2, 3) for tune in ("", "-tune")),
        "share",
        "share-tune",
    ],
    "amc": ["dense", "amc", "amc-tune"],
    "l1-filter": ["dense", "filters", "filters-tune"],
    "lasso": ["dense", "lasso", "lasso-tune"],
    "slimming": ["dense", "slim", "slim-prune", "slim-tune"],
    "micronet": [
        *("dense", "sensitivity", "sensitivity-tune"),
        *("uniform", "uniform-tune", "uniform-integers"),
    ],
    "dsd": ["dense", "magnitude", "magnitude-tune", "restore", "restore-tune"],
    "escalate": ["dense", "ternary", "ternary-retrain", "ternary-shrink", "quantise", "refine"],
    "penni": ["dense", "decompose", "retrain", "prune", "tune", "shrink"],
}
PHASES["penni-escalate"] = PHASES["penni"] + PHASES["escalate"][1:]


@pytest.mark.parametrize("name", recipe_names())
def test_recipes_by_name_run(name):
    with repeatable(4):
        run = Run(dataset=patterns(train=64, test=16))
        made = compress(small_network(), run.dataset, shortened(load_recipe(name)), run)
    assert [phase.name for phase in made.phases] == PHASES[name]
    assert (made.integers is not None) == (name == "micronet" or name.endswith("escalate"))


def test_phases_of_a_method_that_comes_twice_have_numbers(tmp_path):
    once = MagnitudeSettings(sparsity=0.5, rounds=1)
    recipe = shortened(Recipe(methods=(once, RestoreSettings(), once, SharingSettings())))
    with repeatable(4):
        run = Run(dataset=patterns(train=64, test=16), folder=tmp_path)
        compress(small_network(), run.dataset, recipe, run)
    names = [phase.name for phase in run.phases]
    assert names[:3] == ["dense", "magnitude", "magnitude-tune"] and names[5:7] == [
        "magnitude-2",
        "magnitude-tune-2",
    ]
    assert {path.stem for path in tmp_path.iterdir()} == {name for name in names if "tune" in name}


def test_penni_goes_on_from_pruned_weights():
    settings = MagnitudeSettings(sparsity=0.5, rounds=1)
    recipe = shortened(Recipe(methods=(settings, TrainSettings(), PenniSettings(zeros=0.2))))
    with repeatable(4):
        run = Run(dataset=patterns(train=64, test=16))
        made = compress(small_network(), run.dataset, recipe, run)
    assert [phase.name for phase in made.phases][2:5] == ["magnitude-tune", "train", "decompose"]


def test_slimming_then_penni_then_hybrid_quantisation():
    methods = (SlimmingSettings(sparsity=0.3), PenniSettings(zeros=0.3), EscalateSettings(sparsity=0.5))
    network = residual_network().float()
    before = {layer.name: layer.outputs for layer in network.layers if isinstance(layer, ConvolutionLayer)}
    with repeatable(4):
        run = Run(dataset=patterns(train=256, test=64))
        made = compress(network, run.dataset, shortened(Recipe(methods=methods)), run)
    names = [phase.name for phase in made.phases]
    assert names == [*PHASES["slimming"], *PHASES["penni"][1:], *PHASES["escalate"][1:]]
    after = {layer.name: layer for layer in made.integers.layers if isinstance(layer, Convolution)}
    assert set(after) == set(before)
    outputs = {name: len(layer.coefficients) for name, layer in after.items()}
    assert all(outputs[name] <= before[name] for name in before)
    assert sum(outputs.values()) < 0.8 * sum(before.values())
    # Ternary coefficients of shared 8-bit bases.
    assert all(set(np.unique(layer.coefficients)) <= {-1, 0, 1} for layer in after.values())
    images, labels = run.dataset.test_images, run.dataset.test_labels
    assert integer_accuracy(made.integers, images, labels) == pytest.approx(made.accuracy, abs=0.02)
