"""What the device counts as waiting is what its port shows, and tells what limits a layer."""

import json

import numpy as np
import pytest

from hw.config import Config
from sim.network import accelerator_verilog
from sim.runner import run_bench
from sw.compiler import compile_network
from sw.image import write_image
from sw.network import AveragePool, IntegerNetwork, TensorInfo
from tests.sw.networks import random_convolution, random_input

CONFIG = Config.preset("tiny")
SEED = 17


def bottlenecks():
    """A network with a layer for each limit: multipliers, memory, and the way of sums out of average pooling."""
    rng = np.random.default_rng(SEED)
    source = TensorInfo(channels=3 * CONFIG.chunk, height=8, width=8, signed=False)
    options = {"outputs": CONFIG.pes, "zeros": 0, "empty": 0, "padding": (0, 0, 0, 0)}
    busy = random_convolution(rng, name="multipliers", source=source, bases=CONFIG.bases, **options)
    idle = random_convolution(rng, name="memory", source=source, bases=1, kernel=(1, 1), **options)
    # Only the last of three chunks meets coefficients, so rows have a cycle of work where memory has three.
    idle.coefficients[:, : -CONFIG.chunk] = 0
    # A window is a chunk, and its sums leave in two cycles.
    assert CONFIG.chunk == 2 * CONFIG.requantisers
    window = {"window": (1, 1), "stride": 1, "multiplier": 1 << 10, "shift": 10, "low": 0, "high": 255}
    pool = AveragePool(name="pool", input="input", **window)
    return IntegerNetwork(name="bottlenecks", input=source, input_scale=1.0, layers=(busy, idle, pool))


@pytest.mark.slow
def test_counts_are_those_of_the_port_and_name_the_bottleneck(tmp_path):
    print(f"seed {SEED}")
    network = bottlenecks()
    program = compile_network(network, CONFIG)
    write_image(tmp_path / "program.farthing", program)
    np.save(tmp_path / "input.npy", random_input(SEED, network, zeros=0))
    result = run_bench(
        accelerator_verilog(CONFIG),
        "sim.benches.stalls",
        parameters={"folder": str(tmp_path)},
        work_dir=tmp_path / "run",
    )
    assert len(result.tests) == 1
    runs = json.loads((tmp_path / "report.json").read_text())
    print(*runs, sep="\n")
    whole, *layers = runs
    layers = dict(zip(program.layer_names, layers, strict=True))
    busy, idle, pool = (layers[name] for name in ("multipliers", "memory", "pool"))
    for run in runs:
        assert all(0 <= count <= run["cycles"] for count in run.values())
    # PEs are slower than memory: chunks wait, and the requantiser does most of the time.
    assert 2 * busy["FEEDER"] > busy["cycles"] < 2 * busy["REQUANTISER"]
    # Memory gives a chunk every cycle but for its latency, and no chunk waits.
    assert not idle["FEEDER"] and 0 < idle["RING"] < 20 and 2 * idle["REQUANTISER"] > idle["cycles"]
    # Sums leave more slowly than windows come.
    assert 4 * pool["WINDOWS"] > pool["cycles"] and not pool["FEEDER"] and not pool["RING"]
    assert not busy["WINDOWS"] and not idle["WINDOWS"]
    # A run of all is what its layers are.
    for unit in ("FEEDER", "RING", "REQUANTISER", "WINDOWS"):
        assert whole[unit] == sum(layer[unit] for layer in layers.values()), unit
