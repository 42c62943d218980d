"""Input ring: readers of different pace see every pixel, and nothing is overwritten before all have passed."""

import random

import cocotb
from cocotb.triggers import ReadWrite, RisingEdge

from hw.config import Config
from hw.formats import ring_layout
from sim.runner import bench_parameters
from sim.streams import TRAFFIC, StreamMonitor, StreamSource, start


async def read(dut, reader, pixels, chunks, stall, generator):
    """One row: reads some chunks of every pixel in order, then releases it. Returns ``(pixel, offset, entry)``."""
    offset = getattr(dut, f"readers__{reader}__offset")
    present = getattr(dut, f"readers__{reader}__present")
    entry = getattr(dut, f"readers__{reader}__entry")
    advance = getattr(dut, f"readers__{reader}__advance")
    seen = []
    for pixel in range(pixels):
        wanted = sorted(generator.sample(range(chunks), generator.randint(1, chunks)))
        for index in wanted:
            while generator.random() < stall:
                advance.value = 0
                await RisingEdge(dut.clk)
            offset.value = index
            advance.value = 0
            await ReadWrite()
            while not present.value:
                await RisingEdge(dut.clk)
                await ReadWrite()
            seen.append((pixel, index, int(entry.value)))
            advance.value = index == wanted[-1]
            await RisingEdge(dut.clk)
    advance.value = 0
    return seen


async def begin(dut):
    """Start a layer once its description has settled."""
    for value in (0, 0, 1, 0):
        dut.start.value = value
        await RisingEdge(dut.clk)


@cocotb.test
@cocotb.parametrize(traffic=list(TRAFFIC))
async def shares_one_stream(dut, traffic):
    parameters = bench_parameters()
    config = Config.from_dict(parameters["config"])
    seed, readers = parameters["seed"], parameters["readers"]
    generator = random.Random(f"{seed} {traffic}")
    idle, stall = TRAFFIC[traffic]
    width = ring_layout(config).size
    source = StreamSource(dut, "i", idle=idle, seed=seed)
    StreamMonitor(dut, "i")
    for chunks in range(1, config.chunks + 1):
        pixels = 60
        entries = [generator.getrandbits(width) for _ in range(pixels * chunks)]
        dut.pixel_chunks.value = chunks
        dut.squares.value = dut.last_upper.value = dut.last_left.value = 0
        watch = await start(dut, limit_cycles=100 * pixels * chunks)
        await begin(dut)
        sending = cocotb.start_soon(source.send(entries))
        tasks = [
            cocotb.start_soon(
                # The last reader is the slowest: it alone holds up the writer.
                read(
                    dut, reader, pixels, chunks, stall / (readers - reader), random.Random(f"{seed} {reader}")
                )
            )
            for reader in range(readers)
        ]
        for task in tasks:
            seen = await task
            assert seen == [(pixel, index, entries[pixel * chunks + index]) for pixel, index, _ in seen]
            assert {pixel for pixel, _, _ in seen} == set(range(pixels))
        await sending
        watch.cancel()


@cocotb.test
async def waits_for_the_slowest(dut):
    """A reader that does not move lets in exactly as many entries as the ring has, whatever the others do."""
    parameters = bench_parameters()
    config = Config.from_dict(parameters["config"])
    dut.pixel_chunks.value = 1
    for reader in range(parameters["readers"]):
        getattr(dut, f"readers__{reader}__offset").value = 0
        getattr(dut, f"readers__{reader}__advance").value = 0
    source = StreamSource(dut, "i")
    monitor = StreamMonitor(dut, "i")
    dut.squares.value = dut.last_upper.value = dut.last_left.value = 0
    await start(dut, limit_cycles=1000)
    await begin(dut)
    cocotb.start_soon(source.send(range(10 * config.ring)))
    others = parameters["readers"] - 1
    tasks = [
        cocotb.start_soon(read(dut, reader, config.ring, 1, 0.0, random.Random(reader)))
        for reader in range(others)
    ]
    for task in tasks:
        await task
    for _ in range(5):
        await RisingEdge(dut.clk)
    assert len(monitor.transfers) == config.ring
    # It lets more in when as many places are free as it cannot see being taken, and then exactly as many.
    unseen = config.ring_unseen
    seen = await read(dut, others, unseen - 1, 1, 0.0, random.Random(0))
    for _ in range(10):
        await RisingEdge(dut.clk)
    assert len(monitor.transfers) == config.ring
    seen += await read(dut, others, 1, 1, 0.0, random.Random(0))
    assert [entry for _, _, entry in seen] == list(range(unseen))
    for _ in range(10):
        await RisingEdge(dut.clk)
    assert len(monitor.transfers) == config.ring + unseen
