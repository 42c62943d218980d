"""The iCEBreaker: what small configurations take of its iCE40UP5K after synthesis, which is why it has a machine of its own, and how fast networks are on that.

``python -m bench.ice40`` synthesises the configurations below, about a minute each, runs one image of each network through the RTL of preset
``icebreaker``, prints tables and writes ``bench/results/ice40.json`` and the tables of ``docs/boards.md``; ``--tables`` writes the page of what is stored.
"""

import json
import tempfile
from pathlib import Path

import click
from amaranth.back import rtlil
from rich.console import Console

from fpga.boards import find_board
from fpga.ice40 import synthesis_script
from fpga.netlist import count_ice40
from fpga.tools import find_tool, run_tool
from hw.accelerator import Accelerator
from hw.config import Config
from sim.cycle_model import layer_cycles
from sim.network import simulate
from sw.compiler import compile_network

from .page import page_with, to_rich
from .resources import CONFIGURATIONS as FITTED
from .workloads import build

__all__ = [
    "COMMAND",
    "CONFIGURATIONS",
    "NETWORKS",
    "PAGE",
    "RESULT",
    "measure",
    "network_table",
    "run_network",
    "table",
]

RESULT = Path(__file__).parent / "results" / "ice40.json"
PAGE = Path(__file__).parents[1] / "docs" / "boards.md"
COMMAND = "python -m bench.ice40"
_COUNTED = ("dsps", "block_rams", "large_rams")

#: As little of everything as the machine works with.
_LEAST = FITTED["tang-nano-9k"]["least"]
CONFIGURATIONS = {
    "preset `icebreaker`": Config.preset("icebreaker"),
    "preset `nano`": Config.preset("nano"),
    "as little as possible of everything": _LEAST,
    "the same for 1x1 kernels alone": _LEAST.replace(kernel_height=1, kernel_width=1),
}

#: Of ``bench.workloads``.
NETWORKS = ("resnet8", "resnet20")

_SCRIPT = f"""read_rtlil design.il
{synthesis_script("top")}write_json netlist.json
"""


def measure(component, *, time_limit=900):
    """``luts``, which are logic cells, ``registers``, ``dsps``, ``block_rams`` and ``large_rams`` of a component after synthesis, whole numbers."""
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        (folder / "design.il").write_text(rtlil.convert(component, name="top", emit_src=False))
        (folder / "make.ys").write_text(_SCRIPT)
        run_tool(
            [find_tool("yosys"), "-q", "make.ys"], folder=folder, log=folder / "log", time_limit=time_limit
        )
        return count_ice40(folder / "netlist.json", "top")


def table(results):
    """``(title, headings, rows)`` of strings."""
    headings = [
        "configuration",
        "logic cells",
        "registers among them",
        "of the part",
        "multipliers",
        "block RAMs",
        "large RAMs",
    ]
    part = find_board("icebreaker")
    rows = [
        [
            name,
            f"{record['luts']:,}",
            f"{record['registers']:,}",
            f"{record['luts'] / part.luts:.0%}",
            *(str(record[kind]) for kind in _COUNTED),
        ]
        for name, record in results.items()
    ]
    there = ["iCE40UP5K", f"{part.luts:,}", "", "", *(str(getattr(part, kind)) for kind in _COUNTED)]
    return "After synthesis for iCE40", headings, [*rows, there]


def run_network(name, folder):
    """One image of a network of ``bench.workloads`` through the RTL of preset ``icebreaker``; the simulation works in ``folder``.

    Returns
    -------
    dict
        ``zeros`` of the ternary coefficients, ``tensors`` compared, whether all were ``equal`` to the reference, and each layer's cycles
        those of the cycle model (``exact``), ``cycles``, and ``bits`` of the image.
    """
    work, config = build(name), Config.preset("icebreaker")
    program = compile_network(work.network, config)
    run = simulate(program, work.network, work.images, config=config, work_dir=folder)
    return {
        "zeros": work.sparsity,
        "tensors": run.tensors,
        "equal": run.passed,
        "exact": bool((run.layer_cycles == layer_cycles(program, work.tensors)).all()),
        "cycles": int(run.cycles[0]),
        "bits": program.bits,
    }


def network_table(results):
    """``(title, headings, rows)`` of strings of what ``run_network`` found, by name."""
    headings = [
        "network",
        "zero coefficients",
        "bits of the image",
        "tensors of the RTL equal",
        "cycles, those of the model",
        "ms",
        "images a second",
    ]
    frequency = find_board("icebreaker").frequency
    rows = [
        [
            name,
            f"{record['zeros']:.0%}",
            f"{record['bits']:,}",
            f"{'all' if record['equal'] else 'not all'} {record['tensors']}",
            f"{record['cycles']:,}, {'yes' if record['exact'] else 'no'}",
            f"{1e3 * record['cycles'] / frequency:.0f}",
            f"{frequency / record['cycles']:.1f}",
        ]
        for name, record in results.items()
    ]
    return f"Networks on the iCEBreaker at {frequency / 1e6:g} MHz", headings, rows


@click.command()
@click.option("--tables", is_flag=True, help="Measure nothing: print what is stored and write the page.")
def main(tables):
    """Measure, print, store."""
    if tables:
        results = json.loads(RESULT.read_text())
    else:
        results = {
            "synthesis": {
                name: {"configuration": config.to_dict(), **measure(Accelerator(config))}
                for name, config in CONFIGURATIONS.items()
            },
            "networks": {name: run_network(name, Path("build") / "ice40" / name) for name in NETWORKS},
        }
        RESULT.write_text(json.dumps(results, indent=2) + "\n")
    found = [network_table(results["networks"]), table(results["synthesis"])]
    for one in found:
        Console(width=110).print(to_rich(one))
    PAGE.write_text(page_with(PAGE.read_text(), found, command=COMMAND))


if __name__ == "__main__":
    main()
