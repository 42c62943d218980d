"""Activation tables against plain look-ups: a new activation in every cycle, every table, and none."""

import numpy as np
import pytest

from hw.config import Config
from hw.tables import ActivationTable

from .bench import Bench
from .layers import layer_fields


@pytest.mark.parametrize("tables", [1, 3])
def test_every_entry(tables):
    seed = 271
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    config = Config.preset("tiny").replace(tables=tables)
    contents = rng.integers(0, 256, (tables, 256))
    dut = ActivationTable(config)
    bench = Bench(dut, seed=seed)
    writes = [{"address": place, "data": entry} for place, entry in enumerate(contents.ravel().tolist())]
    source = bench.source(dut.store, writes)

    async def script():
        await bench.until(lambda: source.empty)
        for number in [*range(tables, -1, -1), 1]:
            bench.set(dut.layer, layer_fields(table=number))
            await bench.cycle()
            values, made = rng.permutation(256).tolist(), []
            for value in values:
                bench.set(dut.i, value)
                made += await bench.cycle(dut.o)
            for _ in range(ActivationTable.LATENCY):
                made += await bench.cycle(dut.o)
            assert made[ActivationTable.LATENCY :] == [
                contents[number - 1][value] if number else value for value in values
            ]

    bench.run(script)


def test_model():
    rng = np.random.default_rng(272)
    tables = rng.integers(-128, 128, (2, 256))
    values = rng.integers(-128, 256, 300)
    assert ActivationTable.model(values, tables, 0).tolist() == [value % 256 for value in values.tolist()]
    for number in (1, 2):
        expected = [int(tables[number - 1][value % 256]) % 256 for value in values.tolist()]
        assert ActivationTable.model(values, tables, number).tolist() == expected
