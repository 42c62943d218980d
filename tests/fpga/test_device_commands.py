"""The commands about devices, in front of a model of a board, a program that plays openFPGALoader, and the simulation."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from packaging.requirements import Requirement
from PIL import Image

from fpga.doctor import PACKAGES, examine
from hw.config import Config
from sim import reference
from sw.compiler import compile_network
from sw.image import write_image
from sw.network import INPUT, IntegerNetwork, TensorInfo
from tests.sw.networks import random_convolution

from .model_device import STALLS, STEP_CYCLES, ModelDevice, terminal
from .test_cli import fails, run

CONFIG = Config.preset("tiny")
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Image file, program, network that reads grey pictures of 6 x 5 and has a result of 7 classes."""
    rng = np.random.default_rng(4)
    source = TensorInfo(channels=1, height=6, width=5, signed=False)
    layer = random_convolution(
        rng, name="only", source=source, outputs=7, bases=2, kernel=(3, 3), padding=(0, 0, 0, 0), stride=2
    )
    network = IntegerNetwork(name="small", input=source, input_scale=1.0, layers=(layer,))
    info = network.tensors()["only"]
    last = random_convolution(
        rng,
        name="last",
        input="only",
        source=info,
        outputs=7,
        bases=2,
        kernel=(2, 2),
        padding=(0, 0, 0, 0),
        signed=True,
    )
    network = IntegerNetwork(name="small", input=source, input_scale=1.0, layers=(layer, last))
    program = compile_network(network, CONFIG)
    assert program.tensors["last"].shape == (7, 1, 1)
    path = tmp_path_factory.mktemp("made") / "net.image"
    write_image(path, program)
    return path, program, network


@pytest.fixture
def board(made):
    """Name of a port with a model of the device behind it."""
    with terminal(ModelDevice(*made[1:]).feed) as port:
        yield port


def pictures(made, folder, count=3):
    """Pictures as large as the input, in ``folder``, and what the reference makes of them."""
    _, program, network = made
    images = np.random.default_rng(5).integers(0, 256, (count, *program.tensors[INPUT].shape), dtype=np.uint8)
    (folder / "a").mkdir()
    for number, image in enumerate(images):
        Image.fromarray(image[0]).save(folder / "a" / f"{number}.png")
    (folder / "a" / ".hidden.png").write_bytes(b"nothing")
    (folder / "notes.txt").write_text("no picture")
    return images, reference.run(network, images)["last"]


def test_pictures_on_a_board(made, board, tmp_path):
    _, expected = pictures(made, tmp_path)
    report = json.loads(run("run", made[0], tmp_path, "--device", board, "--json").stdout)
    assert [result["output"] for result in report["results"]] == expected.tolist()
    assert [Path(result["input"]).name for result in report["results"]] == ["0.png", "1.png", "2.png"]
    assert [result["class"] for result in report["results"]] == expected[:, :, 0, 0].argmax(axis=1).tolist()
    assert report["device"] == f"{board} at 1000000 baud"
    assert list(report["layer_cycles"]) == ["only", "last"]
    assert report["stalls"] == STALLS


def test_arrays_on_a_board_and_a_table(made, board, tmp_path):
    images, expected = pictures(made, tmp_path)
    np.save(tmp_path / "many.npy", images.astype(np.int16))
    np.save(tmp_path / "one.npy", images[1])
    output = tmp_path / "results.npy"
    files = tmp_path / "many.npy", tmp_path / "one.npy", tmp_path / "a" / "2.png"
    result = run(
        "run", made[0], *files, "--device", board, "--baud", 3000000, "--preset", "tiny", "-o", output
    )
    assert result.exit_code == 0, result.output
    assert (np.load(output) == expected[[0, 1, 2, 1, 2]]).all()
    assert "3000000 baud, configuration tiny" in result.stdout
    for values in expected:
        assert " ".join(map(str, values.ravel())) in result.stdout
    share = 1000 / (STEP_CYCLES * len(made[1].layers))
    shown = " ".join(result.stdout.split())
    assert f"cycles of the last run in which units waited: feeder 1,000 ({share:.0%}), ring 1,001 " in shown


def test_refused_inputs(made, board, tmp_path):
    pictures(made, tmp_path)
    np.save(tmp_path / "wrong.npy", np.zeros((2, 1, 6, 6), np.int64))
    (tmp_path / "broken.npy").write_bytes(b"x" * 200)
    (tmp_path / "empty").mkdir()
    Image.new("RGB", (5, 6), (1, 2, 3)).save(tmp_path / "colour.png")
    for name, message in (
        (
            "wrong.npy",
            "wrong.npy[0]: expected images of integers, [1, 6, 5] or [n, 1, 6, 5], as small reads them, got int64",
        ),
        ("broken.npy", "broken.npy: expected an array, got something else"),
        ("empty", "empty: expected images (.jpg"),
        ("colour.png", "colour.png: expected a grey image, got one with colours: convert it"),
        ("notes.txt", "notes.txt: expected an image, got something else"),
        ("none.png", "expected a file that can be used, got 'No such file or directory'"),
    ):
        assert message in fails("run", made[0], tmp_path / name, "--device", board)


def test_refused_devices(made, board, tmp_path, monkeypatch):
    np.save(tmp_path / "x.npy", np.zeros((1, 6, 5), np.uint8))
    arguments = "run", made[0], tmp_path / "x.npy", "--device"
    line = fails(*arguments, board, "--preset", "small")
    assert line.startswith("expected a device of configuration small") and "got tiny" in line
    assert "expected a serial port that can be opened, got /nowhere" in fails(*arguments, "/nowhere")
    assert "expected a preset from" in fails(*arguments, board, "--preset", "vast")
    assert "got none; install it with: pip install 'farthing[board]'" in _without("serial", *arguments, board)
    monkeypatch.setattr("fpga.serial_link._LATENCY", 0.02)
    with terminal(lambda data: b"") as silent:
        line = fails(*arguments, silent)
    assert line.startswith(f"expected an answer from {silent} at 1000000 baud, got none: check")


def _without(module, *arguments):
    import importlib.util

    with pytest.MonkeyPatch.context() as patch:
        find = importlib.util.find_spec
        patch.setattr(
            importlib.util, "find_spec", lambda name, *more: None if name == module else find(name, *more)
        )
        return fails(*arguments)


def test_arrays_need_no_package_for_pictures():
    script = "import sys; sys.modules.update(PIL=None, platformdirs=None, torch=None); import fpga.running, fpga.device"
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, timeout=120)


def test_a_bitstream_for_another_baud_rate(tmp_path):
    line = fails("build", "--board", "ulx3s-85f", "--baud", 20_000_000, "-o", tmp_path / "b")
    assert line.startswith("expected a baud rate near a divisor of 50000000 Hz") and "got 20000000" in line


@pytest.mark.slow
def test_the_simulation_is_a_device(made, tmp_path):
    _, expected = pictures(made, tmp_path)
    report = json.loads(run("run", made[0], tmp_path / "a", "--json").stdout)
    assert [result["output"] for result in report["results"]] == expected.tolist()
    assert report["device"] == "the simulation"
    cycles = report["results"][-1]["cycles"]
    assert 0 < sum(report["layer_cycles"].values()) <= cycles
    assert 0 < max(report["stalls"].values()) <= cycles


@pytest.fixture
def loader(tmp_path, monkeypatch):
    """A program that plays openFPGALoader and keeps its arguments; with a file ``fail`` beside it fails."""
    script = tmp_path / "loader"
    script.write_text(
        f'#!/bin/sh\necho "$@" > {tmp_path}/arguments\ntest ! -e {tmp_path}/fail || {{ echo ERROR: no cable; exit 1; }}\n'
    )
    script.chmod(0o755)
    monkeypatch.setenv("OPENFPGALOADER", str(script))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    return tmp_path


def built(folder, board="ulx3s-25f"):
    """The folder of a build."""
    folder.mkdir(parents=True)
    (folder / "farthing.bit").write_bytes(b"bits")
    (folder / "report.json").write_text(json.dumps({"board": board}))
    return folder


def test_program_a_build(loader, tmp_path, monkeypatch):
    folder = built(tmp_path / "build" / "ulx3s-25f-tiny")
    for arguments in (
        [folder],
        [folder / "farthing.bit"],
        [folder, "--board", "ulx3s-25f"],
        ["--board", "ulx3s-25f", "--preset", "tiny"],
    ):
        monkeypatch.chdir(tmp_path)
        (loader / "arguments").unlink(missing_ok=True)
        result = run("program", *arguments)
        assert result.exit_code == 0 and "farthing.bit: loaded into ulx3s-25f" in result.stdout
        assert (loader / "arguments").read_text().split() == ["-b", "ulx3s", str(folder / "farthing.bit")]


def test_program_a_flash(loader, tmp_path):
    folder = built(tmp_path / "build" / "icebreaker-icebreaker", "icebreaker")
    file = (folder / "farthing.bit").rename(folder / "farthing.bin")
    assert "farthing.bin: loaded into icebreaker" in run("program", folder).stdout
    assert (loader / "arguments").read_text().split() == ["-b", "ice40_generic", "-f", str(file)]


def test_refused_programming(loader, tmp_path, monkeypatch):
    folder = built(tmp_path / "there")
    assert "expected a bitstream for ulx3s-85f, got one for ulx3s-25f" in fails(
        "program", folder, "--board", "ulx3s-85f"
    )
    assert fails("program") == "expected a bitstream or --board, got neither; name one of them"
    assert "expected a bitstream, got no file" in fails("program", tmp_path / "none.bit")
    assert "make one with: farthing build" in fails("program", "--board", "ulx3s-85f", "--preset", "tiny")
    assert "expected a board from" in fails("program", folder, "--board", "x")
    (folder / "report.json").write_text("[]")
    assert "expected the report of a build, got something else" in fails("program", folder)
    (folder / "report.json").unlink()
    assert "name the board with --board" in fails("program", folder)
    assert not (loader / "arguments").exists()
    (loader / "fail").touch()
    assert "expected loader to succeed, got 'ERROR: no cable'" in fails(
        "program", folder, "--board", "ulx3s-25f"
    )
    (loader / "loader").write_text("#!/bin/sh\nexec sleep 60\n")
    assert "expected loader to end within 1 s" in fails(
        "program", folder, "--board", "ulx3s-25f", "--time-limit", 1
    )
    monkeypatch.setenv("OPENFPGALOADER", str(tmp_path / "missing"))
    assert "got none on the PATH; install it with: apt-get" in fails(
        "program", folder, "--board", "ulx3s-25f"
    )


def test_doctor_knows_every_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = {"simulate": project["dependencies"], **project["optional-dependencies"]}
    del extras["dev"]
    assert {
        extra: tuple(Requirement(line).name for line in lines) for extra, lines in extras.items()
    } == PACKAGES


def test_doctor_finds_what_is_there(loader):
    (loader / "loader").write_text("#!/bin/sh\necho openFPGALoader v0.12.1\n")
    result = run("doctor", "--for", "simulate", "--json")
    assert result.exit_code == 0, result.stderr
    found = {finding["name"]: finding for finding in json.loads(result.stdout)}
    assert {"python", "c++", "make", "perl", "yosys", "nextpnr-ecp5", "torch", "pyserial"} <= set(found)
    assert found["openFPGALoader"]["version"] == "0.12.1" and found["openFPGALoader"]["remedy"] == ""
    assert int(found["verilator, the program"]["version"].split(".")[0]) >= 5
    assert all(found[name]["path"] for name in ("python", "c++", "numpy"))


def test_doctor_says_what_is_missing(monkeypatch, tmp_path):
    monkeypatch.setenv("OPENFPGALOADER", str(tmp_path / "missing"))
    monkeypatch.setattr("fpga.doctor.examine", lambda: examine(versions=False))
    result = run("doctor")
    assert result.exit_code == 0 and "apt-get install openfpgaloader" in " ".join(result.stdout.split())
    result = run("doctor", "--for", "board")
    assert result.exit_code == 1
    assert result.stderr == "farthing: expected all that board needs, got no openFPGALoader; see above\n"
    monkeypatch.setenv("PATH", str(tmp_path))
    result = run("doctor", "--for", "all", "--json")
    assert result.exit_code == 1 and "got no c++, make, perl" in result.stderr
    missing = {
        finding["name"]: finding for finding in json.loads(result.stdout) if finding["version"] is None
    }
    assert missing["c++"]["remedy"] == "apt-get install g++, on Debian and Ubuntu"
