"""A bitstream for every board: what it takes, how fast it is, how long it takes to make.

``python -m bench.boards`` builds the preset below for each board, prints the table, writes ``bench/results/boards.json`` and the table of
``docs/boards.md``; ``--only`` builds for one and leaves the others' numbers. A design that misses the clock of its board is measured all the same.
"""

import json
from pathlib import Path

import click
from rich.console import Console

from fpga.boards import find_board
from fpga.build import build, prepare
from hw.accelerator import Accelerator
from hw.config import Config

from .page import page_with, to_rich

__all__ = ["BUILDS", "COMMAND", "PAGE", "RESULT", "measure", "table"]

RESULT = Path(__file__).parent / "results" / "boards.json"
PAGE = Path(__file__).parents[1] / "docs" / "boards.md"
COMMAND = "python -m bench.boards"
#: The preset that each board is built with.
BUILDS = {
    "ulx3s-25f": "small",
    "ulx3s-85f": "ulx3s-85f",
    "ecpix5-85f": "tiny",
    "tang-nano-9k": "nano",
    "icebreaker": "icebreaker",
}


def measure(name, folder):
    """The record of one board; tools work in ``folder``, and what is built there is not built again."""
    board, config = find_board(name), Config.preset(BUILDS[name])
    details = {"preset": config.name, "configuration": config.to_dict()}
    report = build(board, lambda: Accelerator(config), folder, details=details, slow=True)
    return {
        "preset": config.name,
        **{kind: report["resources"][kind]["used"] for kind in ("luts", "dsps", "block_rams")},
        # The PLL's clock is far faster than what runs behind its gate.
        "fmax_mhz": min(clock["achieved_mhz"] for clock in report["clocks"].values()),
        "target_mhz": board.frequency / 1e6,
        "seconds": round(sum(report["seconds"].values())),
        "digest": prepare(board, Accelerator(config)).digest(size=16).hex(),
    }


def table(results):
    """``(title, headings, rows)`` of strings."""
    headings = [
        "board",
        "preset",
        "LUTs",
        "multipliers",
        "block RAMs",
        "MHz reached",
        "MHz asked for",
        "seconds to build",
    ]
    rows = [
        [
            f"`{name}`",
            f"`{record['preset']}`",
            *(f"{record[kind]:,}" for kind in ("luts", "dsps", "block_rams")),
            *(f"{record[kind]:g}" for kind in ("fmax_mhz", "target_mhz")),
            f"{record['seconds']:,}",
        ]
        for name, record in results.items()
    ]
    return "After place and route", headings, rows


@click.command()
@click.option("--only", multiple=True, type=click.Choice(list(BUILDS)), help="Build for this board only.")
@click.option("--tables", is_flag=True, help="Build nothing: print what is stored and write the page.")
def main(only, tables):
    """Build, print, store."""
    results = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    for name in () if tables else only or BUILDS:
        results[name] = measure(name, Path("build") / "boards" / name)
        results = {name: results[name] for name in BUILDS if name in results}
        RESULT.write_text(json.dumps(results, indent=2) + "\n")
    Console(width=110).print(to_rich(table(results)))
    PAGE.write_text(page_with(PAGE.read_text(), [table(results)], command=COMMAND))


if __name__ == "__main__":
    main()
