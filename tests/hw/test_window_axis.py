"""Windows along one axis against plain loops: every padding, step and size, walked in any order of the strobes, or in a scan."""

import numpy as np
import pytest

from hw.window_axis import WindowAxis

from .bench import Bench
from .layers import CONFIGURATIONS

CONFIG = CONFIGURATIONS["tiny"].replace(activation_words=1 << 14)


def random_axis(rng, stride, overlap):
    """A geometry, and the places of all windows, of which each has one in the map.

    With ``overlap`` windows touch or overlap by at most the half of them.
    """
    window = int(rng.integers(stride, 2 * stride + 1) if overlap else rng.integers(1, 10))
    pad = int(rng.integers(min(window, 8)))
    extent = int(rng.integers(1, 12))
    words = int(rng.integers(1, 900))
    geometry = {
        "last": (extent - 1) * words,
        "window": (window - 1) * words,
        "step": stride * words,
        "pad": pad * words,
        "words": words,
    }
    windows = [
        [place for place in range(extent) if start <= place < start + window]
        for start in range(-pad, extent, stride)
    ]
    return geometry, windows[: int(rng.integers(1, len(windows) + 1))]


async def restart(bench, dut, geometry, scan):
    bench.set(dut.geometry, geometry)
    bench.set(dut.scan, scan)
    bench.set(dut.restart, 1)
    await bench.repeat(2)
    bench.set(dut.restart, 0)


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
            assert await bench.cycle(dut.offset, dut.first, dut.last) == expected
        bench.set(strobes[name], 1)
        assert await bench.cycle(dut.offset, dut.first, dut.last) == expected
        bench.set(strobes[name], 0)

    async def script():
        for _ in range(20):
            geometry, windows = random_axis(rng, stride, overlap=False)
            expected = [[place * geometry["words"] for place in places] for places in windows]
            assert WindowAxis.model(geometry, len(windows)) == expected
            await restart(bench, dut, geometry, scan=0)
            for places in expected:
                for turn in range(2):
                    for place in places:
                        ends = place == places[-1]
                        name = ("again", "next_window")[turn] if ends else "next_place"
                        await step(name, [place, place == places[0], ends])

    bench.run(script)


def plain_scan(windows, words):
    """For each place of a scan its offset, whether it is the first or the last of its window, and the first of the next one.

    Every window brings the places that no window before it had, or else its last place once more.
    """
    made, seen = [], -1
    for number, places in enumerate(windows):
        following = windows[number + 1] if number + 1 < len(windows) else []
        for place in range(min(seen + 1, places[-1]), places[-1] + 1):
            assert place in places
            begins = bool(following) and place == following[0]
            made.append([place * words, place == places[0], place == places[-1], begins])
        seen = places[-1]
    return made


@pytest.mark.parametrize("stride", range(1, 8))
def test_scan(stride):
    seed = 253
    print(f"seed {seed}")
    rng = np.random.default_rng(seed + stride)
    dut = WindowAxis(CONFIG)
    bench = Bench(dut, seed=seed)

    async def script():
        for _ in range(40):
            geometry, windows = random_axis(rng, stride, overlap=True)
            expected = plain_scan(windows, geometry["words"])
            model = WindowAxis.scan_model(geometry, len(windows))
            fields = "offset", "first", "last", "next_first"
            assert [[place[name] for name in fields] for place in model] == expected
            await restart(bench, dut, geometry, scan=1)
            for place, of_model in zip(expected, model, strict=True):
                ends, turn = place[2], rng.random() < 0.5
                # Of the strobes at the end of a window only the one to the next matters.
                strobes = [
                    (dut.next_place, turn or not ends),
                    (dut.again, turn and ends),
                    (dut.next_window, ends),
                ]
                if rng.random() < 0.2:
                    await bench.cycle()
                for strobe, value in strobes:
                    bench.set(strobe, value)
                *found, begins = await bench.cycle(dut.offset, dut.first, dut.last, dut.next_first)
                for strobe, _ in strobes:
                    bench.set(strobe, 0)
                assert found == place[:3]
                assert begins == place[3] or of_model["window"] == len(windows) - 1

    bench.run(script)


def test_a_scan_of_what_it_cannot_make():
    geometry = {"last": 90, "window": 0, "step": 20, "pad": 0, "words": 10}
    with pytest.raises(
        ValueError, match="expected windows that touch or overlap by at most the half of them"
    ):
        WindowAxis.scan_model(geometry, 2)
    with pytest.raises(ValueError, match="go window by window"):
        WindowAxis.scan_model(geometry | {"window": 40}, 3)


def test_the_later_strobe_wins():
    geometry = {"last": 80, "window": 10, "step": 30, "pad": 0, "words": 10}
    dut = WindowAxis(CONFIG)
    bench = Bench(dut)

    async def script():
        await restart(bench, dut, geometry, scan=0)
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
