"""The cycle model gives the cycles that the device counts."""

import numpy as np
import pytest

from hw.config import Config
from sim import reference
from sim.counting import count
from sim.cycle_model import layer_cycles
from sim.network import simulate
from sw.compiler import compile_network
from sw.network import IntegerNetwork, MaxPool, TensorInfo
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
    z_fifo=7,
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


def pools(source, *layers):
    return IntegerNetwork(name="pools", input=source, input_scale=1.0, layers=layers)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_cycles_of_maximum_pooling(seed, tmp_path):
    """Scans and single windows of all kinds, from one input each; those past the line are cut."""
    print(f"seed {seed}")
    config = TINY.replace(activation_words=2048, layers=64)
    random = np.random.default_rng(seed)
    source = TensorInfo(
        channels=int(random.integers(1, 13)),
        height=int(random.integers(1, 14)),
        width=int(random.integers(4, 14)),
        signed=bool(random.integers(2)),
    )
    layers = []
    while len(layers) < 25:
        stride = int(random.integers(1, 5))
        # A quarter of them anyhow, the others as scans like them.
        least, most = ((stride, 2 * stride), (1, 8))[random.random() < 0.25]
        window = tuple(int(length) for length in random.integers(least, min(most, 7) + 1, 2))
        padding = tuple(int(random.integers(length)) for length in (*window, *window))
        layer = MaxPool(
            name=f"pool{len(layers)}", input="input", window=window, stride=stride, padding=padding
        )
        try:
            network = pools(source, *layers, layer)
        except ValueError:
            # A window outside of the map.
            continue
        layers.append(layer)
    program, image = compile_network(network, config), random_input(seed, network)[None]
    assert {fields["scan"] for fields in program.layers} == {0, 1}
    run = simulate(program, network, image, config=config, work_dir=tmp_path, every_tensor=False)
    assert run.passed
    assert layer_cycles(program, reference.run(network, image)).tolist() == run.layer_cycles.tolist()


def test_a_scan_is_as_fast_as_memory():
    """That of ResNet-18: 112 x 112 pixels of 64 channels, windows of 3 x 3."""
    config = Config(chunk=64, activation_words=16384, ring=16, pool_columns=64)
    layer = MaxPool(name="pool", input="input", window=(3, 3), stride=2, padding=(1, 1, 0, 0))
    network = pools(TensorInfo(channels=64, height=112, width=112, signed=False), layer)
    tensors = reference.run(network, random_input(2, network)[None])
    ((cycles,),) = layer_cycles(compile_network(network, config), tensors)
    (work,) = count(network, tensors, config)
    print(f"{cycles} cycles, bound {work.bound_cycles}")
    assert work.utilisation(cycles) > 0.98


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
