"""What a build used and reached, read from the JSON reports of Yosys and nextpnr."""

import json

from rich.table import Table

from fpga.tools import BuildFailure

__all__ = ["check_fit", "check_timing", "misses", "read_place_and_route", "read_synthesis", "show"]

#: Resources as reports call them: what they are.
_TITLES = {
    "luts": "LUTs",
    "registers": "registers",
    "dsps": "multipliers",
    "block_rams": "block RAMs",
    "large_rams": "large RAMs",
}


def read_synthesis(path):
    """Cells after synthesis from Yosys' ``stat -json``: ``{cell type: number}``."""
    text = path.read_text()
    # The file starts with what else the command printed.
    return json.loads(text[text.index("{") :])["design"]["num_cells_by_type"]


def check_fit(cells, board):
    """Refuse a design that cannot fit before minutes are spent on placing it.

    Raises
    ------
    BuildFailure
        Naming each resource that does not suffice.
    """
    needed = {
        name: sum(number * cells.get(cell, 0) for cell, number in weights.items())
        for name, weights in board.family.least.items()
    }
    short = [
        f"at most {getattr(board, name)} {_TITLES[name]}, got {used}"
        for name, used in needed.items()
        if used > getattr(board, name)
    ]
    if short:
        raise BuildFailure(
            f"expected a design that fits {board.name}: {'; '.join(short)}; "
            "choose a larger board or a smaller preset"
        )


def read_place_and_route(path, family):
    """Resources, clocks and the slowest path from nextpnr's ``--report``, for a part of a ``Family``.

    Returns
    -------
    dict
        ``resources``: ``{name: {"used", "available"}}``; ``clocks``: ``{net: {"achieved_mhz",
        "required_mhz"}}``; ``critical_path``: ``{net: [{"kind", "from", "to", "ns"}]}``.
    """
    report = json.loads(path.read_text())
    resources = {
        name: {key: report["utilization"][bel][key] for key in ("used", "available")}
        for name, bel in family.bels.items()
    }
    clocks = {
        net: {
            "achieved_mhz": round(clock["achieved"], 2),
            "required_mhz": round(clock["constraint"], 2),
        }
        for net, clock in sorted(report["fmax"].items())
        # Multipliers without registers of their own, on no clock.
        if not net.startswith("$PACKER_GND_NET")
    }
    paths = {
        path["from"]: [_step(step) for step in path["path"]]
        for path in report["critical_paths"]
        if path["from"] == path["to"] and "$PACKER_GND_NET" not in path["from"]
    }
    return {"resources": resources, "clocks": clocks, "critical_path": paths}


def _step(step):
    return {
        "kind": step["type"],
        "from": f"{step['from']['cell']}.{step['from']['port']}",
        "to": f"{step['to']['cell']}.{step['to']['port']}",
        "ns": round(step["delay"], 3),
    }


def misses(clocks):
    """Names of the nets of ``clocks`` that are slower than they have to be."""
    return [net for net, clock in clocks.items() if clock["achieved_mhz"] < clock["required_mhz"]]


def check_timing(clocks):
    """Refuse a result that is slower than its clocks.

    Raises
    ------
    BuildFailure
        Naming each clock, what it needs and what was reached.
    """
    slow = [
        f"at least {clocks[net]['required_mhz']:g} MHz on {net}, got {clocks[net]['achieved_mhz']:g} MHz"
        for net in misses(clocks)
    ]
    if slow:
        raise BuildFailure(f"expected {'; '.join(slow)}; try another --seed or a slower --clock")


def show(console, report, folder):
    """Print the report as a table, with what the board has."""
    table = Table(title=f"{report['board']}, preset {report.get('preset', 'none')}")
    table.add_column("resource")
    for heading in ("used", "available", "share"):
        table.add_column(heading, justify="right")
    for name, numbers in report["resources"].items():
        used, available = numbers["used"], numbers["available"]
        table.add_row(_TITLES[name], f"{used:,}", f"{available:,}", f"{used / available:.1%}")
    console.print(table)
    for net, clock in report["clocks"].items():
        console.print(
            f"clock {net}: {clock['achieved_mhz']:g} MHz reached, {clock['required_mhz']:g} MHz needed",
            highlight=False,
        )
    for clock, steps in report["critical_path"].items():
        total = sum(step["ns"] for step in steps)
        console.print(
            f"slowest path of {clock}: {total:.1f} ns from {steps[0]['from']} to {steps[-1]['to']}",
            soft_wrap=True,
            markup=False,
        )
    seconds = ", ".join(f"{step} {value:g} s" for step, value in report["seconds"].items())
    console.print(f"{folder}: bitstream and numbers, report.json ({seconds})", soft_wrap=True)
