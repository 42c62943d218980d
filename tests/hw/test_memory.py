"""Word memory against a dictionary: tags travel, stalls lose nothing, two cycles and one word a cycle."""

import random

import numpy as np
import pytest
from amaranth.hdl import signed
from amaranth.lib import data

from hw.memory import WordMemory

from .bench import Bench
from .streams import TRAFFIC

DEPTH = 20
WORD = data.StructLayout({"low": signed(9), "high": 7})


def random_word(rng):
    return {"low": rng.randrange(-256, 256), "high": rng.randrange(128)}


def memory_and_bench(seed, **traffic):
    dut = WordMemory(WORD, DEPTH, tag=data.StructLayout({"number": 6, "flag": 1}))
    bench = Bench(dut, seed=seed, **traffic)
    return dut, bench, bench.source(dut.write), bench.sink(dut.response)


@pytest.mark.parametrize("traffic", TRAFFIC)
def test_words_and_tags(traffic):
    seed = 161
    rng = random.Random(seed)
    dut, bench, writer, sink = memory_and_bench(seed, **TRAFFIC[traffic])
    requests = bench.source(dut.request)
    held, expected = {}, []

    async def script():
        for _ in range(3):
            # All words at first, then some of them again; then reads of any, some twice in a row.
            addresses = range(DEPTH) if not held else rng.sample(range(DEPTH), 8)
            written = {address: random_word(rng) for address in addresses}
            held.update(written)
            writer.extend({"address": address, "data": word} for address, word in written.items())
            await bench.until(lambda: writer.empty)
            for _ in range(40):
                address = rng.choice([rng.randrange(DEPTH), 7])
                tag = {"number": rng.randrange(64), "flag": rng.randrange(2)}
                requests.extend([{"address": address, "tag": tag}])
                expected.append({"data": held[address], "tag": tag})
            await bench.take(sink, len(expected))
        await bench.repeat(20)

    bench.run(script)
    assert sink.payloads == expected


@pytest.mark.parametrize("traffic", TRAFFIC)
def test_writes_elsewhere_do_not_disturb(traffic):
    """Reads of one half of the memory while the other half is written."""
    seed = 162
    rng = random.Random(seed)
    dut, bench, writer, sink = memory_and_bench(seed, **TRAFFIC[traffic])
    words = [random_word(rng) for _ in range(DEPTH // 2)]
    addresses = [rng.randrange(DEPTH // 2) for _ in range(60)]

    async def script():
        writer.extend({"address": address, "data": word} for address, word in enumerate(words))
        await bench.until(lambda: writer.empty)
        bench.source(dut.request, [{"address": address, "tag": {}} for address in addresses])
        writer.extend({"address": DEPTH // 2 + index % 10, "data": random_word(rng)} for index in range(60))
        await bench.take(sink, len(addresses))

    bench.run(script)
    assert [response["data"] for response in sink.payloads] == [words[address] for address in addresses]


def test_two_cycles_and_one_word_a_cycle():
    dut, bench, _, sink = memory_and_bench(163)
    requests = bench.source(dut.request, [{"address": index % DEPTH, "tag": {}} for index in range(30)])

    async def script():
        await bench.take(sink, 30)

    bench.run(script)
    assert requests.accepted == list(range(30))
    assert sink.emitted == list(range(2, 32))


def test_a_write_is_seen_by_the_next_read():
    dut, bench, writer, sink = memory_and_bench(164)

    async def script():
        writer.extend([{"address": 3, "data": {"low": -5, "high": 99}}])
        await bench.cycle()
        request = bench.source(dut.request, [{"address": 3, "tag": {"number": 9, "flag": 1}}])
        await bench.take(sink, 1)
        assert np.diff([*writer.accepted, *request.accepted]).tolist() == [1]

    bench.run(script)
    assert sink.payloads == [{"data": {"low": -5, "high": 99}, "tag": {"number": 9, "flag": 1}}]
