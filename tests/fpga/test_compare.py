"""farthing compare: rows beside each other, what each is told, files, going on after a kill; what is refused."""

import json

import pytest
from click.testing import CliRunner

pytest.importorskip("torch")
pytest.importorskip("matplotlib")

from fpga import compare as module
from fpga import compare_commands
from fpga.cli import main
from fpga.cycle_counting import cycle_counter
from fpga.scoring import score_file
from hw.config import Config
from sim import reference
from sw.compiler import compile_network
from sw.complexity import network_complexity, total
from sw.compression.model_file import read_model
from sw.network_file import read_network
from sw.training import repeatable
from tests.sw.training.patterns import patterns, small_network

pytestmark = pytest.mark.slow

RECIPES = {
    "ternary": """
        [[methods]]
        method = "escalate"
        bases = 3
        kept = "none"
        calibration = 64
        [methods.retraining]
        epochs = 3
        rate = 0.02
        batch = 32
        [methods.refining]
        epochs = 1
        rate = 0.002
        batch = 32
    """,
    "filters": """
        [[methods]]
        method = "l1-filter"
        sparsity = 0.125
        [methods.tuning]
        epochs = 2
        batch = 32
    """,
    "uniform": """
        [[methods]]
        method = "uniform"
        images = 64
        [methods.tuning]
        epochs = 1
        batch = 32
    """,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("compare")
    for label, text in RECIPES.items():
        (made / f"{label}.toml").write_text(text)
    return made


def farthing(folder, *arguments):
    """The command on small pictures, with a network of its own."""
    with pytest.MonkeyPatch.context() as patch, repeatable(4):
        patch.setattr(compare_commands, "load_network", lambda *options: (small_network(), patterns()))
        recipes = [part for label in RECIPES for part in ("--recipe", f"{folder / label}.toml")]
        common = ["--dense-epochs", "12", "--preset", "small", "-o", str(folder / "out")]
        return CliRunner().invoke(main, ["compare", "small", *recipes, *common, *arguments])


@pytest.fixture(scope="module")
def done(folder):
    result = farthing(folder, "--budget", "0.7")
    assert result.exit_code == 0, result.output
    return json.loads((folder / "out" / "comparison.json").read_text()), result.stdout


def test_rows_are_in_order_and_named(done):
    found, _ = done
    assert [row["name"] for row in found["rows"]] == ["dense", *RECIPES]
    assert [row["file"] for row in found["rows"]] == [
        None,
        "ternary.farthing",
        "filters.model",
        "uniform.farthing",
    ]
    assert (found["network"], found["data"], found["preset"], found["budget"]) == (
        "small",
        "patterns",
        "small",
        0.7,
    )


def test_numbers_are_those_of_the_files(done, folder):
    found, _ = done
    dense, ternary, filters, _ = found["rows"]
    config, data = Config.preset("small"), patterns()
    network, _ = read_network(folder / "out" / "ternary.farthing")
    images = network.pixels.integers(data.test_images)
    assert ternary["accuracy"] == reference.accuracy(network, images, data.test_labels)
    assert ternary["cycles"] == sum(cycle_counter(config, data)(network).values())
    assert 0 < ternary["image_bits"] <= compile_network(network, config).bits
    assert ternary["score"] == score_file(folder / "out" / "ternary.farthing", "cifar100")["score"]
    assert ternary["missing"] == {}
    model, _ = read_model(folder / "out" / "filters.model")
    work = total(network_complexity(model))
    assert (filters["operations"], filters["traffic_bytes"]) == (work.operations, work.traffic_bytes)
    # 8 filters of 3 and of 8 channels, 3 x 3, on 8 x 8 and 4 x 4 places; 4 classes of 8 channels.
    multiply_adds = 8 * 3 * 9 * 64 + 8 * 8 * 9 * 16 + 4 * 8
    assert dense["operations"] == multiply_adds
    assert dense["cycles"] == multiply_adds / config.multipliers
    assert dense["image_bits"] == 32 * (8 * 3 * 9 + 8 + 8 * 8 * 9 + 8 + 4 * 8 + 4)


def test_compressed_is_less_and_dense_is_right(done):
    dense, ternary, filters, _ = done[0]["rows"]
    assert dense["accuracy"] > 0.8 and ternary["accuracy"] > 0.4
    assert ternary["image_bits"] < dense["image_bits"] / 2
    for row in (ternary, filters):
        assert row["operations"] < dense["operations"] and row["traffic_bytes"] < dense["traffic_bytes"]


def test_the_budget_is_told_to_those_that_can_be(done):
    dense, ternary, filters, uniform = done[0]["rows"]
    assert (ternary["asked"]["setting"], filters["asked"]["method"]) == ("sparsity", "l1-filter")
    # Nothing of the filters' work hangs on training.
    left = filters["operations"] / dense["operations"]
    assert filters["asked"]["estimate"] == left <= 0.7
    assert filters["recipe"]["l1-filter"]["sparsity"] == filters["asked"]["value"] > 0.125
    assert uniform["asked"] is None


def test_what_is_missing_has_a_reason(done):
    dense, _, filters, uniform = done[0]["rows"]
    assert list(dense["missing"]) == ["score"]
    assert set(filters["missing"]) == {"image_bits", "score", "cycles"}
    # Kernels of every output channel's own are many bases.
    assert "preset small cannot run it" in uniform["missing"]["cycles"] and uniform["score"] > 0
    quantities = set(done[0]["sources"])
    for row in done[0]["rows"]:
        assert quantities <= set(row)
        assert set(row["missing"]) == {name for name in quantities if row[name] is None}


def test_table_and_picture(done, folder):
    found, shown = done
    lines = (folder / "out" / "comparison.md").read_text().splitlines()
    assert [line.split(" | ")[0] for line in lines[2:6]] == ["| dense", "| ternary", "| filters", "| uniform"]
    assert len({line.count("|") for line in lines[:6]}) == 1
    for text in (f"{found['rows'][1]['cycles']:,.0f}", f"{found['rows'][1]['accuracy']:.2%}"):
        assert text in lines[3] and text in shown
    assert any(
        line.startswith("* filters, no image bits, score, cycles: the recipe makes real numbers")
        for line in lines
    )
    assert all(any(source in line for line in lines) for source in found["sources"].values())
    figure = module.draw_comparison(found)
    drawn = [[line.get_label() for line in panel.lines] for panel in figure.axes]
    assert drawn == [
        ["dense", "ternary"],
        ["dense", "ternary"],
        ["dense", *RECIPES],
    ]
    assert "<svg" in (folder / "out" / "comparison.svg").read_text()


def test_a_killed_comparison_goes_on(done, folder, monkeypatch):
    compressed = []
    whole = module.compress_to_file

    def counted(*arguments, **options):
        compressed.append(options["name"])
        return whole(*arguments, **options)

    monkeypatch.setattr(module, "compress_to_file", counted)
    (folder / "out" / "work" / "filters.json").unlink()
    result = farthing(folder, "--budget", "0.7")
    assert result.exit_code == 0, result.output
    assert compressed == ["filters"]
    assert json.loads((folder / "out" / "comparison.json").read_text()) == done[0]


def test_another_budget_in_the_same_folder_is_refused(done, folder):
    result = farthing(folder, "--budget", "0.9")
    (line,) = result.stderr.splitlines()
    assert result.exit_code == 1
    assert line.startswith("farthing: recipe ternary: ") and "expected a checkpoint of this run" in line


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["--recipe", "nothing"], 1, "expected a recipe from amc, deep-compression"),
        (["--recipe", "penni", "--recipe", "penni"], 1, "expected recipes with a name each"),
        (["--preset", "nothing"], 1, "expected a preset from"),
        (["--budget", "0"], 2, "--budget"),
        (["--task", "mnist"], 2, "--task"),
    ],
)
def test_refused_before_anything_is_loaded(tmp_path, arguments, status, words):
    output = tmp_path / "out"
    result = CliRunner().invoke(main, ["compare", "nowhere.onnx", "-o", str(output), *arguments])
    assert result.exit_code == status and words in result.stderr
    if status == 1:
        assert len(result.stderr.splitlines()) == 1 and result.stderr.startswith("farthing: ")
    assert not output.exists()
