"""Compressions that make no integers, from the command line: what they print, what they write, what is shown of it."""

import dataclasses
import io

import pytest
from click.testing import CliRunner

pytest.importorskip("torch")

from rich.console import Console

from fpga.cli import main
from fpga.compression import compress_to_file
from fpga.model_report import size_rows
from sw.compression.deep.sharing import SharingSettings
from sw.compression.deep.size import layer_sizes, total_size
from sw.compression.magnitude import MagnitudeSettings
from sw.compression.model_file import read_model
from sw.compression.recipe import Recipe
from sw.training import TrainingSettings, repeatable
from tests.sw.training.patterns import patterns, small_network

TRAINING = TrainingSettings(epochs=1, rate=0.005, batch=32, evaluate_every=0)
RECIPE = Recipe(
    methods=(
        MagnitudeSettings(sparsity=0.6, rounds=1, tuning=TRAINING),
        SharingSettings(bits=3, connected_bits=2, tuning=TRAINING),
    )
)


@pytest.fixture(scope="module")
def compressed(tmp_path_factory):
    """Folder, report and what was printed."""
    folder, text = tmp_path_factory.mktemp("model"), io.StringIO()
    with repeatable(4):
        _, report = compress_to_file(
            small_network(),
            patterns(train=64, test=16),
            RECIPE,
            folder / "small.model",
            name="patterns",
            folder=folder / "work",
            console=Console(file=text, width=200),
        )
    return folder, report, text.getvalue()


def test_size_is_printed_and_kept(compressed):
    folder, report, text = compressed
    network, kept = read_model(folder / "small.model")
    size = total_size(network)
    assert (
        kept["size"]
        == report["size"]
        == dataclasses.asdict(size)
        | {
            "dense": size.dense,
            "coded": size.coded,
        }
    )
    assert f"{size.coded:,} bits coded" in text and f"times fewer than {size.dense:,}" in text
    assert [phase["name"] for phase in kept["phases"]] == [phase["name"] for phase in report["phases"]]
    assert kept["recipe"]["sharing"]["bits"] == 3


def test_a_model_is_shown_with_every_step(compressed):
    folder, _, _ = compressed
    network, _ = read_model(folder / "small.model")
    rows = size_rows(layer_sizes(network))
    assert [row[0] for row in rows] == ["first", "second", "classify", "network"]
    shown = CliRunner().invoke(main, ["inspect", str(folder / "small.model")])
    assert shown.exit_code == 0 and "small, input 3 x 8 x 8" in shown.output
    assert all(part in shown.output for part in rows[-1])


def test_a_model_has_no_preset(compressed):
    folder, _, _ = compressed
    result = CliRunner().invoke(main, ["inspect", str(folder / "small.model"), "--preset", "small"])
    assert result.exit_code == 1 and "expected no --preset with a model" in result.stderr


def test_shared_weights_are_not_shared_again(compressed):
    folder, _, _ = compressed
    network, _ = read_model(folder / "small.model")
    again = Recipe(methods=(SharingSettings(tuning=TRAINING),))
    with pytest.raises(ValueError, match="expected a layer with weights of its own, got none"):
        compress_to_file(
            network,
            patterns(train=64, test=16),
            again,
            folder / "again.model",
            name="patterns",
            folder=folder / "again",
            console=Console(quiet=True),
        )
