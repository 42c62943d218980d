"""Rooflines by hand."""

import numpy as np
import pytest

from hw.config import PRESETS, Config
from sim.counting import count
from sim.cycle_model import layer_cycles
from sim.reference import run
from sw.compiler import compile_network
from sw.complexity import integer_complexity
from sw.network import INPUT, Convolution, IntegerNetwork, MaxPool, TensorInfo
from sw.roofline import Point, make_machine, make_roofline
from sw.work import Work

from .networks import random_input, random_network


def test_peaks_come_from_the_configuration():
    config = Config.preset("small")
    machine = make_machine(config, 50, 1000)
    assert machine.multiply_adds == 18 * 50e6
    assert machine.adds == config.adders * 50e6
    # Two ports that read chunks of 16, one that writes two results.
    assert machine.memory_bytes == 34 * 50e6
    assert (machine.link_bytes, machine.name) == (1000, "small")


@pytest.mark.parametrize(("clock", "link"), [(0, 1), (50, 0)])
def test_nothing_runs_without_clock_or_link(clock, link):
    with pytest.raises(ValueError, match="expected a clock and a link above 0"):
        make_machine(Config(), clock, link)


def test_the_scarcest_decides():
    machine = make_machine(Config.preset("small"), 1, 1000)
    multiplied, added = Work(multiply_adds=18_000_000), Work(adds=machine.adds, multiply_adds=18)
    assert machine.attainable(multiplied, 0.5) == 18e6
    assert machine.attainable(multiplied, 2.0) == 9e6
    assert machine.attainable(added, 0.0) == pytest.approx(machine.adds + 18)
    assert machine.attainable(Work(), 1.0) == 0


def network():
    """A convolution and a maximum, 4 channels of 8 x 8 pixels."""
    coefficients = np.zeros((4, 4, 1), np.int8)
    coefficients[:, 0] = 1
    convolution = Convolution(
        name="a",
        input=INPUT,
        coefficients=coefficients,
        bases=np.ones((1, 3, 3), np.int8),
        stride=1,
        padding=(1, 1, 1, 1),
        multiplier=np.ones(4, np.int64),
        bias=np.zeros(4, np.int64),
        shift=4,
        low=0,
        high=255,
    )
    info = TensorInfo(channels=4, height=8, width=8, signed=False)
    pool = MaxPool(name="b", input="a", window=(2, 2), stride=2)
    return IntegerNetwork(name="two", input=info, input_scale=1.0, layers=(convolution, pool))


def test_points_by_hand():
    machine = make_machine(Config.preset("small"), 1, 1000)
    two = network()
    roofline = make_roofline(two, integer_complexity(two), machine, {"a": (1000, 500), "b": (0, 100)})
    assert set(roofline.before) == set(roofline.after) == set(roofline.achieved) == {"a"}
    dense, adds, macs, maps = 64 * 4 * 4 * 9, 64 * 4, 64 * 4 * 9, 2 * 64 * 4
    assert roofline.before["a"] == Point(intensity=dense / maps, performance=18e6)
    after = roofline.after["a"]
    assert after.intensity == (adds + macs) / maps
    assert after.performance == pytest.approx((adds + macs) / (macs / 18e6))
    assert roofline.achieved["a"] == Point(intensity=1000 / maps, performance=2e6)
    # An image in, a quarter of it out, both slower than anything else.
    moved = 64 * 4 + 16 * 4
    assert roofline.network["before"] == Point(intensity=dense / moved, performance=dense / (moved / 1000))
    assert roofline.network["achieved"] == Point(intensity=1000 / moved, performance=1000 / (moved / 1000))


def test_a_fast_link_leaves_the_layers_times():
    machine = make_machine(Config.preset("small"), 1, 1e12)
    two = network()
    roofline = make_roofline(two, integer_complexity(two), machine, {"a": (1000, 500), "b": (0, 100)})
    assert roofline.network["before"].performance == pytest.approx(18e6)
    assert roofline.network["achieved"].performance == pytest.approx(1000 / 600e-6)


def test_nothing_is_achieved_where_nothing_was_measured():
    machine = make_machine(Config.preset("small"), 1)
    two = network()
    roofline = make_roofline(two, integer_complexity(two), machine)
    assert roofline.achieved == {} and "achieved" not in roofline.network


@pytest.mark.parametrize("preset", ["tiny", "small"])
@pytest.mark.parametrize("seed", range(4))
def test_no_layer_is_above_its_roofs(preset, seed):
    """What is achieved stays below what the operations really done could reach at best."""
    config = PRESETS[preset]
    random = random_network(seed, config, kinds=("clamp", "depthwise", "windows"))
    tensors = run(random, random_input(seed, random)[None])
    cycles = layer_cycles(compile_network(random, config), tensors)[0]
    counts = {work.name: work for work in count(random, tensors, config)}
    measured = {
        name: (work.operations, int(taken))
        for (name, work), taken in zip(counts.items(), cycles, strict=True)
    }
    machine = make_machine(config, 50)
    roofline = make_roofline(random, integer_complexity(random), machine, measured)
    for name, point in roofline.achieved.items():
        if not point.performance:
            continue
        done = Work(adds=counts[name].adds, multiply_adds=counts[name].macs)
        traffic = done.operations / point.intensity
        assert point.performance <= machine.attainable(done, traffic / machine.memory_bytes) * (1 + 1e-9)
