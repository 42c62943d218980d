"""How fast and how large each component of a preset is by itself: where the accelerator's clock is won or lost.

``python -m bench.timing --preset small`` prints the table and writes ``bench/results/timing.json``; names of components
after the options measure only those and leave the others' numbers in the file. Every component is synthesised, placed and
routed alone for the part of the ULX3S-85F, with registers around all of its ports: a chain shifts its inputs in, a tree of
exclusive-ors folds its outputs into one bit. LUTs are those of the whole less the tree's. In the whole accelerator
ways are longer: a component should have a fifth to spare.
"""

import json
from pathlib import Path

import click
from amaranth import *
from amaranth.back import rtlil
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from rich.console import Console
from rich.table import Table

from fpga.ecp5 import ECP5, synthesis_script
from fpga.report import read_place_and_route
from fpga.tools import find_tools, run_tool
from hw.bases import BasisLoader
from hw.config import Config
from hw.feeder import Feeder
from hw.link import HostLink
from hw.mac import BasisMac
from hw.max_pool import MaxPool
from hw.requantiser import Requantiser
from hw.ring import InputRing
from hw.row import Row
from hw.scaling import ScaleUnit
from hw.sequencer import Sequencer
from hw.window_reader import WindowReader

RESULT = Path(__file__).parent / "results" / "timing.json"
#: Where the tools work; their files stay for a closer look.
WORK = Path("build/timing")
COMPONENTS = {
    "feeder": Feeder,
    # Of one PE: that of a block has more ports than a harness of registers can bring to it.
    "ring": lambda config: InputRing(config, config.rows),
    "row": Row,
    "MAC": BasisMac,
    "scale unit": ScaleUnit,
    "requantiser": Requantiser,
    "basis loader": BasisLoader,
    "sequencer": Sequencer,
    "host link": HostLink,
    "window reader": WindowReader,
    "maximum": MaxPool,
}
#: What the placer is asked for, in MHz: more than any component reaches, so that it does not rest.
ASKED = 150
SEED = 1


class Harness(wiring.Component):
    """Registers around a component, in few pins.

    Members
    -------
    i : in
        Shifted through a register of each input bit.
    o : out
        Exclusive-or of all output bits.
    """

    i: In(1)
    o: Out(1)

    def __init__(self, component):
        self._component = component
        super().__init__()
        ports = [
            (member.flow, Value.cast(value)) for _, member, value in component.signature.flatten(component)
        ]
        # What is always valid or ready is a constant.
        self._inputs = [value for flow, value in ports if flow == In and not isinstance(value, Const)]
        self._outputs = Cat(value for flow, value in ports if flow == Out)
        levels, bits = [], len(self._outputs)
        while bits > 1:
            bits = -(-bits // 4)
            levels.append(bits)
        #: LUTs of the tree.
        self.luts = sum(levels)

    def elaborate(self, platform):
        m = Module()
        m.submodules.component = self._component
        previous = self.i
        for value in self._inputs:
            held = Signal(len(value))
            m.d.sync += held.eq(Cat(previous, held))
            m.d.comb += value.eq(held)
            previous = held[-1]
        folded = Signal(len(self._outputs))
        m.d.sync += folded.eq(self._outputs)
        while len(folded) > 1:
            following = Signal(-(-len(folded) // 4))
            m.d.sync += following.eq(
                Cat(folded[first : first + 4].xor() for first in range(0, len(folded), 4))
            )
            folded = following
        m.d.comb += self.o.eq(folded)
        return m


def measure(component, folder, time_limit):
    """Resources, clock and slowest path of ``component``; tools work in ``folder``."""
    harness = Harness(component)
    tools = find_tools(ECP5.steps)
    (folder / "top.il").write_text(rtlil.convert(harness, name="top", emit_src=False))
    (folder / "top.ys").write_text(f"read_rtlil top.il\n{synthesis_script('top')}write_json top.json\n")
    run_tool(
        [tools["yosys"], "-q", "top.ys"],
        folder=folder,
        log=folder / "yosys.log",
        time_limit=time_limit,
    )
    options = f"--85k --package CABGA381 --speed 6 --freq {ASKED} --seed {SEED} --json top.json --report report.json"
    run_tool(
        [tools["nextpnr-ecp5"], *options.split(), "--timing-allow-fail", "--lpf-allow-unconstrained"],
        folder=folder,
        log=folder / "nextpnr.log",
        time_limit=time_limit,
    )
    found = read_place_and_route(folder / "report.json", ECP5)
    (clock,) = found["clocks"].values()
    (path,) = found["critical_path"].values()
    used = {name: resource["used"] for name, resource in found["resources"].items()}
    return {
        **used,
        "luts": used["luts"] - harness.luts,
        "mhz": clock["achieved_mhz"],
        "routing": round(
            sum(step["ns"] for step in path if step["kind"] == "routing") / sum(step["ns"] for step in path),
            2,
        ),
        "slowest_path": [path[0]["from"], path[-1]["to"]],
    }


def show(preset, rows):
    """Print the table, slowest component first."""
    table = Table(title=f"components of preset {preset}, alone on an ECP5 of speed grade 6")
    for name in ("component", "LUTs", "registers", "multipliers", "block RAMs", "MHz", "routing"):
        table.add_column(name, justify="left" if name == "component" else "right")
    table.add_column("slowest path")
    for name, row in sorted(rows.items(), key=lambda item: item[1]["mhz"]):
        counts = (f"{row[key]:,}" for key in ("luts", "registers", "dsps", "block_rams"))
        table.add_row(
            name, *counts, f"{row['mhz']:.1f}", f"{row['routing']:.0%}", "\n".join(row["slowest_path"])
        )
    Console(width=160).print(table)


@click.command()
@click.option("--preset", default="ulx3s-85f", show_default=True, help="Configuration of the accelerator.")
@click.option("--time-limit", default=1800.0, show_default=True, help="Seconds of each tool.")
@click.argument("names", nargs=-1, type=click.Choice(tuple(COMPONENTS)))
def main(preset, time_limit, names):
    """Measure, print, store."""
    config = Config.preset(preset)
    results = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    rows = results.get(preset, {})
    for name in names or COMPONENTS:
        folder = WORK / preset / name.replace(" ", "-")
        folder.mkdir(parents=True, exist_ok=True)
        rows[name] = measure(COMPONENTS[name](config), folder, time_limit)
        results[preset] = {name: rows[name] for name in COMPONENTS if name in rows}
        RESULT.write_text(json.dumps(results, indent=2) + "\n")
    show(preset, rows)


if __name__ == "__main__":
    main()
