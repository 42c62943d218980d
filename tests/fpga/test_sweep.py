"""The sweep: its points, its files, going on after a kill; what is refused."""

import dataclasses
import json

import numpy as np
import pytest
from click.testing import CliRunner
from rich.console import Console

pytest.importorskip("torch")

from fpga import sweep as module
from fpga.cli import main
from fpga.compression import parse_shares
from fpga.sweep import sweep
from hw.config import Config
from sim import reference
from sw.compression.escalate import EscalateSettings
from sw.compression.recipe import Recipe
from sw.network import Convolution
from sw.network_file import read_network
from sw.training import Distillation, TrainingSettings, repeatable
from tests.sw.training.patterns import patterns, small_network

TRAINING = TrainingSettings(
    epochs=3, rate=0.02, batch=32, evaluate_every=0, distillation=Distillation(weight=0.5, temperature=2.0)
)
DENSE = TrainingSettings(epochs=12, rate=0.02, batch=32, evaluate_every=0)


def point(bases, sparsity):
    escalate = EscalateSettings(
        bases=bases,
        kept=None,
        sparsity=sparsity,
        retraining=TRAINING,
        refining=dataclasses.replace(TRAINING, epochs=1, rate=0.002),
    )
    return Recipe(methods=(escalate,))


POINTS = {"3-0.5": point(3, 0.5), "3-0.9": point(3, 0.9), "5-0.9": point(5, 0.9)}


def run(folder, further=None):
    with repeatable(4):
        return sweep(
            small_network(),
            patterns(),
            POINTS,
            Config.preset("small"),
            folder / "curve.farthing",
            dense=DENSE,
            further=further,
            folder=folder / "work",
            name="patterns",
            console=Console(quiet=True),
        )


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sweep")
    return run(folder), folder


def test_every_point_is_measured(done):
    result, folder = done
    assert json.loads((folder / "curve.sweep.json").read_text()) == result
    few, many, more = result["points"]
    assert [each["label"] for each in result["points"]] == list(POINTS)
    # Channels that nothing is left of take their zeros with them.
    assert many["sparsity"] > few["sparsity"] and many["operations"] < 0.8 * few["operations"]
    assert many["image_bits"] < few["image_bits"] < few["dense_bits"]
    assert more["bases"] == 5 and all(each["cycles"] > 0 and each["agreement"] > 0.9 for each in (few, many))
    assert result["dense_accuracy"] > 0.8 and few["accuracy"] > 0.6


def test_network_files_are_those_that_were_measured(done):
    result, folder = done
    data = patterns()
    for each in result["points"]:
        network, report = read_network(folder / f"curve-{each['label']}.farthing")
        images = network.pixels.integers(data.test_images)
        assert reference.accuracy(network, images, data.test_labels) == each["accuracy"]
        assert report["accuracy_integer"] == each["accuracy"]


def test_pictures_are_drawn(done):
    _, folder = done
    assert (folder / "curve.sweep.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (folder / "curve.sweep.svg").read_text()


def test_a_killed_sweep_goes_on_after_the_last_point(done, monkeypatch):
    result, folder = done
    (folder / "work" / "5-0.9.json").unlink()
    compressed = []
    whole = module.compress_to_file

    def counted(*arguments, **options):
        compressed.append(arguments[3].name)
        return whole(*arguments, **options)

    monkeypatch.setattr(module, "compress_to_file", counted)
    assert run(folder) == result and compressed == ["curve-5-0.9.farthing"]


@pytest.fixture(scope="module")
def chained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("chain")
    return run(folder, further=1), folder


def test_a_point_starts_from_the_one_before(done, chained):
    result, folder = chained
    first, second, other = result["points"]
    assert first == done[0]["points"][0] and other == done[0]["points"][2]
    phases = {
        label: read_network(folder / f"curve-{label}.farthing")[1]["phases"] for label in ("3-0.5", "3-0.9")
    }
    ends, begins = phases["3-0.5"][2], phases["3-0.9"][1]
    assert (ends["name"], begins["name"]) == ("ternary-retrain", "ternary")
    assert begins["zeros"] > ends["zeros"] + 0.1
    assert len(phases["3-0.9"][2]["epochs"]) == 1
    assert second["operations"] < first["operations"]


def test_a_killed_chain_goes_on_from_checkpoints(chained):
    result, folder = chained
    path = folder / "curve-3-0.9.farthing"
    before = read_network(path)[0]
    (folder / "work" / "3-0.9.json").unlink()
    for checkpoint in (folder / "work" / "3-0.9").iterdir():
        checkpoint.unlink()
    path.unlink()
    assert run(folder, further=1) == result
    after = read_network(path)[0]
    assert len(after.layers) == len(before.layers)
    for one, other in zip(after.layers, before.layers, strict=True):
        if isinstance(one, Convolution):
            assert np.array_equal(one.coefficients, other.coefficients) and np.array_equal(
                one.bases, other.bases
            )


def test_shares_are_read():
    assert parse_shares("0.5,0.75") == [0.5, 0.75]
    for text in ("", "0.5,", "1.0", "-0.1", "many"):
        with pytest.raises(ValueError, match="expected shares of zeros from 0 to below 1, as"):
            parse_shares(text)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--bases", "4", "--bases", "5"], "expected one number of bases, got 2; give them with --sweep"),
        (["--sweep", "0.5,2"], "expected shares of zeros"),
        (["--sweep-epochs", "2"], "expected --sweep with --sweep-epochs 2, got none"),
        (["--preset", "nothing"], "expected a preset from"),
    ],
)
def test_refused_before_anything_is_loaded(tmp_path, arguments, words):
    output = tmp_path / "net.farthing"
    result = CliRunner().invoke(main, ["compress", "nowhere.onnx", "-o", str(output), *arguments])
    (line,) = result.stderr.splitlines()
    assert result.exit_code == 1 and line.startswith("farthing: ") and words in line
    assert list(tmp_path.iterdir()) == []
