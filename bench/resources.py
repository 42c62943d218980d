"""Resources of whole accelerators after synthesis: what the estimates of ``fpga.parts`` and ``fpga.ice40_resources`` are fitted to and checked with.

``python -m bench.resources`` synthesises every configuration below for a board, a minute or two each, prints them beside the estimate
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
from fpga.netlist import count_ecp5, count_gowin, count_ice40
from fpga.resources import count_resources
from fpga.tools import find_tool, run_tool
from hw.accelerator import Accelerator
from hw.config import Config

__all__ = ["CONFIGURATIONS", "RESULT", "measure"]

RESULT = Path(__file__).parent / "results" / "resources.json"
_TINY, _NANO, _SERIAL = map(Config.preset, ("tiny", "nano", "icebreaker"))
#: Presets, and variations of them that differ in what logic grows with, by the board that they are synthesised for.
CONFIGURATIONS = {
    "ulx3s-85f": {
        "tiny": _TINY,
        "small": Config.preset("small"),
        "four lanes of 16": _TINY.replace(chunk=16, lanes=4, lookahead=2, lookaside=2, channels=32, rows=3),
        "four rows": _TINY.replace(rows=4, pes=4, requantisers=4, ring=16),
        "kernel of 5": _TINY.replace(kernel_height=5, kernel_width=5, bases=8),
        "kernel of 1, tables": _TINY.replace(
            kernel_height=1, kernel_width=1, rows=3, tables=2, pool_columns=0, line=32
        ),
        "ulx3s-85f": Config.preset("ulx3s-85f"),
    },
    "tang-nano-9k": {
        "nano": _NANO,
        "least": _NANO.replace(
            bases=2,
            line=8,
            channels=8,
            ring=8,
            activation_words=256,
            coefficient_words=256,
            basis_words=16,
            scale_words=32,
            layers=8,
            z_fifo=_NANO.z_in_flight,
            output_fifo=12,
            z_bits=12,
            accumulator_bits=18,
            multiplier_bits=8,
            bias_bits=24,
        ),
        "chunk of 8": _NANO.replace(chunk=8, lanes=8, channels=32),
        "four lanes of 8": _NANO.replace(
            accumulation="concentration", chunk=8, lanes=4, lookahead=1, lookaside=1, channels=32
        ),
        "two rows": _NANO.replace(rows=2),
        "two PEs": _NANO.replace(pes=2),
        "kernel of 5": _NANO.replace(kernel_height=5, kernel_width=5),
        "kernel of 1": _NANO.replace(kernel_height=1, kernel_width=1),
        "maxima joined": _NANO.replace(pool_columns=32),
        "tables": _NANO.replace(tables=1),
        "large memories": _NANO.replace(activation_words=4096, basis_words=256, scale_words=512),
        "tiny": _TINY,
    },
    "icebreaker": {
        "icebreaker": _SERIAL,
        "chunk of 8": _SERIAL.replace(chunk=8, lanes=8),
        "fewer activations": _SERIAL.replace(activation_words=1024),
        "short lines": _SERIAL.replace(line=16),
        "long lines": _SERIAL.replace(line=64),
        "narrow numbers": _SERIAL.replace(z_bits=12, accumulator_bits=16, multiplier_bits=8, bias_bits=24),
        "wide numbers": _SERIAL.replace(z_bits=16, accumulator_bits=24, multiplier_bits=16, bias_bits=40),
        "kernel of 5": _SERIAL.replace(kernel_height=5, kernel_width=5),
        "kernel of 1": _SERIAL.replace(kernel_height=1, kernel_width=1),
        "more channels": _SERIAL.replace(channels=256, ring=128),
        "small memories": _SERIAL.replace(
            activation_words=512,
            coefficient_words=1024,
            basis_words=32,
            scale_words=64,
            layers=8,
            channels=16,
            bases=4,
            line=16,
        ),
    },
}
_NAMES = list(dict.fromkeys(name for configurations in CONFIGURATIONS.values() for name in configurations))
#: How the netlist of a board is counted, and what it is called.
_NETLISTS = {
    "ulx3s-85f": (count_ecp5, "json"),
    "tang-nano-9k": (count_gowin, "syn.json"),
    "icebreaker": (count_ice40, "json"),
}


def measure(board, config, *, time_limit=3600):
    """``luts``, ``registers``, ``dsps``, ``block_rams``, and ``large_rams`` where there are some, of the accelerator after synthesis, whole numbers."""
    plan = prepare(find_board(board), Accelerator(config))
    count, ending = _NETLISTS[board]
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        plan.extract(folder)
        (command,) = (
            command
            for command in json.loads(plan.files[f"build_{NAME}.json"])["commands"]
            if command[0] == "yosys"
        )
        run_tool([find_tool("yosys"), *command[1:]], folder=folder, log=folder / "log", time_limit=time_limit)
        return count(folder / f"{NAME}.{ending}", NAME)


def _show(board, points):
    family = find_board(board).family
    table = Table(title=f"synthesised for {board}, and the estimate over it")
    table.add_column("configuration")
    kinds = [kind for kind in RESOURCES if any(kind in point for point in points.values())]
    for kind in kinds:
        table.add_column(RESOURCES[kind], justify="right")
    for name, point in points.items():
        found = count_resources(Config.from_dict(point["configuration"]), family)
        table.add_row(name, *(_beside(point[kind], getattr(found, kind)) for kind in kinds))
    Console(width=110).print(table)


def _beside(measured, estimated):
    return f"{measured:,}  {estimated / measured:.3f}" if measured else f"0  {estimated}"


@click.command()
@click.option(
    "--board", "boards", multiple=True, type=click.Choice(list(CONFIGURATIONS)), help="Those for this board."
)
@click.option(
    "--only", multiple=True, type=click.Choice(_NAMES), help="Measure the configurations of this name only."
)
@click.option("--show", is_flag=True, help="Measure nothing: print what is stored.")
def main(boards, only, show):
    """Measure, print, store."""
    results = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    for board in boards or CONFIGURATIONS:
        configurations, points = CONFIGURATIONS[board], results.setdefault(board, {})
        for name in [] if show else [name for name in configurations if name in (only or configurations)]:
            points[name] = {
                "configuration": configurations[name].to_dict(),
                **measure(board, configurations[name]),
            }
            results[board] = points = {known: points[known] for known in configurations if known in points}
            RESULT.write_text(json.dumps(results, indent=2) + "\n")
        _show(board, points)


if __name__ == "__main__":
    main()
