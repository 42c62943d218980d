"""The measured methods: that they can run, on a network with one epoch each; that stored ones are still those of the bench."""

import dataclasses
import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

pytest.importorskip("torch")

from bench import dense_sparse_dense, methods, searches
from sw.compression.amc.settings import AgentSettings, SearchSettings
from sw.compression.recipe import Recipe
from sw.compression.typed import values_of
from sw.data import load_dataset
from sw.importing import load_model
from sw.training import TrainingSettings, repeatable

#: Bytes of the authors' file, and of 32-bit weights and biases.
_AUTHORS = (675_763, 4_993_696)


def shortened(recipe):
    """One epoch of each training, and two rounds."""
    shorter = []
    for method in recipe.methods:
        changes = {
            member.name: dataclasses.replace(getattr(method, member.name), epochs=1)
            for member in dataclasses.fields(method)
            if isinstance(getattr(method, member.name), TrainingSettings)
        }
        shorter.append(dataclasses.replace(method, **changes))
    return Recipe(methods=tuple(shorter))


@pytest.mark.slow
def test_deep_compression_of_a_lenet(tmp_path):
    dataset = load_dataset("mnist")
    some = slice(None, None, 8)
    dataset = dataclasses.replace(
        dataset, train_images=dataset.train_images[some], train_labels=dataset.train_labels[some]
    )
    with repeatable(0):
        network = load_model("lenet-300-100")
    recipe = shortened(methods.RECIPES["lenet-300-100"])
    record = methods.run_recipe(
        "lenet-300-100", network, recipe, dataset, tmp_path / "work", Console(quiet=True)
    )
    assert json.loads(json.dumps(record)) == record
    size = record["size"]
    assert size["weights"] == 266_200 and record["sparsity"] == pytest.approx(0.914, abs=0.001)
    assert record["sparsity"] == 1 - size["nonzero"] / size["weights"]
    assert size["dense"] == 32 * 266_610 and size["dense"] > size["pruned"] > size["shared"] > size["coded"]
    assert record["image_bits"] == size["coded"] and record["ratio"] > 25
    assert record["accuracy_float"] > 0.2 and record["phases"][-1]["name"] == "share-tune"


@pytest.mark.slow
def test_searches_are_compared_with_as_many_policies(tmp_path):
    pytest.importorskip("optuna")
    dataset = load_dataset("mnist")
    some = slice(None, None, 20)
    dataset = dataclasses.replace(
        dataset, train_images=dataset.train_images[some], train_labels=dataset.train_labels[some]
    )
    with repeatable(0):
        network = load_model(searches.NETWORK)
    record = searches.run_searches(
        network,
        dataset,
        tmp_path / "work",
        Console(quiet=True),
        settings=SearchSettings(explore=2, exploit=2, images=50, agent=AgentSettings(hidden=16, batch=4)),
        training=dataclasses.replace(searches.TRAINING, epochs=1),
        after=(2, 4),
        seeds=(0, 1),
    )
    assert json.loads(json.dumps(record)) == record
    runs = record["runs"]
    assert [(run["searcher"], run["seed"]) for run in runs] == [
        *((name, seed) for name in ("ddpg", "random", "tpe") for seed in (0, 1)),
        ("uniform", 0),
    ]
    assert [run["policies"] for run in runs] == [4] * 6 + [1]
    assert all(run["left"] <= run["most_left"] <= record["budget"] for run in runs)
    assert record["budget"] <= (1 - searches.SPARSITY) * record["whole"]


@pytest.mark.slow
def test_dense_sparse_dense_is_compared_with_training_as_long():
    name = "dsd-lstm"
    dataset = load_dataset("mnist")
    some = slice(None, None, 20)
    dataset = dataclasses.replace(
        dataset,
        train_images=dataset.train_images[some],
        train_labels=dataset.train_labels[some],
        test_images=dataset.test_images[some],
        test_labels=dataset.test_labels[some],
    )
    experiment = dataclasses.replace(dense_sparse_dense.EXPERIMENTS[name], dense=2, sparse=1, final=1)
    record = dense_sparse_dense.run_experiment(
        name, dataset, Console(quiet=True), experiment=experiment, seeds=(0, 1)
    )
    assert json.loads(json.dumps(record)) == record and record["epochs"] == 4
    runs = {(run["arm"], run["seed"]): run for run in record["runs"]}
    assert set(runs) == {(arm, seed) for arm in dense_sparse_dense.ARMS for seed in (0, 1)}
    for seed in (0, 1):
        zeros = [runs[arm, seed]["zeros"] for arm in dense_sparse_dense.ARMS[:4]]
        assert zeros == [
            pytest.approx(0.25, abs=0.01),
            pytest.approx(0.5, abs=0.01),
            pytest.approx(0.4, abs=0.01),
            None,
        ]
        starts = {tuple(runs[arm, seed]["accuracies"][:1]) for arm in dense_sparse_dense.ARMS[:4]}
        assert len(starts) == 1
        assert [len(runs[arm, seed]["accuracies"]) for arm in dense_sparse_dense.ARMS] == [3, 3, 3, 3, 1]
    last = [runs["dsd-50", seed]["accuracies"][-1] for seed in (0, 1)]
    assert record["arms"]["dsd-50"]["mean"] == pytest.approx(sum(last) / 2)


def test_stored_trainings_are_still_the_same():
    for record in methods._stored():
        if record["name"] in dense_sparse_dense.EXPERIMENTS:
            wanted = dense_sparse_dense.settings_of(dense_sparse_dense.EXPERIMENTS[record["name"]])
            assert record["settings"] == json.loads(json.dumps(wanted)), f"run `{record['command']}`"
            assert {run["seed"] for run in record["runs"]} == set(dense_sparse_dense.SEEDS)


def test_stored_searches_are_still_the_same():
    for record in methods._stored():
        if record["name"] == searches.NAME:
            assert record["settings"] == json.loads(json.dumps(values_of(searches.SETTINGS)))
            assert record["training"] == json.loads(json.dumps(values_of(searches.TRAINING)))
            assert record["sparsity"] == searches.SPARSITY


def test_the_authors_network_is_coded_further():
    folder = os.environ.get("FARTHING_DATA")
    if not folder or not Path(folder, "deep-compressed-squeezenet.net").exists():
        pytest.skip("needs deep-compressed-squeezenet.net in the folder FARTHING_DATA")
    record = methods.authors_record(folder)
    size = record["size"]
    assert size["weights"] == 1_244_448 and size["nonzero"] == 415_921
    assert size["dense"] == 8 * _AUTHORS[1]
    # The file stores the 0 of each codebook and a count of codes for each layer, and ends streams with whole bytes.
    assert 0 <= _AUTHORS[0] - 26 * 8 - size["shared"] / 8 < 26
    assert size["coded"] < 0.9 * size["shared"]


def test_stored_experiments_are_still_the_same():
    for record in methods._stored():
        if "recipe" in record:
            wanted = json.loads(json.dumps(values_of(methods.RECIPES[record["name"]].labelled())))
            assert record["recipe"] == wanted, f"run `{record['command']}`"


def test_names_are_listed_without_data(monkeypatch):
    monkeypatch.delenv("FARTHING_DATA", raising=False)
    listed = CliRunner().invoke(methods.main, ["--list"])
    names = [line.split()[0] for line in listed.output.splitlines()]
    assert listed.exit_code == 0 and names == methods.NAMES and names[-2:] == ["amc-digits", methods.AUTHORS]
    refused = CliRunner().invoke(methods.main, ["--only", methods.AUTHORS])
    assert refused.exit_code == 2 and "FARTHING_DATA" in refused.output
