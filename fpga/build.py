"""From a configuration to a bitstream: Amaranth, Yosys, nextpnr, ecppack."""

import hashlib
import json
import shutil
from pathlib import Path

from fpga import __version__, floorplan
from fpga.report import check_fit, check_timing, misses, read_place_and_route, read_synthesis
from fpga.sharing import share_modules
from fpga.tools import MEMORY_LIMIT, BuildFailure, find_tools, run_tool, tool_versions
from fpga.top import BoardTop
from sw.files import replace_file

__all__ = ["NAME", "build", "prepare", "synthesis_script"]

#: Name of the design: the bitstream is ``farthing.bit``.
NAME = "farthing"
#: Files that a build ends with, beside the report.
PRODUCTS = (f"{NAME}.bit", f"{NAME}.svf")
#: Titles of the steps, by the tool that does them.
_STEPS = {"yosys": "synthesis", "nextpnr-ecp5": "place and route", "ecppack": "pack"}
#: The other one comes to no end on a part that is nearly full.
_ROUTER = "router2"
#: Wide multiplexers of ECP5 cost more LUTs than they save: without them a SparseMap decoder halves.
_OPTIONS = "-nowidelut"
#: No result depends on what a block RAM gives for a word that is written in the same cycle; to give the old one, which it
#: does not do by itself, would take 160 LUTs a PE.
#: Names of wires are hidden: abc9 splits wires into names of its own, and stops where one of them is taken.
#: A short carry chain costs more LUTs, for its ends, than the same sum or comparison in logic.
_COARSE = """setparam -set COLLISION_X_MASK 1'1 t:$memrd_v2 r:CLK_ENABLE=1 %i
synth_ecp5 {options} -run begin:map_gates -top {top}
techmap t:$alu r:Y_WIDTH<=9 %i
rename -hide w:*"""
#: What is there many times is copied only now; the floorplan names every multiplier.
_FLAT = """tee -q -o stat.json stat -json
setattr -mod -unset keep_hierarchy *
flatten
delete t:$scopeinfo"""
#: Parts that are there many times: synthesised once, and their registers of what all share stay beside their users.
_WHOLE = r"(pe|scale_unit|copy|relay)_\d+"


def synthesis_script(top):
    """Commands of Yosys between reading a design and writing it, for one module and all in it."""
    return f"{_COARSE.format(options=_OPTIONS, top=top)}\nsynth_ecp5 {_OPTIONS} -run map_gates: -top {top}\n"


def prepare(board, core, *, seed=1):
    """Build plan of ``core``, a component with byte streams ``i`` and ``o``, on ``board``: sources and commands.

    The plan holds no absolute path, so its digest is the same everywhere.
    """
    plan = board.create_platform().prepare(
        BoardTop(board, core),
        NAME,
        emit_src=False,
        script_after_read=_COARSE.format(options=_OPTIONS, top=NAME),
        synth_opts=f"{_OPTIONS} -run map_gates:",
        script_after_synth=_FLAT,
        # A miss of the clock is reported with what was reached, which an error of nextpnr would hide.
        nextpnr_opts=f"--seed {seed} --placer {board.placer} --router {_ROUTER} --timing-allow-fail --report report.json",
    )
    source = f"{NAME}.il"
    plan.files[source] = share_modules(plan.files[source], _WHOLE)
    return plan


def build(
    board,
    create_core,
    folder,
    *,
    seed=1,
    details=None,
    time_limit=7200,
    memory_limit=MEMORY_LIMIT,
    slow=False,
    progress=lambda step: None,
):
    """Make ``farthing.bit``, ``farthing.svf`` and ``report.json`` in ``folder``; intermediate files are in ``work``.

    The same plan built by the same tools is not built again. An error leaves no bitstream and no report, but the
    logs and intermediate files.

    Parameters
    ----------
    board : Board
    create_core : function
        Makes the component to build, with byte streams ``i`` and ``o``; called once the tools are found.
    folder : path
        Made if it is missing.
    seed : int
        Of the placer: another one gives another clock.
    details : dict
        Goes into the report as it is.
    time_limit : float
        Seconds that each tool may take.
    memory_limit : float
        GiB of address space that each tool may take.
    slow : bool
        A design that misses its clock is reported all the same, and leaves no bitstream: to measure how fast it is.
    progress : function
        Called with the name of each step as it starts.

    Returns
    -------
    dict
        The report: ``board``, ``frequency``, ``baud``, ``seed``, ``resources``, ``clocks``, ``critical_path``, ``cells``,
        ``seconds`` of each step, ``versions``, ``key``, and ``details``.

    Raises
    ------
    BuildFailure
        If a tool is missing or fails, or the design does not fit, or is too slow and not ``slow``.
    """
    folder = Path(folder)
    report_path = folder / "report.json"
    tools = find_tools()
    progress("elaboration")
    plan = prepare(board, create_core(), seed=seed)
    versions = {"farthing": __version__, **tool_versions(tools)}
    rules = Path(floorplan.__file__).read_bytes()
    key = hashlib.sha256(plan.digest() + rules + json.dumps(versions, sort_keys=True).encode()).hexdigest()
    known = _known(folder, key)
    if known is not None:
        return known

    work = folder / "work"
    for path in (report_path, *(folder / name for name in PRODUCTS)):
        path.unlink(missing_ok=True)
    shutil.rmtree(work, ignore_errors=True)
    plan.extract(work)

    report = {
        "board": board.name,
        "frequency": board.frequency,
        "baud": board.baud,
        "seed": seed,
        **(details or {}),
        "seconds": {},
        "versions": versions,
        "key": key,
    }
    for command in json.loads(plan.files[f"build_{NAME}.json"])["commands"]:
        tool = command[0]
        progress(_STEPS[tool])
        seconds = run_tool(
            [tools[tool], *command[1:]],
            folder=work,
            log=work / f"{tool}.log",
            time_limit=time_limit,
            memory_limit=memory_limit,
        )
        report["seconds"][_STEPS[tool]] = round(seconds, 1)
        if tool == "yosys":
            report["cells"] = read_synthesis(work / "stat.json")
            check_fit(report["cells"], board)
            netlist = work / f"{NAME}.json"
            netlist.write_text(floorplan.place_large_cells(netlist.read_text(), board.part))
        elif tool == "nextpnr-ecp5":
            report.update(read_place_and_route(work / "report.json"))
            _name_frequency(report["clocks"], board)
            if slow and misses(report["clocks"]):
                break
            check_timing(report["clocks"])
    if not misses(report["clocks"]):
        for name in PRODUCTS:
            replace_file(folder / name, (work / name).read_bytes())
    replace_file(report_path, json.dumps(report, indent=2) + "\n")
    return report


def _known(folder, key):
    """The report of a build that is complete and has the same key, or ``None``."""
    try:
        report = json.loads((folder / "report.json").read_text())
    except (OSError, ValueError):
        return None
    complete = all((folder / name).exists() for name in PRODUCTS)
    return report if complete and report.get("key") == key else None


def _name_frequency(clocks, board):
    """Refuse a report without the accelerator's clock, which would pass every check of timing."""
    if not any(abs(clock["required_mhz"] * 1e6 - board.frequency) < 1e5 for clock in clocks.values()):
        found = (
            ", ".join(f"{net} at {clock['required_mhz']:g} MHz" for net, clock in clocks.items()) or "none"
        )
        raise BuildFailure(
            f"expected a clock of {board.frequency / 1e6:g} MHz in the report of nextpnr, got {found}; "
            "this version of the tools may not be supported"
        )
