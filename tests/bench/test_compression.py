"""The long experiments: that they can run at all, and that the page shows what is stored."""

import dataclasses
import json

import pytest
from click.testing import CliRunner
from rich.console import Console

pytest.importorskip("torch")


from bench import compression, compression_page
from bench.compression_page import PAGE, experiment_tables, target_table
from bench.page import page_with
from fpga.pictures import write_picture
from sw.compression.escalate import EscalateSettings
from sw.compression.penni import PenniSettings
from sw.compression.recipe import Recipe, TrainSettings
from sw.training import Distillation, TrainingSettings
from tests.sw.training.patterns import patterns, small_network

STORED = json.loads(compression.RESULT.read_text())
WANTED = set(
    [
        "network",
        "method",
        "bases",
        "sparsity",
        "epochs",
        "accuracy_dense",
        "accuracy_float",
        "accuracy_integer",
        "flops_cut",
        "image_bits",
        "ratio",
        "ratio_zeros_free",
        "cycles",
        "seed",
        "seconds",
        "command",
    ]
)
TRAINING = TrainingSettings(epochs=2, rate=0.02, batch=32, evaluate_every=0)
TAUGHT = dataclasses.replace(TRAINING, distillation=Distillation(weight=0.5, temperature=2.0))
ESCALATE = EscalateSettings(retraining=TAUGHT, refining=TAUGHT)
NONE = dataclasses.replace(TAUGHT, epochs=0)
UNTRAINED = EscalateSettings(kept=None, retraining=NONE, refining=NONE)
PENNI = PenniSettings(retraining=TRAINING, tuning=TRAINING, zeros=0.5)
FIRST = TrainSettings(training=TRAINING)
QUICK = {
    "patterns-escalate": {"recipe": Recipe(methods=(FIRST, ESCALATE))},
    "patterns-escalate-untrained": {"recipe": Recipe(methods=(FIRST, UNTRAINED))},
    "patterns-penni": {"recipe": Recipe(methods=(FIRST, PENNI))},
    "patterns-uniform": {"recipe": Recipe(methods=(FIRST, ESCALATE)), "uniform": 4},
}


def test_the_page_and_the_pictures_show_what_is_stored(tmp_path):
    text = PAGE.read_text()
    assert page_with(text, [("other", ["a"], [["b"]])]) != text
    found = [target_table(STORED), *experiment_tables(STORED)]
    assert page_with(text, found) == text, "run `python -m bench.compression`"
    for network, path in compression_page.PICTURES.items():
        write_picture(tmp_path / path.name, lambda network=network: compression_page.draw(STORED, network))
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), "run `python -m bench.compression`"


def test_uniform_weights_are_set_beside_our_best():
    ours, worse = STORED[0], STORED[1] | {"accuracy_integer": 0.5}
    uniform = ours | {"name": "other", "method": "uniform", "sparsity": 0.0, "accuracy_integer": 0.6}
    beside = {"image_bits": ours["image_bits"], "cycles": min(ours["cycles"], worse["cycles"]) - 1}
    tables = dict(
        (title.split(":")[0], (headings, rows))
        for title, headings, rows in experiment_tables([ours, worse, uniform | beside])
    )
    headings, [row] = tables["The alternative"]
    found = dict(zip(headings, row, strict=True))
    assert found["best of ours, no more bits"].endswith(f"({ours['name']})")
    assert found["no more cycles"] == "none"


def test_targets_are_met_or_not():
    ours = next(record for record in STORED if record["name"] == "resnet20-6-0.60")
    dense = ours["accuracy_dense"]
    cases = {
        (0.6, dense - 0.0149, 0.9991): ("yes", "yes"),
        (0.6, dense - 0.0161, 0.9991): ("no", "yes"),
        (0.5, dense, 0.9989): ("no", "no"),
    }
    for (zeros, accuracy, agreement), wanted in cases.items():
        changed = {"sparsity_before_shrinking": zeros, "accuracy_integer": accuracy, "agreement": agreement}
        _, _, rows = target_table([ours | changed])
        found = {row[0]: row[3] for row in rows}
        assert (found["resnet20-6-0.60"], found["all"]) == wanted and found["resnet56-penni"] == ""
    assert set(compression_page._TARGETS) <= set(compression.EXPERIMENTS)


def _without(settings, left_out):
    if not isinstance(settings, dict):
        return settings
    return {name: _without(value, left_out) for name, value in settings.items() if name != left_out}


def test_stored_experiments_are_still_the_same():
    for record in STORED:
        name = record["name"]
        stored = compression.stored_settings(compression.EXPERIMENTS[name].recipe)
        settings = json.loads(json.dumps(stored))
        # The precision is what the processor is fast at.
        assert _without(record["settings"], "precision") == _without(settings, "precision"), (
            f"run `python -m bench.compression --only {name}`"
        )


def test_what_an_experiment_starts_from_runs_before_it_unless_it_is_left(tmp_path):
    names = [f"resnet20-6-{share}" for share in ("0.60", "0.85", "0.90")]
    assert compression.with_starts(names[2:], tmp_path) == names
    assert compression.with_starts([names[2], "resnet20-penni-0.60", names[0]], tmp_path) == [
        *names,
        "resnet20-penni-0.60",
    ]
    (tmp_path / names[1]).mkdir()
    assert compression.with_starts(names[2:], tmp_path) == names
    (tmp_path / names[1] / "refine.checkpoint").touch()
    assert compression.with_starts(names[2:], tmp_path) == names[2:]
    assert compression.with_starts(names[1:2], tmp_path) == names[:2]


def test_the_readme_says_what_is_stored():
    found = {record["name"]: record for record in STORED}
    readme = (PAGE.parents[1] / "README.md").read_text()

    def lost(name, after):
        return f"{100 * (found[name]['accuracy_dense'] - found[name][after]):.2f}"

    def share(name, key):
        return f"{found[name][key]:.1%}".replace("%", " %")

    penni, ternary, untrained = "resnet20-penni-0.73", "resnet20-6-0.60", "resnet20-6-0.60-untrained"
    for said in (
        f"{share(penni, 'flops_cut')} fewer operations in ResNet-20 for {lost(penni, 'accuracy_float')} points",
        f"{share(ternary, 'sparsity')} of its coefficients zero, in integers, for {lost(ternary, 'accuracy_integer')} points",
        f"without training, in a minute, {share(untrained, 'sparsity')} for {lost(untrained, 'accuracy_integer')} (",
    ):
        assert said in readme, said


def test_untrained_networks_have_a_table_of_their_own():
    quick = STORED[0] | {"name": "quick", "epochs": 0, "seconds": 31.4}
    titles = {title.split(":")[0]: rows for title, _, rows in experiment_tables([STORED[0], quick])}
    (row,) = titles["ESCALATE without training"]
    assert row[0] == "quick" and row[-2] == "31"
    assert [row[0] for row in titles["ESCALATE"]] == [STORED[0]["name"]]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", QUICK)
def test_an_experiment_is_measured(name, tmp_path, monkeypatch):
    monkeypatch.setattr(compression, "load_model", lambda model, weights: small_network())
    monkeypatch.setattr(compression, "load_dataset", lambda path: patterns())
    experiment = compression.Experiment(model="patterns", **QUICK[name])
    record = compression.run_experiment(name, experiment, tmp_path, tmp_path, Console(quiet=True))
    json.dumps(record)
    assert record.keys() >= WANTED and record["method"] in name
    assert record["accuracy_float" if record["method"] == "penni" else "accuracy_integer"] > 0.2
    assert (record["epochs"] == 0) == name.endswith("untrained")
    dense = 8 * 27 * 64 + 8 * 72 * 16 + 32
    assert record["flops_cut"] == pytest.approx(1 - record["operations"] / dense)
    ((_, headings, (row,)),) = experiment_tables([record])
    assert len(headings) == len(row) and row[0] == name


@pytest.mark.filterwarnings("ignore")
def test_an_experiment_starts_from_another(tmp_path, monkeypatch):
    monkeypatch.setattr(compression, "load_model", lambda model, weights: small_network())
    monkeypatch.setattr(compression, "load_dataset", lambda path: patterns())
    recipe = QUICK["patterns-escalate"]["recipe"]
    more = recipe.changed(EscalateSettings, sparsity=0.8)
    monkeypatch.setattr(
        compression,
        "EXPERIMENTS",
        {
            "few": compression.Experiment(model="patterns", recipe=recipe),
            "many": compression.Experiment(model="patterns", recipe=more, after="few"),
        },
    )
    few, many = (
        compression.run_experiment(
            name, compression.EXPERIMENTS[name], tmp_path, tmp_path, Console(quiet=True)
        )
        for name in ("few", "many")
    )
    assert many["after"] == "few" and few["after"] is None
    ends = next(phase for phase in few["phases"] if phase["name"] == "ternary-retrain")
    begins = next(phase for phase in many["phases"] if phase["name"] == "ternary")
    assert begins["zeros"] > ends["zeros"]
    assert many["operations"] < few["operations"]


def test_points_of_a_curve_differ_in_zeros_alone():
    for name, experiment in compression.EXPERIMENTS.items():
        if experiment.after is not None:
            before = compression.EXPERIMENTS[experiment.after]
            names = list(compression.EXPERIMENTS)
            assert names.index(experiment.after) < names.index(name)
            few, many = (one.recipe.find(EscalateSettings) for one in (before, experiment))
            assert (few.bases, few.kept, few.planes) == (many.bases, many.kept, many.planes)
            assert (few.sparsity == many.sparsity) == name.endswith("-again")


def test_names_are_listed_without_data(monkeypatch):
    monkeypatch.delenv("FARTHING_DATA", raising=False)
    listed = CliRunner().invoke(compression.main, ["--list"])
    assert listed.exit_code == 0 and [line.split()[0] for line in listed.output.splitlines()] == list(
        compression.EXPERIMENTS
    )
    refused = CliRunner().invoke(compression.main, [])
    assert refused.exit_code == 2 and "FARTHING_DATA" in refused.output
