"""How far the accelerator is from an iCE40UP5K, the part of the iCEBreaker: what small configurations take after synthesis.

``python -m bench.ice40`` synthesises the configurations below, about a minute each, prints the table and writes ``bench/results/ice40.json``
and the table of ``docs/boards.md``; ``--tables`` writes the page of what is stored.
"""

import json
import tempfile
from collections import Counter
from pathlib import Path

import click
from rich.console import Console

from fpga.tools import find_tool, run_tool
from hw.accelerator import Accelerator
from hw.config import Config
from sim.simulators import to_verilog

from .page import page_with, to_rich

__all__ = ["COMMAND", "CONFIGURATIONS", "PAGE", "PART", "RESULT", "measure", "table"]

RESULT = Path(__file__).parent / "results" / "ice40.json"
PAGE = Path(__file__).parents[1] / "docs" / "boards.md"
COMMAND = "python -m bench.ice40"
#: What an iCE40UP5K has.
PART = {"logic_cells": 5280, "dsps": 8, "block_rams": 30}

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
    "preset `nano`": _NANO,
    "as little as possible of everything": _LEAST,
    "the same for 1x1 kernels alone": _LEAST.replace(kernel_height=1, kernel_width=1),
}

#: The part has no distributed memory. Names of wires are hidden, and words written while they are read may be anything, as for ECP5.
_SCRIPT = """read_verilog design.v
synth_ice40 -dsp -spram -run begin:map_ram -top top
setattr -unset ram_style t:$mem_v2
setparam -set COLLISION_X_MASK 1'1 t:$memrd_v2 r:CLK_ENABLE=1 %i
synth_ice40 -dsp -spram -run map_ram:map_luts -top top
rename -hide w:*
synth_ice40 -dsp -spram -run map_luts: -top top
write_json netlist.json
"""


def measure(component, *, time_limit=900):
    """``logic_cells``, ``luts``, ``registers``, ``dsps`` and ``block_rams`` of a component after synthesis, whole numbers.

    A logic cell is a LUT and a register; they share one only if the LUT feeds nothing but the register. Carry cells lie beside LUTs and
    are not counted, so place and route takes no fewer logic cells than these.
    """
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        (folder / "design.v").write_text(to_verilog(component))
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
    }


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
    ]
    rows = [
        [
            name,
            f"{record['luts']:,}",
            f"{record['registers']:,}",
            f"{record['logic_cells']:,}",
            f"{record['logic_cells'] / PART['logic_cells']:.0%}",
            str(record["dsps"]),
            str(record["block_rams"]),
        ]
        for name, record in results.items()
    ]
    part = ["iCE40UP5K", "", "", f"{PART['logic_cells']:,}", "", str(PART["dsps"]), str(PART["block_rams"])]
    return "After synthesis for iCE40", headings, [*rows, part]


@click.command()
@click.option("--tables", is_flag=True, help="Measure nothing: print what is stored and write the page.")
def main(tables):
    """Measure, print, store."""
    if tables:
        results = json.loads(RESULT.read_text())
    else:
        results = {
            name: {"configuration": config.to_dict(), **measure(Accelerator(config))}
            for name, config in CONFIGURATIONS.items()
        }
        RESULT.write_text(json.dumps(results, indent=2) + "\n")
    Console(width=110).print(to_rich(table(results)))
    PAGE.write_text(page_with(PAGE.read_text(), [table(results)], command=COMMAND))


if __name__ == "__main__":
    main()
