"""Whole networks on the simulated accelerator: right ones pass, and every kind of damage is seen."""

import numpy as np
import pytest

from hw.config import Config
from sim import reference
from sim.counting import count
from sim.cycle_model import layer_cycles
from sim.network import CORRUPTIONS, simulate, simulate_stream
from sim.runner import BenchFailure
from sw.compiler import compile_network
from sw.network import AveragePool, Concatenation, IntegerNetwork, MaxPool, TensorInfo
from tests.sw.networks import random_convolution, random_input, random_network

#: Compiling simulators takes a minute.
pytestmark = pytest.mark.slow

CONFIG = Config.preset("tiny")
#: Short lines, and tables.
TILES = CONFIG.replace(name="tiles", line=6, layers=64, tables=1, activation_words=1024)


def make(seed, images=1, **changes):
    print(f"seed {seed}")
    network = random_network(seed, CONFIG, **changes)
    inputs = np.stack([random_input(image, network, zeros=0.3) for image in range(images)])
    return compile_network(network, CONFIG), network, inputs


def make_sensitive(seed=7):
    """Two layers and an image without zeros: no damage can hide behind padding, zeros or clamps."""
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    source = TensorInfo(channels=5, height=6, width=6, signed=False)
    first = random_convolution(rng, name="first", source=source, outputs=6, bases=3, empty=0)
    made = IntegerNetwork(name="one", input=source, input_scale=1.0, layers=(first,)).tensors()["first"]
    second = random_convolution(
        rng, name="second", input="first", source=made, outputs=3, bases=2, stride=2, empty=0
    )
    network = IntegerNetwork(name="two", input=source, input_scale=1.0, layers=(first, second))
    return compile_network(network, CONFIG), network, rng.integers(1, 256, (2, *source.shape))


@pytest.mark.parametrize("seed", [1, 2])
def test_every_tensor_is_equal(seed, tmp_path):
    program, network, images = make(seed, images=2)
    calls = []
    run = simulate(
        program,
        network,
        images,
        config=CONFIG,
        work_dir=tmp_path,
        progress=lambda done, count: calls.append((done, count)),
    )
    assert run.passed and run.images == 2 and run.waves is None
    assert run.tensors == len(network.layers) + 1
    assert run.layer_cycles.shape == (2, len(network.layers))
    joined = [isinstance(layer, Concatenation) for layer in network.layers]
    assert ((run.layer_cycles == 0) == joined).all(), "a concatenation takes no time, all else does"
    assert (run.cycles >= run.layer_cycles.sum(axis=1)).all()
    assert run.simulated_cycles > 2 * run.cycles.sum()
    assert calls[-1] == (2, 2)
    for layer, cycles in zip(
        count(network, reference.run(network, images), CONFIG), run.layer_cycles.sum(axis=0), strict=True
    ):
        assert layer.bound_cycles <= cycles, f"{layer.name} takes less than its bound"
        assert (layer.utilisation(cycles) > 0) == (cycles > 0)


@pytest.mark.parametrize("seed", [0, 1])
def test_tiles_windows_and_tables_are_equal(seed, tmp_path):
    """Maps wider and higher than the line, pooled and averaged in windows, with a table on the way."""
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    source = TensorInfo(channels=6, height=11, width=13 + seed, signed=bool(seed))
    layers, tensors = [], {"input": source}

    def add(layer):
        layers.append(layer)
        made = IntegerNetwork(name="tiles", input=source, input_scale=1.0, layers=tuple(layers))
        tensors.update(made.tensors())
        return made

    def convolution(name, input, outputs, **changes):
        changes = {"bases": 2, "empty": 0.1} | changes
        add(
            random_convolution(rng, name=name, input=input, source=tensors[input], outputs=outputs, **changes)
        )

    convolution("same", "input", 5, table=True, signed=True)
    convolution("wider", "same", 5, padding=(2, 2, 2, 2))
    add(MaxPool(name="pool", input="wider", window=(3, 2), stride=1, padding=(1, 0, 1, 1)))
    convolution("down", "pool", 7, stride=2)
    convolution("point", "down", 7, kernel=(1, 1), signed=True)
    convolution("sum", "point", 7, kernel=(2, 3), residual="down")
    convolution("thin", "sum", 3, kernel=(1, 1), stride=2)
    mean = {"window": (2, 3), "stride": 2, "shift": 12, "multiplier": 700, "low": 0, "high": 255}
    network = add(AveragePool(name="mean", input="thin", **mean))
    program = compile_network(network, TILES)
    assert [len(program.steps_of(number)) > 1 for number in range(8)] == [
        *(True, True, False, True, True, True, False, False)
    ]
    images = rng.integers(source.low, source.high + 1, (2, *source.shape))
    run = simulate(program, network, images, config=TILES, work_dir=tmp_path)
    assert run.passed and run.layer_cycles.min() > 0
    assert layer_cycles(program, reference.run(network, images)).tolist() == run.layer_cycles.tolist()


def test_results_alone(tmp_path):
    program, network, images = make(3, images=2)
    run = simulate(program, network, images, config=CONFIG, work_dir=tmp_path, every_tensor=False)
    assert run.passed and run.tensors == 1 and len(run.outputs) == 2


def test_images_are_loaded_while_others_run(tmp_path):
    program, network, images = make(4, images=4, layers=5, kinds=("clamp", "depthwise"))
    assert any(fields["input_free"] for fields in program.layers)
    arguments = {"config": CONFIG, "work_dir": tmp_path}
    together = simulate_stream(program, network, images, **arguments)
    apart = simulate_stream(program, network, images, overlap=False, **arguments)
    assert together.passed and together.overlapped
    assert apart.passed and not apart.overlapped
    assert together.outputs.tolist() == apart.outputs.tolist()
    # Loading takes no cycle from a run: units that write go first.
    assert together.cycles.tolist() == apart.cycles.tolist()
    assert together.cycles.sum() < together.stream_cycles < apart.stream_cycles


@pytest.mark.parametrize("corrupt", CORRUPTIONS)
def test_damage_is_seen(corrupt, tmp_path):
    program, network, images = make_sensitive()
    arguments = {"config": CONFIG, "work_dir": tmp_path, "waves_on_mismatch": False}
    run = simulate(program, network, images, corrupt=corrupt, **arguments)
    assert not run.passed
    first = run.mismatches[0]
    assert (first.image, first.layer, first.whole) == (0, "first", False)
    assert first.expected != first.got and 0 < first.count <= first.size
    assert f"expected {first.expected}, got {first.got}" in str(first)
    if corrupt == "expected":
        assert [mismatch.count for mismatch in run.mismatches] == [1]
        assert first.expected ^ 1 == first.got
    else:
        assert simulate(program, network, images, **arguments).passed, "the undamaged network fails as well"


def test_damage_leaves_a_waveform(tmp_path):
    program, network, images = make_sensitive()
    run = simulate(program, network, images, config=CONFIG, work_dir=tmp_path, corrupt="coefficient")
    assert run.waves == tmp_path / "mismatch-image0-first.vcd"
    assert run.waves.stat().st_size > 100_000


def test_silent_device_is_given_up(tmp_path):
    program, network, images = make(2)
    with pytest.raises(BenchFailure, match="no answer within 2 cycles"):
        simulate(program, network, images, config=CONFIG, work_dir=tmp_path, limit_cycles=2)


def test_arguments_are_checked(tmp_path):
    program, network, images = make(2)
    with pytest.raises(ValueError, match="expected a program for other, got one for tiny"):
        simulate(program, network, images, config=CONFIG.replace(name="other"), work_dir=tmp_path)
    with pytest.raises(
        ValueError, match="expected a corruption from coefficient, basis, expected, got 'all'"
    ):
        simulate(program, network, images, config=CONFIG, work_dir=tmp_path, corrupt="all")
    with pytest.raises(ValueError, match="expected at least one image, got none"):
        simulate(program, network, images[:0], config=CONFIG, work_dir=tmp_path)
