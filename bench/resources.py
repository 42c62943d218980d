"""Resources of whole accelerators after synthesis: what the estimate of ``fpga.resources`` is fitted to and checked with.

``python -m bench.resources`` synthesises every configuration below for the ULX3S-85F, a minute or two each, prints them beside the estimate
and writes ``bench/results/resources.json``; ``--only`` measures one and leaves the others' numbers in the file. LUTs are those that place and
route would take.
"""

import json
import tempfile
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from fpga.boards import find_board
from fpga.build import NAME, prepare
from fpga.estimate import RESOURCES
from fpga.netlist import count_netlist
from fpga.resources import count_resources
from fpga.tools import find_tool, run_tool
from hw.accelerator import Accelerator
from hw.config import Config

__all__ = ["CONFIGURATIONS", "RESULT", "measure"]

RESULT = Path(__file__).parent / "results" / "resources.json"
#: Presets, and variations of them.
CONFIGURATIONS = {
    "tiny": Config.preset("tiny"),
    "small": Config.preset("small"),
    "four lanes of 16": Config.preset("tiny").replace(
        chunk=16, lanes=4, lookahead=2, lookaside=2, channels=32, rows=3
    ),
    "four rows": Config.preset("tiny").replace(rows=4, pes=4, requantisers=4, ring=16),
    "kernel of 5": Config.preset("tiny").replace(kernel_height=5, kernel_width=5, bases=8),
    "kernel of 1, tables": Config.preset("tiny").replace(
        kernel_height=1, kernel_width=1, rows=3, tables=2, pool_columns=0, line=32
    ),
    "ulx3s-85f": Config.preset("ulx3s-85f"),
}


def measure(config, *, time_limit=3600):
    """``luts``, ``registers``, ``dsps`` and ``block_rams`` of the accelerator after synthesis, whole numbers."""
    plan = prepare(find_board("ulx3s-85f"), Accelerator(config))
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        plan.extract(folder)
        (command,) = (
            command
            for command in json.loads(plan.files[f"build_{NAME}.json"])["commands"]
            if command[0] == "yosys"
        )
        run_tool([find_tool("yosys"), *command[1:]], folder=folder, log=folder / "log", time_limit=time_limit)
        return count_netlist(folder / f"{NAME}.json", NAME)


def _show(points):
    table = Table(title="synthesised, and the estimate over it")
    table.add_column("configuration")
    for title in RESOURCES.values():
        table.add_column(title, justify="right")
    for name, point in points.items():
        found = count_resources(Config.from_dict(point["configuration"]))
        table.add_row(
            name, *(f"{point[kind]:,}  {getattr(found, kind) / point[kind]:.3f}" for kind in RESOURCES)
        )
    Console(width=110).print(table)


@click.command()
@click.option("--only", multiple=True, type=click.Choice(list(CONFIGURATIONS)), help="Measure this one only.")
@click.option("--show", is_flag=True, help="Measure nothing: print what is stored.")
def main(only, show):
    """Measure, print, store."""
    points = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    for name in () if show else only or CONFIGURATIONS:
        config = CONFIGURATIONS[name]
        points[name] = {"configuration": config.to_dict(), **measure(config)}
        RESULT.write_text(
            json.dumps({name: points[name] for name in CONFIGURATIONS if name in points}, indent=2) + "\n"
        )
    _show(points)


if __name__ == "__main__":
    main()
