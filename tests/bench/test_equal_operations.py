"""Methods at equal operations: networks have as many as asked for, what is stored too, and the page shows it."""

import dataclasses
import json
import random

import pytest
from rich.console import Console

pytest.importorskip("torch")

from bench import equal_operations, equal_operations_page, methods
from bench.equal_operations import ARMS, EXPERIMENT, NAME, even_shares, nearest, pruned, run_experiment
from fpga.pictures import write_picture
from sw.complexity import network_complexity, total
from sw.compression.typed import values_of
from sw.data import load_dataset
from sw.importing import load_model
from sw.training import repeatable

#: Of the dense network's operations.
TOLERANCE = 0.02


@pytest.fixture(scope="module")
def few():
    """The digits, one of 20."""
    dataset, some = load_dataset("mnist"), slice(None, None, 20)
    parts = ("train_images", "train_labels", "test_images", "test_labels")
    return dataclasses.replace(dataset, **{part: getattr(dataset, part)[some] for part in parts})


@pytest.fixture
def network():
    with repeatable(0):
        return load_model(equal_operations.NETWORK)


@pytest.fixture(scope="module")
def stored():
    (record,) = (record for record in methods._stored() if record["name"] == NAME)
    return record


def operations(network):
    return total(network_complexity(network)).operations


@pytest.mark.parametrize("arm", ["l1-filter", "lasso", "slimming", "penni-at-once"])
def test_a_method_leaves_the_operations_asked_for(arm, network, few):
    whole = operations(network)
    wanted = whole * random.Random(arm).uniform(0.3, 0.7)
    made = pruned(arm, network, wanted, few, EXPERIMENT)
    assert abs(operations(made) - wanted) < TOLERANCE * whole
    assert operations(network) == whole


def test_shares_of_groups_are_even(network):
    assert even_shares(network, 0).keys() == {"stem", "down", "block1", "expand"}
    counts = {"stem": 16, "down": 32, "block1": 32, "expand": 64}
    for gone in (1, 37, 72, 130):
        each = {name: int(share * counts[name]) for name, share in even_shares(network, gone).items()}
        assert sum(each.values()) == gone
        # The next channel is that of the group with most left.
        left = {name: 1 - each[name] / counts[name] for name in counts}
        assert all(left[name] + 1 / counts[name] >= max(left.values()) for name in counts if each[name])


def test_the_nearest_is_above_or_below(monkeypatch):
    monkeypatch.setattr(equal_operations, "_operations", lambda number: 100 - 10 * number)
    for wanted, number in ((100, 0), (96, 0), (94, 1), (54, 5), (56, 4), (12, 9), (-50, 9)):
        assert nearest(lambda number: number, 10, wanted) == number


@pytest.mark.slow
def test_methods_are_compared_and_a_run_goes_on(few, tmp_path, monkeypatch):
    monkeypatch.setattr(equal_operations, "ARMS", {name: ARMS[name] for name in ("dense", "penni")})
    short = {
        part: dataclasses.replace(getattr(EXPERIMENT, part), epochs=1)
        for part in ("dense", "before", "tuning")
    }
    experiment = dataclasses.replace(EXPERIMENT, cuts=(0.5,), seeds=(0, 1), **short)
    record = run_experiment(few, tmp_path, Console(quiet=True), experiment=experiment)
    assert json.loads(json.dumps(record))["runs"] == record["runs"]
    assert [(run["arm"], run["cut"], run["seed"]) for run in record["runs"]] == [
        (arm, cut, seed) for seed in (0, 1) for arm, cut in (("dense", 0.0), ("penni", 0.5))
    ]
    for arm in record["arms"]:
        assert arm["left"]["mean"] == pytest.approx(1 - arm["cut"], abs=TOLERANCE)
        after = [run["after"] for run in record["runs"] if run["arm"] == arm["arm"]]
        assert arm["after"]["mean"] == pytest.approx(sum(after) / 2)
    checkpoints = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.checkpoint"))
    assert len(checkpoints) == 2 * (4 + 2)
    # As if it had been killed before the last training.
    (tmp_path / "1" / "penni-0.5" / "tune.checkpoint").unlink()
    assert run_experiment(few, tmp_path, Console(quiet=True), experiment=experiment)["runs"] == record["runs"]


def test_stored_networks_have_the_operations_asked_for(stored):
    wanted = {
        (arm, cut, seed)
        for arm in ARMS
        for cut in EXPERIMENT.cuts
        for seed in EXPERIMENT.seeds
        if arm != "dense"
    }
    wanted |= {("dense", 0.0, seed) for seed in EXPERIMENT.seeds}
    assert {(run["arm"], run["cut"], run["seed"]) for run in stored["runs"]} == wanted
    assert len(stored["runs"]) == len(wanted)
    for run in stored["runs"]:
        assert abs(run["left"] - (1 - run["cut"])) <= TOLERANCE, run
    assert stored["operations"] == 1_342_848


def test_what_is_stored_is_still_the_same(stored):
    assert stored["settings"] == json.loads(json.dumps(values_of(EXPERIMENT))), f"run `{stored['command']}`"


def test_the_page_and_the_picture_show_what_is_stored(stored, tmp_path):
    text = equal_operations_page.PAGE.read_text()
    other = stored | {"arms": stored["arms"][1:]}
    assert equal_operations_page.page(text, other) != text
    assert equal_operations_page.page(text, stored) == text, "run `python -m bench.methods`"
    write_picture(tmp_path / "now.svg", lambda: equal_operations_page.draw(stored))
    assert (tmp_path / "now.svg").read_bytes() == equal_operations_page.PICTURE.read_bytes(), (
        "run `python -m bench.methods`"
    )
