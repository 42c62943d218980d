"""Activation memory against numpy arrays: byte lanes, three banks, two ports that do not disturb each other."""

import numpy as np
import pytest

from hw.activations import ActivationMemory
from hw.formats import Bank

from .bench import Bench
from .layers import CONFIGURATIONS
from .streams import TRAFFIC

CONFIG = CONFIGURATIONS["tiny"]
WORDS = 24
BANKS = len(Bank)


def random_writes(rng, banks, count):
    """Writes of any lanes within the first words, and what they do to arrays of banks."""
    writes = []
    for _ in range(count):
        bank, address = int(rng.integers(BANKS)), int(rng.integers(WORDS))
        lanes, values = rng.integers(0, 2, CONFIG.chunk), rng.integers(0, 256, CONFIG.chunk)
        banks[bank, address] = np.where(lanes, values, banks[bank, address])
        mask = sum(int(lane) << index for index, lane in enumerate(lanes))
        writes.append({"bank": bank, "address": address, "lanes": mask, "values": values.tolist()})
    return writes


def everything(banks):
    """Requests for all words, and their responses."""
    requests = [{"bank": bank, "address": address} for bank in range(BANKS) for address in range(WORDS)]
    return requests, [banks[request["bank"], request["address"]].tolist() for request in requests]


@pytest.mark.parametrize("traffic", TRAFFIC)
@pytest.mark.parametrize("port", [0, 1])
def test_lanes_and_banks(port, traffic):
    """Words that are not written, and lanes that are not, keep what they held; the last word is one of them."""
    seed = 171
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    banks = np.zeros((BANKS, WORDS, CONFIG.chunk), np.int64)
    full = (1 << CONFIG.chunk) - 1
    guard = {"bank": 1, "address": CONFIG.activation_words - 1, "lanes": full, "values": [1, 2, 3, 4]}
    dut = ActivationMemory(CONFIG)
    bench = Bench(dut, seed=seed, **TRAFFIC[traffic])
    writer = bench.source(dut.write, [guard, *random_writes(rng, banks, 150)])
    requests, expected = everything(banks)
    sink = bench.sink(dut.responses[port])

    async def script():
        await bench.until(lambda: writer.empty)
        reader = bench.source(dut.requests[port], requests)
        reader.extend([{"bank": 1, "address": guard["address"]}, {"bank": 2, "address": guard["address"]}])
        await bench.take(sink, len(expected) + 2)
        await bench.repeat(10)

    bench.run(script)
    assert sink.payloads == [*expected, [1, 2, 3, 4], [0, 0, 0, 0]]


@pytest.mark.parametrize("traffic", TRAFFIC)
@pytest.mark.parametrize("read", [(0, 1), (2, 0), (1, 2)])
def test_two_ports_and_a_writer(read, traffic):
    """Each port reads its bank at its own pace while the third is written."""
    seed = 172
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    banks = np.zeros((BANKS, WORDS, CONFIG.chunk), np.int64)
    third = ({0, 1, 2} - set(read)).pop()
    dut = ActivationMemory(CONFIG)
    bench = Bench(dut, seed=seed, **TRAFFIC[traffic])
    writer = bench.source(dut.write, random_writes(rng, banks, 100))
    addresses = rng.integers(0, WORDS, (2, 60))
    sinks = [bench.sink(port) for port in dut.responses]

    async def script():
        await bench.until(lambda: writer.empty)
        writer.extend([write for write in random_writes(rng, banks, 150) if write["bank"] == third])
        for port, bank in enumerate(read):
            requests = [{"bank": bank, "address": int(address)} for address in addresses[port]]
            bench.source(dut.requests[port], requests)
        await bench.until(lambda: all(len(sink.payloads) >= 60 for sink in sinks))

    expected = np.copy(banks)
    bench.run(script)
    for port, bank in enumerate(read):
        assert sinks[port].payloads == expected[bank, addresses[port]].tolist()


@pytest.mark.parametrize("traffic", TRAFFIC)
def test_a_bank_is_read_and_written_at_once(traffic):
    """Few words, so that a word is often read and written in one cycle: it then comes as it was."""
    seed = 174
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    banks = np.zeros((BANKS, WORDS, CONFIG.chunk), np.int64)
    dut = ActivationMemory(CONFIG)
    bench = Bench(dut, seed=seed, **TRAFFIC[traffic])
    writes = [{**write, "address": write["address"] % 3} for write in random_writes(rng, banks, 300)]
    writer = bench.source(dut.write, writes)
    addresses = rng.integers(0, 3, 200).tolist()
    reader = bench.source(dut.requests[0], [{"bank": 1, "address": address} for address in addresses])
    sink = bench.sink(dut.responses[0])

    async def script():
        await bench.take(sink, len(addresses))

    bench.run(script)
    words = np.zeros((3, CONFIG.chunk), np.int64)
    expected, collisions, written = [], 0, dict(zip(writer.accepted, writes, strict=False))
    read = dict(zip(reader.accepted, addresses, strict=True))
    for cycle in range(max(read) + 1):
        write = written.get(cycle)
        write = write if write and write["bank"] == 1 else None
        if cycle in read:
            expected.append(words[read[cycle]].tolist())
            collisions += write is not None and write["address"] == read[cycle]
        for lane in range(CONFIG.chunk):
            if write and write["lanes"] >> lane & 1:
                words[write["address"], lane] = write["values"][lane]
    assert sink.payloads == expected
    assert collisions > 5


def test_ports_change_banks_from_one_request_to_the_next():
    rng = np.random.default_rng(173)
    banks = np.zeros((BANKS, WORDS, CONFIG.chunk), np.int64)
    dut = ActivationMemory(CONFIG)
    bench = Bench(dut, seed=173)
    writer = bench.source(dut.write, random_writes(rng, banks, 200))
    sinks = [bench.sink(port) for port in dut.responses]
    first = rng.integers(0, BANKS, 40)
    places = np.stack([first, (first + rng.integers(1, BANKS, 40)) % BANKS])
    addresses = rng.integers(0, WORDS, (2, 40))

    async def script():
        await bench.until(lambda: writer.empty)
        sources = [
            bench.source(
                dut.requests[port],
                [
                    {"bank": int(bank), "address": int(address)}
                    for bank, address in zip(places[port], addresses[port], strict=True)
                ],
            )
            for port in range(2)
        ]
        await bench.repeat(60)
        for source, sink in zip(sources, sinks, strict=True):
            assert np.diff(source.accepted).tolist() == [1] * 39
            assert sink.emitted == [cycle + ActivationMemory.LATENCY for cycle in source.accepted]

    bench.run(script)
    for port in range(2):
        assert sinks[port].payloads == banks[places[port], addresses[port]].tolist()
