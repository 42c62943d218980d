"""Random layers of many configurations through RTL: every tensor is that of the reference, every cycle that of the model.

``FARTHING_RANDOM_LAYERS`` asks for another number of layers than the few of every run, as ``CONTRIBUTING.md`` says.
"""

import dataclasses
import os

import numpy as np
import pytest

from hw.config import Config
from sim import reference
from sim.cycle_model import layer_cycles
from sim.network import simulate
from sw.compiler import compile_network
from sw.network import INPUT, MaxPool
from tests.sw.networks import EVERY_KIND, random_input, random_network

pytestmark = pytest.mark.slow

#: Layers in all, at least.
LAYERS = int(os.environ.get("FARTHING_RANDOM_LAYERS", "260"))
#: Layers of one network; those that join tensors take no step, so they do not count.
NETWORK = 14

#: Memories that hold many layers.
ROOMY = Config.preset("tiny").replace(
    activation_words=1024, coefficient_words=1024, basis_words=256, scale_words=256, layers=64
)
#: Memories of other sizes than any field has, so that addresses that are too wide or too narrow are noticed.
SERIAL = Config.preset("icebreaker").replace(
    name="serial", line=16, channels=16, activation_words=512, coefficient_words=2048, layers=64
)
#: Every parameter that cycles or results could depend on has at least two values among these.
CONFIGS = [
    ROOMY.replace(name="plain"),
    ROOMY.replace(
        name="wide",
        chunk=16,
        lanes=4,
        lookahead=3,
        lookaside=2,
        channels=64,
        rows=4,
        pes=1,
        requantisers=1,
        tables=1,
        z_fifo=10,
        pool_columns=2,
    ),
    ROOMY.replace(
        name="tree",
        accumulation="tree",
        chunk=16,
        lanes=8,
        channels=64,
        rows=3,
        pes=3,
        requantisers=1,
        z_fifo=7,
        output_fifo=12,
    ),
    ROOMY.replace(
        name="taps", kernel_height=2, kernel_width=5, rows=1, pes=3, requantisers=1, lookahead=0, lookaside=0
    ),
    ROOMY.replace(
        name="blocks",
        chunk=8,
        channels=32,
        lanes=8,
        lookahead=0,
        pes=4,
        blocks=2,
        requantisers=4,
        z_fifo=11,
        ring=16,
    ),
    ROOMY.replace(
        name="short",
        accumulation="tree",
        chunk=8,
        lanes=4,
        rows=5,
        pes=1,
        requantisers=1,
        tables=4,
        channels=32,
        line=6,
        pool_columns=0,
    ),
    Config.preset("nano").replace(layers=64, basis_words=256, scale_words=256),
    SERIAL,
    SERIAL.replace(name="serial taps", kernel_height=2, kernel_width=5, chunk=8, lanes=8, line=12),
]
#: Networks that each configuration runs.
SEEDS = -(-LAYERS // (len(CONFIGS) * NETWORK * 2 // 3))


def with_pools(network, random):
    """The network with two more layers: maxima of windows of its input that overlap by a half at most, and by more."""
    info, layers = network.input, []
    for name, most in (("half", 2), ("more", 3)):
        stride = 1 if most == 3 else int(random.integers(1, 3))
        window = tuple(min(length, stride * most, 3) for length in (info.height, info.width))
        padding = tuple(int(random.integers(length)) for length in (*window, *window))
        layers.append(MaxPool(name=name, input=INPUT, window=window, stride=stride, padding=padding))
    return dataclasses.replace(network, layers=(*layers, *network.layers))


@pytest.mark.timeout(60 + 60 * SEEDS)
@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.name)
def test_tensors_and_cycles_of_random_layers(config, tmp_path, record_property):
    kinds = [kind for kind in EVERY_KIND if kind != "table" or config.tables]
    count, pools = 0, set()
    for seed in range(SEEDS):
        print(f"{config.name}, seed {seed}")
        network = random_network(seed, config, layers=NETWORK, kinds=kinds)
        network = with_pools(network, np.random.default_rng(seed))
        images = random_input(seed, network, zeros=0.2 + seed % 4 * 0.2)[None]
        program = compile_network(network, config)
        run = simulate(program, network, images, config=config, work_dir=tmp_path)
        assert run.passed
        assert layer_cycles(program, reference.run(network, images)).tolist() == run.layer_cycles.tolist()
        count += len(set(program.step_layers))
        pools |= {layer["scan"] for layer in program.layers}
    record_property("layers", count)
    assert count >= LAYERS / len(CONFIGS)
    assert pools == ({0, 1} if config.pool_columns else {0})
