"""Line of maxima against plain maxima of rows, under all ways in which two rows of windows can share rows."""

import numpy as np
import pytest

from hw.pool_line import PoolLine

from .bench import Bench
from .layers import CONFIGURATIONS, layer_fields

CONFIG = CONFIGURATIONS["tiny"]


def random_stretches(rng, columns):
    """Stretches of some rows, ``columns`` in each, with their maxima, and ``(address, maxima)`` by plain maxima of rows.

    Rows of windows follow one another as they may: the next one begins in any row of the one that ends, or behind it.
    """
    stretches, expected = [], []
    rows, ends, first = [], [], 0
    for _ in range(int(rng.integers(1, 6))):
        earliest = ends[-1] + 1 if ends else 0
        ends.append(max(earliest, first) + int(rng.integers(3)))
        rows.append((first, ends[-1]))
        first = int(rng.integers(max(earliest, first + 1), ends[-1] + 2))
    values = rng.integers(0, 256, (ends[-1] + 1, columns, CONFIG.chunk))
    addresses = rng.integers(0, CONFIG.activation_words, (len(rows), columns))
    at = 0
    for number, (first, last) in enumerate(rows):
        following = rows[number + 1][0] if number + 1 < len(rows) else ends[-1] + 1
        for row in range(at, last + 1):
            begins, ending = row == following, row == last
            of_row = {
                "first": int(row == first),
                "last": int(ending),
                "both": int(row >= following and not (begins and ending)),
                "next_first": int(begins),
                "odd": number % 2,
            }
            stretches += [
                (
                    {"row": of_row, "column": column, "address": int(addresses[number, column])},
                    values[row, column].tolist(),
                )
                for column in range(columns)
            ]
        at = last + 1
        joined = values[first : last + 1].max(axis=0)
        expected += [(int(addresses[number, column]), joined[column].tolist()) for column in range(columns)]
    return stretches, expected


@pytest.mark.parametrize("idle", [0.0, 0.4])
@pytest.mark.parametrize("input_signed", [0, 1])
def test_rows_join(idle, input_signed):
    seed = 280
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    stretches, expected, least = [], [], 0
    for _ in range(20):
        made, complete = random_stretches(
            rng, int(rng.integers(CONFIG.pool_distance, CONFIG.pool_columns + 1))
        )
        found, cycles = PoolLine.model(made)
        assert found == complete
        stretches, expected, least = stretches + made, expected + complete, least + cycles
    dut = PoolLine(CONFIG)
    bench = Bench(dut, seed=seed, idle=idle)
    source = bench.source(dut.i, [stretch for stretch, _ in stretches])
    sink = bench.sink(dut.write, always_ready=True)

    async def script():
        bench.set(dut.layer, layer_fields(input_signed=input_signed, output_bank=2))
        busy = 1
        while busy or not source.empty:
            (busy,) = await bench.cycle(dut.busy)
            # Maxima stand two cycles after their stretch was taken, and one more if it takes two; otherwise there is rubbish.
            latest = len(source.accepted)
            ages = {bench.cycles - source.accepted[at]: at for at in range(max(0, latest - 3), latest)}
            stands = ages.get(2)
            if stands is None and 3 in ages and stretches[ages[3]][0]["row"]["both"]:
                stands = ages[3]
            rubbish = rng.integers(0, 256, CONFIG.chunk).tolist()
            bench.set(dut.values, rubbish if stands is None else stretches[stands][1])

    bench.run(script)
    flip = 0x80 * input_signed
    assert sink.payloads == [
        {
            "bank": 2,
            "address": address,
            "lanes": (1 << CONFIG.chunk) - 1,
            "values": [value ^ flip for value in values],
        }
        for address, values in expected
    ]
    if not idle:
        assert source.accepted[-1] + 1 + stretches[-1][0]["row"]["both"] == least
        assert sink.emitted[-1] == source.accepted[-1] + 3
