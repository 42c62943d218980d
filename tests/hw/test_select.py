"""Turns at activation memory: the owner reads and nobody else; units write at once, the host when none does."""

import numpy as np
import pytest

from hw.select import ReadSelect, WriteSelect
from hw.sequencer import Owner

from .bench import Bench
from .layers import CONFIGURATIONS
from .streams import TRAFFIC

CONFIG = CONFIGURATIONS["tiny"]


@pytest.mark.parametrize("traffic", TRAFFIC)
def test_only_the_owner_reads(traffic):
    """All units ask all the time; each is served in its turns alone."""
    seed = 241
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    words = rng.integers(0, 256, (3, CONFIG.activation_words, CONFIG.chunk)).tolist()
    dut = ReadSelect(CONFIG)
    bench = Bench(dut, seed=seed, **TRAFFIC[traffic])
    bench.memory(dut.request, dut.response, lambda request: words[request["bank"]][request["address"]])
    sources = [bench.source(port) for port in dut.requests]
    sinks = [bench.sink(port) for port in dut.responses]
    expected = [[] for _ in Owner]

    async def script():
        for turn in [*range(len(Owner)), *rng.integers(0, len(Owner), 12).tolist()]:
            for source, wanted in zip(sources, expected, strict=True):
                for _ in range(4):
                    bank, address = int(rng.integers(3)), int(rng.integers(CONFIG.activation_words))
                    source.extend([{"bank": bank, "address": address}])
                    wanted.append(words[bank][address])
            bench.set(dut.owner, turn)
            before = [len(source.accepted) for source in sources]
            await bench.take(sinks[turn], len(expected[turn]))
            for index, source in enumerate(sources):
                assert source.empty if index == turn else len(source.accepted) == before[index]
                assert sinks[index].payloads == expected[index][: len(source.accepted)]

    bench.run(script)


def random_write(rng):
    return {
        "bank": int(rng.integers(3)),
        "address": int(rng.integers(CONFIG.activation_words)),
        "lanes": int(rng.integers(1 << CONFIG.chunk)),
        "values": rng.integers(0, 256, CONFIG.chunk).tolist(),
    }


@pytest.mark.parametrize("density", [0.2, 0.9])
def test_units_write_at_once_and_the_host_when_none_does(density):
    seed = 242
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    dut = WriteSelect(CONFIG, writers=3)
    bench = Bench(dut, seed=seed, idle=0.3)
    loaded = [random_write(rng) for _ in range(40)]
    host = bench.source(dut.writers[0], loaded)
    sink = bench.sink(dut.o, always_ready=True)
    written = {}

    async def script():
        while not host.empty:
            unit = int(rng.integers(1, 3)) if rng.random() < density else None
            for index in (1, 2):
                bench.set(dut.writers[index].payload, write := random_write(rng))
                bench.set(dut.writers[index].valid, index == unit)
                if index == unit:
                    written[bench.cycles] = write
            ready = await bench.cycle(*(writer.ready for writer in dut.writers))
            assert ready == [unit is None, 1, 1]

    bench.run(script)
    assert not written.keys() & set(host.accepted)
    written.update(zip(host.accepted, loaded, strict=True))
    assert dict(zip(sink.emitted, sink.payloads, strict=True)) == written
