"""Options of farthing compress: what each changes in a recipe, and which recipes have nothing that it could change."""

import dataclasses

import pytest
from click.testing import CliRunner

pytest.importorskip("torch")

from fpga.cli import main
from fpga.recipe_options import recipe_with_options, sweep_points
from hw.config import Config
from sw.compression.escalate import EscalateSettings
from sw.compression.magnitude import MagnitudeSettings
from sw.compression.penni import PenniSettings
from sw.compression.recipe_file import load_recipe, recipe_text
from sw.compression.requantisation import IntegerLimits
from sw.training import TrainingSettings


def test_no_options_change_nothing():
    for name in ("escalate", "penni-escalate", "dsd"):
        assert recipe_with_options(load_recipe(name)) == load_recipe(name)


def test_methods_take_what_they_have():
    changed = recipe_with_options(
        load_recipe("penni-escalate"), bases=4, kept=2, sparsity=0.8, preset="small"
    )
    penni, escalate = changed.methods
    assert (penni.bases, penni.zeros) == (4, None)
    assert (escalate.bases, escalate.kept, escalate.sparsity) == (4, 2, 0.8)
    assert escalate.limits == IntegerLimits.of(Config.preset("small"))
    assert recipe_with_options(load_recipe("penni"), sparsity=0.4).find(PenniSettings).zeros == 0.4
    deep = recipe_with_options(load_recipe("deep-compression"), sparsity=0.4)
    assert deep.find(MagnitudeSettings).sparsity == 0.4


def test_trainings_change_in_proportion():
    penni, escalate = recipe_with_options(load_recipe("penni-escalate"), epochs=10, rate=0.1).methods
    trainings = (penni.retraining, penni.tuning, escalate.retraining, escalate.refining)
    assert [training.epochs for training in trainings] == [10, 3, 10, 2]
    # The longest training is the first of those of 30 epochs, with a rate of 0.01.
    assert [training.rate for training in trainings] == pytest.approx([0.1, 0.1, 0.2, 0.02])


def test_no_epochs_are_none_of_any_training():
    penni, escalate = recipe_with_options(load_recipe("penni-escalate"), epochs=0).methods
    trainings = (penni.retraining, penni.tuning, escalate.retraining, escalate.refining)
    assert [training.epochs for training in trainings] == [0, 0, 0, 0]


def test_where_and_how_of_every_training():
    recipe = load_recipe("escalate")
    (changed,) = recipe_with_options(recipe, precision="bfloat16", device="cpu", seed=3).methods
    assert (changed.retraining.precision, changed.refining.precision) == ("bfloat16", "float32")
    for training in (changed.retraining, changed.refining):
        assert (training.device, training.seed) == ("cpu", 3)


def test_the_dense_network_is_trained_if_asked_for():
    recipe = load_recipe("escalate")
    first = recipe_with_options(recipe, dense_epochs=4)
    assert first.dense == TrainingSettings(epochs=4, rate=0.02, augmentation="crop-flip")
    assert first.after_training() == recipe
    assert recipe_with_options(first, dense_epochs=2).dense == dataclasses.replace(first.dense, epochs=2)
    assert recipe_with_options(first, dense_epochs=0) == recipe
    # Its epochs are its own.
    assert recipe_with_options(first, epochs=3).dense == first.dense


def test_points_of_a_sweep():
    recipe = load_recipe("escalate")
    points = sweep_points(recipe, (4, 6), [0.5, 0.9], None)
    assert list(points) == ["4-0.5", "4-0.9", "6-0.5", "6-0.9"]
    assert points["6-0.9"] == recipe.changed(EscalateSettings, bases=6, sparsity=0.9)
    assert list(sweep_points(recipe, (), [0.5], None)) == ["5-0.5"]
    assert list(sweep_points(recipe, (4,), None, 0.3).values()) == [
        recipe.changed(EscalateSettings, bases=4, sparsity=0.3)
    ]


def test_a_seed_is_that_of_searches_too():
    changed = recipe_with_options(load_recipe("amc"), seed=3, sparsity=0.7).methods[0]
    assert (changed.search.seed, changed.tuning.seed, changed.sparsity) == (3, 3, 0.7)
    assert dataclasses.replace(changed.search, seed=0) == load_recipe("amc").methods[0].search


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--recipe", "nothing"], "expected a recipe from amc, deep-compression, dsd, escalate"),
        (["--recipe", "dsd", "--bases", "4"], "expected a recipe with a method that --bases sets, got train"),
        (["--recipe", "penni", "--preset", "small"], "that --preset sets, got penni; leave the option out"),
        (["--recipe", "dsd"], "net.model, as a recipe of train, magnitude, restore makes no integers, got"),
        (["--recipe", "dsd", "--sweep", "0.5"], "expected a recipe that ends in escalate with --sweep"),
    ],
)
def test_refused_before_anything_is_loaded(tmp_path, arguments, words):
    output = tmp_path / "net.farthing"
    result = CliRunner().invoke(main, ["compress", "nowhere.onnx", "-o", str(output), *arguments])
    (line,) = result.stderr.splitlines()
    assert result.exit_code == 1 and line.startswith("farthing: ") and words in line
    assert list(tmp_path.iterdir()) == []


def test_a_bad_file_is_refused_with_its_place(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(recipe_text(load_recipe("escalate")).replace("epochs = 30", "epochs = -1"))
    result = CliRunner().invoke(main, ["compress", "resnet8", "-o", "x.farthing", "--recipe", str(path)])
    assert result.exit_code == 1 and result.stderr.startswith(
        f"farthing: {path}: method 1, escalate: retraining: expected epochs to be a whole number from 0, got -1"
    )
