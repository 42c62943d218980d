"""AMC from the command line's side: a budget of cycles that the cycle model then counts, and what is refused in one line."""

import dataclasses
import io

import pytest
from click.testing import CliRunner
from rich.console import Console

pytest.importorskip("torch")

from fpga.cli import main
from fpga.compression import compress_to_file
from hw.config import Config
from sw.compression.amc.settings import AgentSettings, SearchSettings
from sw.compression.escalate import SearchedEscalateSettings
from sw.compression.recipe import Recipe, TrainSettings
from sw.layers import IDENTITY, AverageLayer, ConvolutionLayer
from sw.model import new_network
from sw.network_file import read_network
from sw.training import TrainingSettings, repeatable
from tests.sw.training.patterns import PIXELS, patterns

TRAINING = TrainingSettings(epochs=1, rate=0.01, batch=32, evaluate_every=0)
AROUND = (1, 1, 1, 1)


def wide_network():
    """Most of its cycles are those of coefficients."""
    return new_network(
        PIXELS,
        (
            ConvolutionLayer(name="first", input="input", inputs=3, outputs=8, padding=AROUND),
            ConvolutionLayer(name="second", input="first", inputs=8, outputs=32, padding=AROUND),
            ConvolutionLayer(name="third", input="second", inputs=32, outputs=32, padding=AROUND),
            AverageLayer(name="average", input="third"),
            ConvolutionLayer(
                name="classify",
                input="average",
                inputs=32,
                outputs=4,
                kernel=(1, 1),
                activation=IDENTITY,
                batch_norm=False,
            ),
        ),
    )


@pytest.mark.slow
def test_a_budget_of_cycles(tmp_path):
    search = SearchSettings(
        cost="cycles", explore=5, exploit=5, images=64, agent=AgentSettings(hidden=32, batch=16)
    )
    escalate = SearchedEscalateSettings(
        sparsity=0.4,
        bases=3,
        kept=None,
        retraining=TRAINING,
        refining=dataclasses.replace(TRAINING, rate=1e-3),
        calibration=64,
        search=search,
    )
    recipe = Recipe(methods=(TrainSettings(training=dataclasses.replace(TRAINING, epochs=3)), escalate))
    console = Console(width=200, file=io.StringIO())
    with repeatable(4):
        _, report = compress_to_file(
            wide_network(),
            patterns(),
            recipe,
            tmp_path / "net.farthing",
            name="patterns",
            folder=tmp_path / "work",
            config=Config.preset("small"),
            console=console,
        )
    found = report["phases"][2]["found"]
    assert found["cost"] == "cycles" and found["left"] <= found["budget"] < 0.6 * found["whole"] + 1
    # The estimate does not know of channels that leave.
    assert 0.4 * found["left"] < report["cycles"] < 1.1 * found["left"]
    shown = console.file.getvalue()
    assert "10 policies by ddpg; the best leaves" in shown and f"{report['cycles']:,.0f}" in shown
    _, stored = read_network(tmp_path / "net.farthing")
    assert stored["phases"][2]["found"] == found and stored["cycles"] == report["cycles"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            'action = "layers"',
            "method 1, amc: expected an action from weights, channels, coefficients, got 'layers'",
        ),
        ("sparsity = 1.0", "method 1, amc: expected a sparsity from 0 to below 1, got 1.0"),
        ("[methods.search]\nexplore = -5", "method 1, amc: search: expected explore of at least 0, got -5"),
        (
            "[methods.search]\npolicies = 5",
            "method 1, amc: search: expected a setting of SearchSettings, got 'policies'",
        ),
    ],
)
def test_bad_settings_are_refused_in_one_line(tmp_path, text, words):
    path = tmp_path / "mine.toml"
    path.write_text(f'[[methods]]\nmethod = "amc"\n{text}\n')
    result = CliRunner().invoke(main, ["compress", "digits", "-o", "x.model", "--recipe", str(path)])
    (line,) = result.stderr.splitlines()
    assert result.exit_code == 1 and line.startswith(f"farthing: {path}: {words}")


def test_an_impossible_budget_is_refused_in_one_line(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('[[methods]]\nmethod = "amc"\nsparsity = 0.97\n[methods.search]\nmost = 0.9\n')
    output = tmp_path / "x.model"
    arguments = ["compress", "digits", "--data", "mnist", "-o", str(output), "--recipe", str(path)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 1 and not output.exists()
    assert result.stderr.splitlines()[-1].startswith("farthing: expected a budget of at least")
