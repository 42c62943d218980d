"""Partial-sum lines against sums picked one by one, with gaps between positions and layers of different lines."""

import numpy as np
import pytest

from hw.lines import PartialSumLines

from .bench import Bench
from .layers import CONFIGURATIONS


def plain_totals(sums, line):
    """Row ``r`` of a kernel with R rows joins the total R-1-r lines later."""
    positions, rows = sums.shape
    return [
        sum(
            int(sums[position - (rows - 1 - row) * line, row])
            for row in range(rows)
            if position >= (rows - 1 - row) * line
        )
        for position in range(positions)
    ]


def random_sums(rng, config, line):
    """Row sums of a layer that ends at a line's last place; the lines run empty at the end."""
    positions = line * int(rng.integers(1, 6)) + line - 1
    sums = rng.integers(-(1 << 20), 1 << 20, (positions, config.kernel_height))
    return np.concatenate(
        [sums, np.zeros(((config.kernel_height - 1) * line, config.kernel_height), np.int64)]
    )


@pytest.mark.parametrize("gaps", [0.0, 0.5])
@pytest.mark.parametrize("name", ["tiny", "5x5", "1x1", "odd"])
def test_layers_one_after_the_other(name, gaps):
    seed = 101
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    config = CONFIGURATIONS[name]
    layers = [(line, random_sums(rng, config, line)) for line in (7, 4, config.line, 5)]
    dut = PartialSumLines(config)
    bench = Bench(dut, seed=seed)
    totals = []

    async def script():
        for line, sums in layers:
            bench.set(dut.line, line)
            await bench.pulse(dut.clear)
            # What each of the last three cycles did: prepare, advance, and the wait for the total.
            steps = [False] * 3
            made, offered, advanced = [], 0, 0
            while len(made) < len(sums):
                prepare = offered < len(sums) and bench.rng.random() >= gaps
                offered += prepare
                steps = [prepare, *steps]
                bench.set(dut.prepare, prepare)
                bench.set(dut.advance, steps[1])
                for row, port in enumerate(dut.sums):
                    noise = bench.rng.randrange(1 << 20)
                    bench.set(port, int(sums[advanced, row]) if steps[1] else noise)
                advanced += steps[1]
                (total,) = await bench.cycle(dut.total)
                if steps.pop():
                    made.append(total)
            bench.set(dut.advance, 0)
            await bench.repeat(4)
            totals.append(made)

    bench.run(script)
    for (line, sums), made in zip(layers, totals, strict=True):
        assert made == plain_totals(sums, line)
        assert made == PartialSumLines.model(sums, line).tolist()
