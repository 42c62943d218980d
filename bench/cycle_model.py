"""The cycle model against the RTL: is every layer exact, and how much faster is it.

``python -m bench.cycle_model`` runs random networks of several configurations in both, prints the table and writes
``bench/results/cycle_model.json``. The RTL's seconds are its share of the simulation: the cycles that the layers took,
at the cycles a second of the whole simulation, which also loads and reads and takes about two seconds to start; building
the simulator does not count. The model's seconds are the median of some runs with all that it does for a program and its
tensors; compiling its loop does not count.
"""

import json
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from hw.config import Config
from sim import reference
from sim.cycle_model import layer_cycles
from sim.network import simulate
from sw.compiler import compile_network
from tests.sw.networks import random_input, random_network

RESULT = Path(__file__).parent / "results" / "cycle_model.json"
TINY = Config.preset("tiny")
#: Name, configuration, seeds and size of the networks.
CASES = (
    ("tiny", TINY, range(5), 16),
    ("small", Config.preset("small"), range(5), 32),
    (
        "four PEs of three rows",
        TINY.replace(pes=4, rows=3, chunk=8, lanes=2, ring=8, z_fifo=10),
        range(3),
        16,
    ),
    ("ulx3s-85f", Config.preset("ulx3s-85f"), range(3), 32),
)
LAYERS, IMAGES = 6, 4
#: Runs of the model, of which the median counts.
REPEATS = 5


def measure(name, config, seeds, size, folder):
    """Layers that are exact and wrong, and seconds of both, over all networks of a configuration."""
    row = {"configuration": name, "exact_layers": 0, "wrong_layers": 0, "cycles": 0}
    rtl_seconds = model_seconds = 0.0
    for seed in seeds:
        network = random_network(seed, config, layers=LAYERS, size=size)
        images = np.stack([random_input(image, network, zeros=0.2 + 0.2 * image) for image in range(IMAGES)])
        program, tensors = compile_network(network, config), reference.run(network, images)
        run = simulate(program, network, images, config=config, work_dir=folder, every_tensor=False)
        expected = run.layer_cycles
        layer_cycles(program, tensors)
        spent = []
        for _ in range(REPEATS):
            start = time.perf_counter()
            cycles = layer_cycles(program, tensors)
            spent.append(time.perf_counter() - start)
        model_seconds += statistics.median(spent)
        rtl_seconds += run.seconds * int(expected.sum()) / run.simulated_cycles
        row["exact_layers"] += int((cycles == expected).sum())
        row["wrong_layers"] += int((cycles != expected).sum())
        row["cycles"] += int(expected.sum())
    return row | {
        "rtl_cycles_per_second": round(row["cycles"] / rtl_seconds),
        "model_cycles_per_second": round(row["cycles"] / model_seconds),
        "speed_ratio": round(rtl_seconds / model_seconds, 1),
        "rtl_seconds": round(rtl_seconds, 3),
        "model_seconds": round(model_seconds, 5),
    }


def main():
    """Measure, print, store; what all configurations make together."""
    with tempfile.TemporaryDirectory() as folder:
        rows = [measure(*case, folder) for case in CASES]
    table = Table(title="cycle model against RTL")
    for name in rows[0]:
        table.add_column(name.replace("_", " "), justify="right")
    for row in rows:
        table.add_row(*map(str, row.values()))
    Console().print(table)
    total = {name: sum(row[name] for row in rows) for name in ("exact_layers", "wrong_layers")}
    seconds = [sum(row[name] for row in rows) for name in ("rtl_seconds", "model_seconds")]
    total["speed_ratio"] = round(seconds[0] / seconds[1], 1)
    result = total | {"images": IMAGES, "layers": LAYERS, "configurations": rows}
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    return total


if __name__ == "__main__":
    main()
