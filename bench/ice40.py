"""The iCEBreaker: what small configurations take of its iCE40UP5K after synthesis, which is why it has a machine of its own, and how fast networks are on that.

``python -m bench.ice40`` synthesises the configurations below, about a minute each, runs one image of each network through the RTL of preset
``icebreaker``, prints tables and writes ``bench/results/ice40.json`` and the tables of ``docs/boards.md``; ``--tables`` writes the page of what is stored.
"""

import json
import tempfile
from collections import Counter
from pathlib import Path

import click
from amaranth.back import rtlil
from rich.console import Console

from fpga.boards import find_board
from fpga.ice40 import synthesis_script
from fpga.tools import find_tool, run_tool
from hw.accelerator import Accelerator
from hw.config import Config
from hw.uart import SerialCore
from sim.cycle_model import layer_cycles
from sim.network import simulate
from sw.compiler import compile_network

from .page import page_with, to_rich
from .workloads import build

__all__ = [
    "COMMAND",
    "CONFIGURATIONS",
    "NETWORKS",
    "PAGE",
    "PART",
    "POINTS",
    "RESULT",
    "measure",
    "measure_whole",
    "network_table",
    "run_network",
    "table",
]

RESULT = Path(__file__).parent / "results" / "ice40.json"
PAGE = Path(__file__).parents[1] / "docs" / "boards.md"
COMMAND = "python -m bench.ice40"
#: What an iCE40UP5K has.
PART = {"logic_cells": 5280, "dsps": 8, "block_rams": 30, "large_rams": 4}
#: Cycles of a bit on the serial line.
_DIVISOR = 24
_COUNTED = ("dsps", "block_rams", "large_rams")

_NANO = Config.preset("nano")
#: As little of everything as the machine works with.
_LEAST = _NANO.replace(
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
)
CONFIGURATIONS = {
    "preset `icebreaker`": Config.preset("icebreaker"),
    "preset `nano`": _NANO,
    "as little as possible of everything": _LEAST,
    "the same for 1x1 kernels alone": _LEAST.replace(kernel_height=1, kernel_width=1),
}

#: What ``fpga.serial_resources`` is fitted to and checked with: that preset, and variations of it that differ in what logic grows with.
_SERIAL = Config.preset("icebreaker")
POINTS = {
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
}
#: Of ``bench.workloads``.
NETWORKS = ("resnet8", "resnet20")

_SCRIPT = f"""read_rtlil design.il
{synthesis_script("top")}write_json netlist.json
"""


def measure(component, *, time_limit=900):
    """``logic_cells``, ``luts``, ``registers``, ``dsps``, ``block_rams`` and ``large_rams`` of a component after synthesis, whole numbers.

    A logic cell is a LUT and a register; they share one only if the LUT feeds nothing but the register. Carry cells lie beside LUTs and
    are not counted, so place and route takes no fewer logic cells than these.
    """
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        (folder / "design.il").write_text(rtlil.convert(component, name="top", emit_src=False))
        (folder / "make.ys").write_text(_SCRIPT)
        run_tool(
            [find_tool("yosys"), "-q", "make.ys"], folder=folder, log=folder / "log", time_limit=time_limit
        )
        top = json.loads((folder / "netlist.json").read_text())["modules"]["top"]
    cells, ports = top["cells"].values(), top["ports"].values()
    kinds, of_luts = Counter(), set()
    readers = Counter(net for port in ports if port["direction"] == "output" for net in port["bits"])
    for cell in cells:
        kinds[cell["type"]] += 1
        for port, nets in cell["connections"].items():
            if cell["port_directions"][port] == "input":
                readers.update(nets)
            elif cell["type"] == "SB_LUT4":
                of_luts.update(nets)
    data = [cell["connections"]["D"][0] for cell in cells if cell["type"].startswith("SB_DFF")]
    shared = sum(net in of_luts and readers[net] == 1 for net in data)
    return {
        "logic_cells": kinds["SB_LUT4"] + len(data) - shared,
        "luts": kinds["SB_LUT4"],
        "registers": len(data),
        "dsps": kinds["SB_MAC16"],
        "block_rams": kinds["SB_RAM40_4K"],
        "large_rams": kinds["SB_SPRAM256KA"],
    }


def measure_whole(config):
    """The same of the accelerator of a configuration with a serial line, and its ``configuration``."""
    return {"configuration": config.to_dict(), **measure(SerialCore(Accelerator(config), _DIVISOR))}


def table(results):
    """``(title, headings, rows)`` of strings."""
    headings = [
        "configuration",
        "LUTs",
        "registers",
        "logic cells",
        "of the part",
        "multipliers",
        "block RAMs",
        "large RAMs",
    ]
    rows = [
        [
            name,
            f"{record['luts']:,}",
            f"{record['registers']:,}",
            f"{record['logic_cells']:,}",
            f"{record['logic_cells'] / PART['logic_cells']:.0%}",
            *(str(record[kind]) for kind in _COUNTED),
        ]
        for name, record in results.items()
    ]
    part = ["iCE40UP5K", "", "", f"{PART['logic_cells']:,}", "", *(str(PART[kind]) for kind in _COUNTED)]
    return "After synthesis for iCE40", headings, [*rows, part]


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
            "points": {name: measure_whole(config) for name, config in POINTS.items()},
            "networks": {name: run_network(name, Path("build") / "ice40" / name) for name in NETWORKS},
        }
        RESULT.write_text(json.dumps(results, indent=2) + "\n")
    found = [network_table(results["networks"]), table(results["synthesis"])]
    for one in found:
        Console(width=110).print(to_rich(one))
    PAGE.write_text(page_with(PAGE.read_text(), found, command=COMMAND))


if __name__ == "__main__":
    main()
