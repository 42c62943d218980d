"""Activation memory: both read ports, the byte enables, and a word that is read as it is written, against a dictionary."""

import random

import cocotb

from hw.activations import activation_write_layout
from hw.config import Config
from hw.formats import Bank, dense_layout, read_layout
from sim.runner import bench_parameters
from sim.streams import TRAFFIC, StreamMonitor, StreamSink, StreamSource, start


@cocotb.test
@cocotb.parametrize(traffic=list(TRAFFIC))
async def keeps_what_was_written(dut, traffic):
    parameters = bench_parameters()
    config = Config.from_dict(parameters["config"])
    generator = random.Random(f"{parameters['seed']} {traffic}")
    idle, stall = TRAFFIC[traffic]
    write_layout = activation_write_layout(config)
    chunks = dense_layout(config)
    writer = StreamSource(dut, "write", idle=idle, seed=0)
    requests = [StreamSource(dut, f"requests__{port}", idle=idle, seed=port) for port in range(2)]
    responses = [StreamSink(dut, f"responses__{port}", stall=stall, seed=port) for port in range(2)]
    monitors = [StreamMonitor(dut, f"responses__{port}") for port in range(2)]
    await start(dut, limit_cycles=20000)

    addresses = [0, config.activation_words - 1, *generator.sample(range(1, config.activation_words - 1), 20)]
    places = [(bank, address) for bank in Bank for address in addresses]
    memory = {place: [0] * config.chunk for place in places}
    full = (1 << config.chunk) - 1

    def write(place, lanes):
        values = [generator.randrange(256) for _ in range(config.chunk)]
        for lane in range(config.chunk):
            if lanes >> lane & 1:
                memory[place][lane] = values[lane]
        word = {"bank": place[0], "address": place[1], "lanes": lanes, "values": values}
        return write_layout.const(word).as_bits()

    words = [write(place, full) for place in places]
    words += [write(generator.choice(places), generator.randrange(full + 1)) for _ in range(200)]
    await writer.send(words)

    # The two ports never ask for the same bank.
    homes = (Bank.B,), (Bank.A, Bank.C)
    wanted = [[place for place in places if place[0] in banks] * 2 for banks in homes]
    tasks = []
    for port in range(2):
        generator.shuffle(wanted[port])
        asked = [read_layout.const({"bank": bank, "address": at}).as_bits() for bank, at in wanted[port]]
        cocotb.start_soon(requests[port].send(asked))
        tasks.append(cocotb.start_soon(responses[port].receive(len(asked))))
    for port, task in enumerate(tasks):
        received = [list(chunks.from_bits(bits)) for bits in await task]
        assert received == [memory[place] for place in wanted[port]]
        cycles = [cycle for cycle, _ in monitors[port].transfers]
        if traffic == "free":
            assert cycles[-1] - cycles[0] == len(cycles) - 1, "not one chunk a cycle"


@cocotb.test
async def gives_the_word_that_a_write_replaces(dut):
    """Every cycle reads and writes one word; other lanes than the written ones are as they were, too."""
    parameters = bench_parameters()
    config = Config.from_dict(parameters["config"])
    generator = random.Random(parameters["seed"])
    write_layout = activation_write_layout(config)
    chunks = dense_layout(config)
    full = (1 << config.chunk) - 1
    steps = []
    for number in range(200):
        place = {"bank": Bank.B, "address": generator.randrange(2)}
        values = [generator.randrange(256) for _ in range(config.chunk)]
        # Whole words first.
        lanes = generator.randrange(full + 1) if number > 10 else full
        steps.append((place, lanes, values))
    writer, request = StreamSource(dut, "write"), StreamSource(dut, "requests__0")
    response = StreamSink(dut, "responses__0")
    writes, requests = StreamMonitor(dut, "write"), StreamMonitor(dut, "requests__0")
    await start(dut, limit_cycles=20000)
    cocotb.start_soon(
        writer.send(
            [write_layout.const({**place, "lanes": m, "values": v}).as_bits() for place, m, v in steps]
        )
    )
    cocotb.start_soon(request.send([read_layout.const(place).as_bits() for place, _, _ in steps]))
    received = [list(chunks.from_bits(bits)) for bits in await response.receive(len(steps))]
    assert [cycle for cycle, _ in writes.transfers] == [cycle for cycle, _ in requests.transfers]
    words, known = [[0] * config.chunk, [0] * config.chunk], [False, False]
    for (place, lanes, values), got in zip(steps, received, strict=True):
        at = place["address"]
        if known[at]:
            assert got == words[at]
        known[at] |= lanes == full
        for lane in range(config.chunk):
            if lanes >> lane & 1:
                words[at][lane] = values[lane]
