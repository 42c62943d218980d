"""farthing score: tables and JSON of both kinds of files; what is refused."""

import json
import os
import pickle
from pathlib import Path

import pytest
from click.testing import CliRunner

from fpga.cli import main
from hw.config import Config
from sw.compression.micronet.integer_count import count_integers
from sw.compression.micronet.rules import TASKS, total
from sw.network_file import write_network
from tests.sw.compression.micronet.test_entry_count import CHECKPOINT, small
from tests.sw.networks import random_network


def farthing(*arguments):
    return CliRunner().invoke(main, ["score", *map(str, arguments)])


@pytest.fixture
def checkpoint(tmp_path):
    torch = pytest.importorskip("torch")
    path = tmp_path / "entry.pth"
    torch.save({name: torch.tensor(array).float() for name, array in small().items()}, path)
    return path


def test_network_files_are_scored(tmp_path):
    network = random_network(5, Config.preset("small"), layers=4)
    write_network(tmp_path / "net.farthing", network)
    whole = total(count_integers(network))
    result = farthing(tmp_path / "net.farthing", "--json", "--task", "imagenet")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert (found["operations"], found["parameters"]) == (whole.operations, whole.parameters)
    task = TASKS["imagenet"]
    assert found["score"] == pytest.approx(
        whole.parameters / task.parameters + whole.operations / task.operations
    )
    assert [layer["name"] for layer in found["layers"]] == [layer.name for layer in network.layers]
    shown = farthing(tmp_path / "net.farthing").stdout
    assert f" {whole.operations:,.1f} │" in shown and "WideResNet-28-10" in shown
    assert all(f"│ {layer.name} " in shown for layer in network.layers)


def test_checkpoints_are_scored_in_every_mode(checkpoint):
    found = json.loads(farthing(checkpoint, "--json").stdout)
    assert len(found["modes"]) == 7
    assert found["score"] == found["modes"][0]["published"]["score"] < found["modes"][0]["rules"]["score"]
    shown = farthing(checkpoint).stdout
    assert "as its authors counted" in shown and "by the rules: " in shown
    assert f"{found['modes'][3]['rules']['score']:.6f}" in shown


def test_the_winner_from_the_command_line():
    path = Path(os.environ.get("FARTHING_DATA", ""), CHECKPOINT)
    if not path.is_file():
        pytest.skip(f"FARTHING_DATA names no folder with {CHECKPOINT}")
    shown = farthing(path).stdout
    assert "29.421 M operations, 49.81 K parameters, score 0.004169 as its authors counted" in shown
    assert "29.459 M operations, 62.20 K parameters, score 0.004513" in shown
    assert "356.5 times fewer operations and 732.8 times fewer parameters" in shown


class Harm:
    """A pickle that would make a file."""

    def __init__(self, path):
        self._path = path

    def __reduce__(self):
        return Path.touch, (self._path,)


def test_code_in_a_checkpoint_is_refused_and_not_run(tmp_path):
    pytest.importorskip("torch")
    path = tmp_path / "harm.pth"
    path.write_bytes(pickle.dumps(Harm(tmp_path / "harmed")))
    result = farthing(path)
    (line,) = result.stderr.splitlines()
    assert result.exit_code == 1 and "whose loading could run code" in line and "network file" in line
    assert not (tmp_path / "harmed").exists()


def test_other_files_are_refused_in_one_line(tmp_path):
    torch = pytest.importorskip("torch")
    torch.save({"weight": torch.zeros(3)}, tmp_path / "other.pth")
    for path, words in (
        (tmp_path / "other.pth", "expected a checkpoint of a fused DenseNet with conv1.weight"),
        (tmp_path / "missing.pth", "missing.pth"),
    ):
        result = farthing(path)
        (line,) = result.stderr.splitlines()
        assert result.exit_code == 1 and line.startswith("farthing: ") and words in line
