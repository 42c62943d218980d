"""Windows along one axis against plain loops: every padding, step and size, walked in any order of the strobes."""

import numpy as np
import pytest

from hw.window_axis import WindowAxis

from .bench import Bench
from .layers import CONFIGURATIONS

CONFIG = CONFIGURATIONS["tiny"].replace(activation_words=1 << 14)


def plain_windows(geometry, windows):
    """Offsets of the places of each window, one after the other."""
    made = []
    for window in range(windows):
        made.append([])
        for place in range(geometry["window"]):
            where = window * geometry["stride"] + place - geometry["pad"]
            if where in range(geometry["extent"]):
                made[-1].append(where * geometry["words"])
    return made


def random_axis(rng, stride):
    """A geometry and as many windows as have a place in the map."""
    window = int(rng.integers(1, 10))
    pad = int(rng.integers(min(window, 8)))
    extent = int(rng.integers(1, 12))
    geometry = {
        "extent": extent,
        "window": window,
        "stride": stride,
        "pad": pad,
        "words": int(rng.integers(1, 900)),
    }
    return geometry, int(rng.integers(1, (extent + pad - 1) // stride + 2))


@pytest.mark.parametrize("stride", range(1, 8))
def test_every_window(stride):
    seed = 252
    print(f"seed {seed}")
    rng = np.random.default_rng(seed + stride)
    dut = WindowAxis(CONFIG)
    bench = Bench(dut, seed=seed)
    strobes = {"next_place": dut.next_place, "again": dut.again, "next_window": dut.next_window}

    async def step(name, expected):
        """Look, after cycles in which nothing moves, and give one strobe."""
        for _ in range(rng.integers(2)):
            assert await bench.cycle(dut.offset, dut.last) == expected
        bench.set(strobes[name], 1)
        assert await bench.cycle(dut.offset, dut.last) == expected
        bench.set(strobes[name], 0)

    async def script():
        for _ in range(20):
            geometry, windows = random_axis(rng, stride)
            expected = plain_windows(geometry, windows)
            assert all(expected)
            assert WindowAxis.model(geometry, windows) == expected
            bench.set(dut.geometry, geometry)
            bench.set(dut.restart, 1)
            await bench.repeat(2)
            bench.set(dut.restart, 0)
            for places in expected:
                for turn in range(2):
                    for place in places:
                        ends = place == places[-1]
                        name = ("again", "next_window")[turn] if ends else "next_place"
                        await step(name, [place, ends])

    bench.run(script)


def test_the_later_strobe_wins():
    geometry = {"extent": 9, "window": 2, "stride": 3, "pad": 0, "words": 10}
    dut = WindowAxis(CONFIG)
    bench = Bench(dut)

    async def script():
        bench.set(dut.geometry, geometry)
        bench.set(dut.restart, 1)
        await bench.repeat(2)
        bench.set(dut.restart, 0)
        bench.set(dut.next_place, 1)
        assert await bench.cycle(dut.offset) == [0]
        bench.set(dut.again, 1)
        assert await bench.cycle(dut.offset) == [10]
        bench.set(dut.next_window, 1)
        assert await bench.cycle(dut.offset) == [0]
        bench.set(dut.restart, 1)
        assert await bench.cycle(dut.offset) == [30]
        assert await bench.cycle(dut.offset) == [0]

    bench.run(script)
