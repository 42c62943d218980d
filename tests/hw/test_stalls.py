"""Stall counters count every cycle of every unit since they were cleared."""

import numpy as np

from hw.protocol import STALLS, Unit
from hw.stalls import StallCounters

from .bench import Bench


def test_counts():
    seed = 251
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    dut = StallCounters()
    bench = Bench(dut)
    runs = [rng.random((cycles, len(Unit))) < rng.random(len(Unit)) for cycles in (40, 1, 300)]

    async def script():
        for stalled in runs:
            await bench.pulse(dut.clear)
            for cycle in stalled:
                bench.set(dut.stalled, sum(int(waits) << unit for unit, waits in enumerate(cycle)))
                await bench.cycle()
            bench.set(dut.stalled, 0)
            await bench.repeat(2)
            assert [bench.get(count) for count in dut.counts] == StallCounters.model(stalled)
        await bench.pulse(dut.clear)
        assert not any(bench.get(count) for count in dut.counts)

    bench.run(script)


def test_every_unit_is_explained():
    assert list(STALLS) == list(Unit)
    assert [unit.value for unit in Unit] == list(range(len(Unit)))
