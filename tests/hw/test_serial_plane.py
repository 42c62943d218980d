"""Plane against a list of sums: zeros after a reset, and what is read beside a write of the same position."""

import random

import pytest
from amaranth.hdl import ResetInserter, Signal

from hw.serial_plane import Plane

from .bench import Bench
from .layers import SERIAL


def random_sum(rng, config):
    largest = (1 << config.accumulator_bits - 1) - 1
    return rng.choice([largest, -largest - 1, -1, 1, rng.randint(-largest - 1, largest)])


@pytest.mark.parametrize("name", ["serial", "odd"])
def test_sums_stay_until_a_reset(name):
    """A reset makes zeros of all sums, a position a cycle, also one that comes while it does."""
    seed, config = 272, SERIAL[name]
    print(f"seed {seed}")
    rng = random.Random(seed)
    words, reset = config.plane_words, Signal()
    dut = Plane(config)
    bench = Bench(ResetInserter(reset)(dut), seed=seed)
    source = bench.source(dut.write)

    async def read(positions):
        found = []
        for position in positions:
            bench.set(dut.position, position)
            found += await bench.cycle(dut.sum)
        found += await bench.cycle(dut.sum)
        return found[1:]

    async def script():
        assert await bench.while_high(dut.busy) == words
        for early in (None, 1, words - 1):
            sums = [random_sum(rng, config) for _ in range(words)]
            source.extend({"position": position, "sum": value} for position, value in enumerate(sums))
            await bench.until(lambda: source.empty)
            assert await read(range(words)) == sums
            await bench.pulse(reset)
            if early is not None:
                await bench.repeat(early)
                await bench.pulse(reset)
            # What is offered meanwhile waits.
            first, last = random_sum(rng, config), random_sum(rng, config)
            before = len(source.accepted)
            source.extend([{"position": 0, "sum": first}, {"position": words - 1, "sum": last}])
            cycle = bench.cycles
            assert await bench.while_high(dut.busy) == words
            await bench.until(lambda: source.empty)
            assert source.accepted[before:] == [cycle + words, cycle + words + 1]
            assert await read(range(words)) == [first, *[0] * (words - 2), last]

    bench.run(script)


@pytest.mark.parametrize("name", ["serial", "odd"])
def test_a_read_does_not_see_what_is_written_in_its_cycle(name):
    seed, config = 273, SERIAL[name]
    print(f"seed {seed}")
    rng = random.Random(seed)
    dut = Plane(config)
    bench = Bench(dut, seed=seed)
    sums, places = [0] * config.plane_words, [0, 1, 5, config.plane_words - 1]
    together = 0

    async def script():
        nonlocal together
        await bench.while_high(dut.busy)
        expected = None
        for _ in range(500):
            position, write = rng.choice(places), {"position": rng.choice(places)}
            write["sum"], valid = random_sum(rng, config), rng.randrange(2)
            bench.set(dut.position, position)
            bench.set(dut.write.payload, write)
            bench.set(dut.write.valid, valid)
            found, ready = await bench.cycle(dut.sum, dut.write.ready)
            assert ready and found == (found if expected is None else expected)
            expected = sums[position]
            if valid:
                together += position == write["position"] and sums[position] != write["sum"]
                sums[write["position"]] = write["sum"]

    bench.run(script)
    assert together > 20
