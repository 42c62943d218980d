"""Whole networks on the simulated accelerator: right ones pass, and every kind of damage is seen."""

import dataclasses

import numpy as np
import pytest

from hw.config import Config
from hw.formats import LAYER_FIELDS, LAYER_WORDS
from hw.protocol import Target
from sim import reference
from sim.counting import count
from sim.network import CORRUPTIONS, simulate, simulate_stream
from sim.runner import BenchFailure
from sw.compiler import compile_network
from sw.network import INPUT, IntegerNetwork, TensorInfo
from tests.sw.networks import random_convolution, random_input, random_network

#: Compiling simulators takes a minute.
pytestmark = pytest.mark.slow

CONFIG = Config.preset("tiny")


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
    assert run.layer_cycles.shape == (2, len(network.layers)) and run.layer_cycles.min() > 0
    assert (run.cycles >= run.layer_cycles.sum(axis=1)).all()
    assert run.simulated_cycles > 2 * run.cycles.sum()
    assert calls[-1] == (2, 2)
    for layer, cycles in zip(
        count(network, reference.run(network, images), CONFIG), run.layer_cycles.sum(axis=0), strict=True
    ):
        assert 0 < layer.utilisation(cycles) <= 1, f"{layer.name} takes less than its bound"


def test_results_alone(tmp_path):
    program, network, images = make(3, images=2)
    run = simulate(program, network, images, config=CONFIG, work_dir=tmp_path, every_tensor=False)
    assert run.passed and run.tensors == 1 and len(run.outputs) == 2


def free_input(program):
    """The program with ``input_free`` in every step after the last that reads the input, whose words are its own."""
    last = max(number for number, names in enumerate(program.layer_inputs) if INPUT in names)
    steps, sections = [], list(program.sections)
    for step, (fields, layer) in enumerate(zip(program.layers, program.step_layers, strict=True)):
        steps.append({**fields, "input_free": int(layer > last)})
        word = step * LAYER_WORDS + list(LAYER_FIELDS).index("input_free")
        for number, section in enumerate(sections):
            place = 2 * (word - section.address)
            if section.target is Target.PROGRAM and 0 <= place < len(section.data):
                data = bytearray(section.data)
                data[place] = int(layer > last)
                sections[number] = dataclasses.replace(section, data=bytes(data))
    return dataclasses.replace(program, layers=tuple(steps), sections=tuple(sections))


def test_images_are_loaded_while_others_run(tmp_path):
    program, network, images = make(4, images=4, layers=5)
    program = free_input(program)
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
