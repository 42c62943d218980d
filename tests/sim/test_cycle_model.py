"""The cycle model gives the cycles that the device counts."""

import numpy as np
import pytest

from hw.config import Config
from sim import reference
from sim.cycle_model import layer_cycles
from sim.network import simulate
from sw.compiler import compile_network
from tests.sw.networks import random_input, random_network

TINY = Config.preset("tiny")

#: The other way to add channels, with its cut, odd numbers of rows and PEs, and the smallest queues.
ODD = TINY.replace(
    name="odd",
    accumulation="tree",
    chunk=16,
    lanes=8,
    channels=32,
    ring=8,
    rows=3,
    pes=3,
    requantisers=1,
    z_fifo=1,
    output_fifo=12,
)


def make(seed, config, images=2, **changes):
    print(f"seed {seed}")
    network = random_network(seed, config, **changes)
    inputs = [random_input(image, network, zeros=(0.2, 0.8)[image % 2]) for image in range(images)]
    return compile_network(network, config), network, np.stack(inputs)


@pytest.mark.slow
@pytest.mark.parametrize("config", [TINY, ODD], ids=lambda config: config.name)
def test_cycles_are_those_of_the_device(config, tmp_path):
    for seed in (1, 2, 3):
        program, network, images = make(seed, config, layers=6)
        run = simulate(program, network, images, config=config, work_dir=tmp_path, every_tensor=False)
        assert run.passed
        cycles = layer_cycles(program, reference.run(network, images))
        assert cycles.tolist() == run.layer_cycles.tolist()


def test_cycles_depend_on_the_image():
    program, network, images = make(6, TINY)
    images[1] = 0
    dense, empty = layer_cycles(program, reference.run(network, images))
    assert empty.tolist() != dense.tolist()


def test_every_image_counts_for_itself():
    program, network, images = make(5, TINY, images=3)
    together = layer_cycles(program, reference.run(network, images))
    alone = [layer_cycles(program, reference.run(network, image[np.newaxis]))[0] for image in images]
    assert together.tolist() == np.stack(alone).tolist()
