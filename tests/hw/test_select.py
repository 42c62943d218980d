"""Turns at activation memory: the owner reads and nobody else; writers are joined in the same cycle."""

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


def test_writers():
    seed = 242
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    dut = WriteSelect(CONFIG, writers=3)
    bench = Bench(dut, seed=seed)
    expected, cycles = [], []
    sink = bench.sink(dut.o, always_ready=True)

    async def script():
        for _ in range(100):
            turn = int(rng.integers(4))
            for index, writer in enumerate(dut.writers):
                write = {
                    "bank": int(rng.integers(3)),
                    "address": int(rng.integers(CONFIG.activation_words)),
                    "lanes": int(rng.integers(1 << CONFIG.chunk)),
                    "values": rng.integers(0, 256, CONFIG.chunk).tolist(),
                }
                bench.set(writer.payload, write)
                bench.set(writer.valid, index == turn)
                if index == turn:
                    expected.append(write)
                    cycles.append(bench.cycles)
            ready = await bench.cycle(*(writer.ready for writer in dut.writers))
            assert ready == [1, 1, 1]

    bench.run(script)
    assert sink.payloads == expected
    assert sink.emitted == cycles
