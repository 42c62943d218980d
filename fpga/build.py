"""From a configuration to a bitstream: Amaranth, and the tools of a family."""

import hashlib
import json
import shutil
from pathlib import Path

from fpga import __version__, floorplan
from fpga.report import check_fit, check_timing, misses, read_place_and_route, read_synthesis
from fpga.tools import MEMORY_LIMIT, BuildFailure, find_tools, run_tool, tool_versions
from fpga.top import BoardTop
from sw.files import replace_file

__all__ = ["NAME", "build", "prepare", "products"]

#: Name of the design: the bitstream is ``farthing.bit``.
NAME = "farthing"


def prepare(board, core, *, seed=None):
    """Build plan of ``core``, a component with byte streams ``i`` and ``o``, on ``board``: sources and commands.

    The plan holds no absolute path, so its digest is the same everywhere.
    """
    seed = board.seed if seed is None else seed
    plan = board.create_platform().prepare(
        BoardTop(board, core), NAME, emit_src=False, **board.family.overrides(board, NAME, seed)
    )
    source = f"{NAME}.il"
    plan.files[source] = board.family.prepare_source(plan.files[source])
    return plan


def products(board):
    """Names of the files that a build for ``board`` ends with, beside the report; the first is the bitstream."""
    return tuple(f"{NAME}.{ending}" for ending in board.family.products)


def build(
    board,
    create_core,
    folder,
    *,
    seed=None,
    details=None,
    time_limit=7200,
    memory_limit=MEMORY_LIMIT,
    slow=False,
    progress=lambda step: None,
):
    """Make the bitstream and ``report.json`` in ``folder``; intermediate files are in ``work``.

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
        Of the placer, instead of the board's: another one gives another clock.
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
    family = board.family
    tools = find_tools(family.steps)
    progress("elaboration")
    plan = prepare(board, create_core(), seed=seed)
    versions = {"farthing": __version__, **tool_versions(tools)}
    rules = Path(floorplan.__file__).read_bytes()
    key = hashlib.sha256(plan.digest() + rules + json.dumps(versions, sort_keys=True).encode()).hexdigest()
    known = _known(folder, key, products(board))
    if known is not None:
        return known

    work = folder / "work"
    for path in (report_path, *(folder / name for name in products(board))):
        path.unlink(missing_ok=True)
    shutil.rmtree(work, ignore_errors=True)
    plan.extract(work)

    report = {
        "board": board.name,
        "frequency": board.frequency,
        "baud": board.baud,
        "seed": board.seed if seed is None else seed,
        **(details or {}),
        "seconds": {},
        "versions": versions,
        "key": key,
    }
    for command in json.loads(plan.files[f"build_{NAME}.json"])["commands"]:
        tool = command[0]
        step = family.steps[tool]
        progress(step)
        seconds = run_tool(
            [tools[tool], *command[1:]],
            folder=work,
            log=work / f"{tool}.log",
            time_limit=time_limit,
            memory_limit=memory_limit,
        )
        report["seconds"][step] = round(seconds, 1)
        if step == "synthesis":
            report["cells"] = read_synthesis(work / "stat.json")
            check_fit(report["cells"], board)
            if family.netlist is not None:
                netlist = work / family.netlist
                netlist.write_text(floorplan.place_large_cells(netlist.read_text(), board.part))
        elif step == "place and route":
            report.update(read_place_and_route(work / "report.json", family))
            _name_frequency(report["clocks"], board)
            if slow and misses(report["clocks"]):
                break
            check_timing(report["clocks"])
    if not misses(report["clocks"]):
        for name in products(board):
            replace_file(folder / name, (work / name).read_bytes())
    replace_file(report_path, json.dumps(report, indent=2) + "\n")
    return report


def _known(folder, key, names):
    """The report of a build that is complete and has the same key, or ``None``."""
    try:
        report = json.loads((folder / "report.json").read_text())
    except (OSError, ValueError):
        return None
    complete = all((folder / name).exists() for name in names)
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
