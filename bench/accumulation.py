"""The two ways to add channels, side by side: logic after synthesis for ECP5, and steps for the same chunks.

``python -m bench.accumulation`` prints the table and writes ``bench/results/accumulation.json``. Chunks are random, with the
given part of activations and of coefficients non-zero; steps are those of the models, which the tests prove equal to
the RTL's. Synthesis is yosys' ``synth_ecp5 -nowidelut`` of the component alone: LUT4, carry cells counted as two LUTs.
"""

import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from fpga.tools import find_tool
from hw.concentration import Concentration
from hw.config import Config
from hw.dilution import Dilution
from hw.row import ACCUMULATIONS
from hw.sparsemap import SparseMapEncoder
from sim.simulators import to_verilog

RESULT = Path(__file__).parent / "results" / "accumulation.json"
#: Parts of activations and of coefficients that are not zero.
DENSITIES = ((0.5, 0.5), (0.5, 0.2), (0.5, 0.05))
CHUNKS = 4000
SEED = 1


def logic_cells(component):
    """LUT4 and carry cells of a component alone, in LUTs."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "design.v").write_text(to_verilog(component))
        script = "read_verilog design.v; synth_ecp5 -nowidelut -top top; tee -q -o stat.json stat -json"
        subprocess.run(
            [find_tool("yosys"), "-q", "-p", script],
            cwd=folder,
            check=True,
            timeout=900,
            capture_output=True,
        )
        cells = json.loads((Path(folder) / "stat.json").read_text())["design"]["num_cells_by_type"]
    return cells["LUT4"] + 2 * cells.get("CCU2C", 0)


def steps_per_chunk(config, activations, coefficients):
    """Cycles that a row needs for a chunk, on average; the tree always needs one."""
    if config.accumulation == "tree":
        return 1.0
    rng = np.random.default_rng(SEED)
    shape = (CHUNKS, config.chunk)
    dense = rng.integers(1, 256, shape) * (rng.random(shape) < activations)
    ones = np.ones(CHUNKS, np.int64)
    pairs = {
        **SparseMapEncoder.model(dense),
        "map": (rng.random(shape) < coefficients).astype(np.int64),
        "negative": np.zeros(shape, np.int64),
        "tag": {"basis": 0 * ones, "last": ones, "end": ones},
    }
    return len(Concentration.model(config, Dilution.model(pairs))["tag"]["last"]) / CHUNKS


def main():
    """Measure, print, store."""
    rows = []
    for chunk, lanes in ((16, 8), (16, 4), (32, 8)):
        for accumulation in ACCUMULATIONS:
            if accumulation == "tree" and lanes != 8:
                continue
            config = Config(
                chunk=chunk, lanes=lanes, accumulation=accumulation, channels=8 * chunk, requantisers=2
            )
            row = {
                "chunk": chunk,
                "accumulation": accumulation,
                "lanes": chunk if accumulation == "tree" else lanes,
                "luts": logic_cells(ACCUMULATIONS[accumulation](config)),
            }
            for activations, coefficients in DENSITIES:
                steps = steps_per_chunk(config, activations, coefficients)
                row[f"steps at {activations:g} x {coefficients:g}"] = round(steps, 3)
            rows.append(row)
    table = Table(title="channel accumulation of one row")
    for name in rows[0]:
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(*map(str, row.values()))
    Console().print(table)
    RESULT.write_text(json.dumps({"seed": SEED, "chunks": CHUNKS, "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
