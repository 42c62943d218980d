"""farthing sensitivity: JSON, pictures and table of one scan, and what is refused."""

import io
import json

import numpy as np
import pytest
from click.testing import CliRunner

pytest.importorskip("torch")
pytest.importorskip("matplotlib")

from rich.console import Console

from fpga.cli import main
from fpga.sensitivity import draw_sensitivity, measure, show_sensitivity, write_sensitivity
from sw.training import repeatable
from tests.sw.training.patterns import patterns, small_network


@pytest.fixture(scope="module")
def result():
    with repeatable(4):
        network = small_network()
    return measure(
        network,
        patterns(),
        name="patterns",
        shares=[0.2, 0.5, 0.9],
        images=64,
        budget=0.5,
        cost="operations",
        console=Console(quiet=True),
    )


def test_everything_is_written(result, tmp_path):
    write_sensitivity(tmp_path / "scan.json", result)
    found = json.loads((tmp_path / "scan.json").read_text())
    assert found == json.loads(json.dumps(result))
    assert (found["network"], found["data"], found["images"]) == ("patterns", "patterns", 64)
    assert [layer["name"] for layer in found["layers"]] == ["first", "second", "classify"]
    assert (tmp_path / "scan.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (tmp_path / "scan.svg").read_text()


def test_the_choice_keeps_the_budget(result):
    choice = result["choice"]
    work = {layer["name"]: layer["weights"] * layer["places"] for layer in result["layers"]}
    assert choice["budget"] == sum(work.values()) // 2
    left = sum(work[name] * (1 - share) for name, share in choice["sparsity"].items())
    assert left == pytest.approx(choice["left"]) and choice["left"] <= choice["budget"]
    assert 0 <= choice["accuracy"] <= 1


def test_lines_are_the_accuracies(result):
    panel = draw_sensitivity(result).axes[0]
    lines = {line.get_label(): line for line in panel.lines}
    for layer in result["layers"]:
        line = lines[layer["name"]]
        assert np.array_equal(line.get_xdata(), [0, 0.2, 0.5, 0.9])
        assert np.array_equal(line.get_ydata(), [result["accuracy"], *layer["accuracies"]])


def test_the_table_names_what_was_chosen(result):
    console = Console(width=120, record=True, file=io.StringIO())
    show_sensitivity(console, result)
    shown = console.export_text()
    assert f"{result['choice']['sparsity']['second']:.1%}" in shown
    assert f"{result['choice']['left']:,} of {result['choice']['budget']:,} operations left" in shown


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["--shares", "0.5,many"], 1, "expected shares of zeros"),
        (["--budget", "0"], 2, "--budget"),
        (["--cost", "bytes"], 2, "--cost"),
    ],
)
def test_refused_before_anything_is_loaded(tmp_path, arguments, status, words):
    output = tmp_path / "scan.json"
    found = CliRunner().invoke(main, ["sensitivity", "nowhere.onnx", "-o", str(output), *arguments])
    assert found.exit_code == status and words in found.stderr
    assert list(tmp_path.iterdir()) == []
