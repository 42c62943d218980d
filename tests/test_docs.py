"""Every command that the documentation shows is one that works."""

import importlib
import inspect
import re
import shlex
import tomllib
from pathlib import Path
from types import SimpleNamespace

import click
import pytest
from click.testing import CliRunner

from bench.__main__ import main as bench
from fpga.boards import find_board
from fpga.cli import main
from fpga.device import Device
from hw.config import Config
from sim import network
from sw.compiler import compile_network
from tests.fpga.model_device import ModelDevice, ModelLink

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("**/*.md"))]

#: Commands that reach outside of the project: nothing of ours can be checked in them.
OUTSIDE = (
    r"git clone \S+( \S+)?",
    r"cd \S+",
    r"python3(\.\d+)? -m venv \.venv",
    r"(source|\.) \.venv/bin/activate",
    r"openFPGALoader -b ulx3s \S+\.bit",
    r"gtkwave \S+",
    r"surfer \S+",
    r"accelerate launch (--multi_gpu --num_processes \d+ )?train\.py",
)

#: Commands that take a moment are run as they stand; the file they write goes to an empty folder.
CHEAP = ("--version", "--help", "verilog", "doctor")


def commands(text):
    """The commands of the ``console`` blocks (after ``$``) and ``sh`` blocks of a page."""
    found = []
    for kind, body in re.findall(r"^```(console|sh)\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        lines = body.replace("\\\n", " ").splitlines()
        if kind == "console":
            lines = [line[2:] for line in lines if line.startswith("$ ")]
        found += [line.split(" #")[0].strip() for line in lines if line.strip() and not line.startswith("#")]
    return found


def check(command):
    """Fails unless the command is one that exists, with arguments that it takes."""
    words = shlex.split(command)
    while re.match(r"[A-Z_]+=", words[0]):
        words = words[1:]
    words = [words[0].removeprefix(".venv/bin/"), *words[1:]]
    if words[0] == "make":
        _check_make(words[1:])
    elif words[0] == "farthing":
        _check_farthing(words[1:])
    elif words[:2] == ["pip", "install"] or words[1:4] == ["-m", "pip", "install"]:
        _check_install(words)
    elif words[0] == "pytest" or words[1:3] == ["-m", "pytest"]:
        for word in words:
            if word.startswith("tests"):
                assert (ROOT / word.split("::")[0]).exists(), word
    elif words[0] == "bash" or words[0].startswith((".ci/", "bench/")):
        assert (ROOT / words[-1 if words[0] == "bash" else 0]).exists(), command
    elif words[1:3] == ["-m", "bench"]:
        bench.make_context("bench", list(words[3:]))
    elif words[1:2] == ["-m"] and words[2].startswith("bench."):
        pytest.importorskip("torch")
        importlib.import_module(words[2]).main.make_context(words[2], list(words[3:]))
    elif words[0].startswith("python"):
        assert (ROOT / words[1]).exists() or re.fullmatch("|".join(OUTSIDE), command), command
    else:
        assert re.fullmatch("|".join(OUTSIDE), command), f"no such command is known: {command}"


def _check_make(words):
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for word in words:
        assert word in targets or "=" in word, f"the Makefile has no target {word}"


def _check_farthing(words):
    if words[0].startswith("-"):
        assert words in (["--version"], ["--help"], ["-h"])
        return
    context = main.commands[words[0]].make_context(words[0], list(words[1:]))
    if context.params.get("preset") is not None:
        Config.preset(context.params["preset"])
    if context.params.get("board_name") is not None:
        find_board(context.params["board_name"])


def _check_install(words):
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for word in words:
        for names in re.findall(r"\[(.*)\]", word):
            assert set(names.split(",")) <= set(extras), word
    if "-c" in words:
        assert (ROOT / words[words.index("-c") + 1]).exists()


def examples(text):
    """The ``python`` blocks of a page."""
    return re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_examples_run(page, tmp_path, monkeypatch):
    """With little training, with the arguments of the simulation checked instead of minutes spent on it, and a model as device."""
    pytest.importorskip("torch")
    from sw import digits

    compress, simulate, open_device = digits.compress_digits, network.simulate, Device.open
    made = []

    def compress_quickly(*arguments, **options):
        inspect.signature(compress).bind(*arguments, **options)
        made.append(compress(recipe=digits.QUICK, images=640))
        return made[-1]

    def accept(*arguments, **options):
        inspect.signature(simulate).bind(*arguments, **options)
        return SimpleNamespace(mismatches=(), passed=True)

    def open_model(*arguments, **options):
        bound = inspect.signature(open_device).bind(*arguments, **options).arguments
        config = Config.preset(bound["config"])
        model = ModelDevice(compile_network(made[-1].network, config), made[-1].network)
        return Device(ModelLink(model), config)

    monkeypatch.setattr(Device, "open", open_model)
    monkeypatch.setattr(digits, "compress_digits", compress_quickly)
    monkeypatch.setattr(network, "simulate", accept)
    monkeypatch.chdir(tmp_path)
    for example in examples(page.read_text()):
        exec(compile(example, str(page), "exec"), {})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_are_known(page):
    for command in commands(page.read_text()):
        check(command)


def test_readme_shows_the_two_commands():
    assert {"make demo", "make test"} <= set(commands((ROOT / "README.md").read_text()))


def test_check_runs_the_command_of_the_readme():
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    assert lines[-1] == "make test"


@pytest.mark.slow
def test_cheap_commands_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shown = {command for page in PAGES for command in commands(page.read_text())}
    cheap = sorted(
        command for command in shown if command.startswith("farthing ") and command.split()[1] in CHEAP
    )
    assert cheap
    for command in cheap:
        result = CliRunner().invoke(main, shlex.split(command)[1:], prog_name="farthing")
        assert result.exit_code == 0, f"{command}: {result.output}"


def test_links_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text()):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"


@pytest.mark.parametrize(
    "command",
    ["make everything", "farthing demo --fast", "farthing verilog --preset vast -o x.v", "curl example.org"],
)
def test_the_check_can_fail(command):
    with pytest.raises((AssertionError, ValueError, click.UsageError)):
        check(command)


def test_blocks_are_read():
    text = "```console\n$ make demo   # trains\nout\n```\n```sh\n# why\nmake \\\n test\n```\n```python\nmake\n```\n"
    assert [" ".join(command.split()) for command in commands(text)] == ["make demo", "make test"]
