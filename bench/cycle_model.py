"""The cycle model against the RTL: is every layer exact, and how much faster is it.

``python -m bench.cycle_model`` runs random networks of several configurations and ResNet-8 in both, prints the table and writes
``bench/results/cycle_model.json``. The RTL simulates ``CHECKED`` images of each network, and all their layers are compared; the model follows
``IMAGES``, the same and more.

Both are compared in cycles a second of one processor: seconds are those that a processor worked, not those of the clock, so other work on the machine
does not count, and neither do the threads that the model deals images to. The RTL's rate is that of the whole simulation, with loading and
reading and the start of the simulator; building it does not count. The model's is the median of some runs with all that it does for a program
and the tensors of all images; compiling its loop does not count, nor does the reference that makes the tensors. ``one image`` is the ratio when
the model is given a single image, which takes it nearly as long as ``LANES`` of them.
"""

import json
import resource
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
from sim.lanes import LANES
from sim.network import accelerator_verilog, simulate
from sim.simulators import build_simulator
from sw.compiler import compile_network
from tests.sw.networks import random_input, random_network

from .random_network import smooth_image
from .workloads import build

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
LAYERS = 6
#: Images that the RTL simulates, and that the model follows.
CHECKED, IMAGES = 4, 4 * LANES
#: Runs of the model, of which the median counts.
REPEATS = 5


def random_networks(config, seeds, size):
    """Networks, each with its images, int64 [IMAGES, C, H, W]."""
    for seed in seeds:
        network = random_network(seed, config, layers=LAYERS, size=size)
        images = [random_input(image, network, zeros=0.2 + 0.2 * (image % 4)) for image in range(IMAGES)]
        yield network, np.stack(images)


def measure(name, config, networks, folder):
    """Layers that are exact and wrong, and what both take, over networks with their images."""
    row = {"configuration": name, "exact_layers": 0, "wrong_layers": 0, "cycles": 0}
    seconds = dict.fromkeys(("rtl", "model", "one_image"), 0.0)
    build_simulator(accelerator_verilog(config), "top")
    for network, images in networks:
        program, tensors = compile_network(network, config), reference.run(network, images)
        before = _simulator_seconds()
        run = simulate(program, network, images[:CHECKED], config=config, work_dir=folder, every_tensor=False)
        per_cycle = (_simulator_seconds() - before) / run.simulated_cycles
        cycles = layer_cycles(program, tensors)
        exact = int((cycles[:CHECKED] == run.layer_cycles).sum())
        row["exact_layers"] += exact
        row["wrong_layers"] += run.layer_cycles.size - exact
        row["cycles"] += int(cycles.sum())
        one = {key: tensor[:1] for key, tensor in tensors.items()}
        seconds["rtl"] += per_cycle * int(cycles.sum())
        seconds["model"] += _model_seconds(program, tensors)
        # As if all images were given one by one.
        seconds["one_image"] += _model_seconds(program, one) * int(cycles.sum()) / int(cycles[0].sum())
    return row | {
        "rtl_cycles_per_second": round(row["cycles"] / seconds["rtl"]),
        "model_cycles_per_second": round(row["cycles"] / seconds["model"]),
        "speed_ratio": round(seconds["rtl"] / seconds["model"], 1),
        "one_image_ratio": round(seconds["rtl"] / seconds["one_image"], 1),
        "rtl_seconds": round(seconds["rtl"], 3),
        "model_seconds": round(seconds["model"], 5),
    }


def _simulator_seconds():
    """What the processor has worked for processes that were started here."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _model_seconds(program, tensors):
    spent = []
    for _ in range(REPEATS):
        start = time.process_time()
        layer_cycles(program, tensors)
        spent.append(time.process_time() - start)
    return statistics.median(spent)


def main():
    """Measure, print, store; what all configurations make together."""
    with tempfile.TemporaryDirectory() as folder:
        rows = [
            measure(name, config, random_networks(config, seeds, size), folder)
            for name, config, seeds, size in CASES
        ]
        resnet8, random = build("resnet8"), np.random.default_rng(1)
        images = np.stack([smooth_image(random, *resnet8.images.shape[1:]) for _ in range(IMAGES)])
        name = f"ResNet-8, {resnet8.config.name}"
        rows.append(measure(name, resnet8.config, [(resnet8.network, images)], folder))
    table = Table(title="cycle model against RTL")
    for name in rows[0]:
        table.add_column(name.replace("_", " "), justify="right")
    for row in rows:
        table.add_row(*map(str, row.values()))
    Console().print(table)
    total = {name: sum(row[name] for row in rows) for name in ("exact_layers", "wrong_layers")}
    seconds = [sum(row[name] for row in rows) for name in ("rtl_seconds", "model_seconds")]
    total["speed_ratio"] = round(seconds[0] / seconds[1], 1)
    result = total | {"checked_images": CHECKED, "images": IMAGES, "layers": LAYERS, "configurations": rows}
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    return total


if __name__ == "__main__":
    main()
