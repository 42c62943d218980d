"""A PE, and a block of PEs with their ring, on whole convolutions: every partial sum against the reference.

``jobs`` of the bench's parameters holds the layers, packed as the compiler packs them; all of them are run one after the
other, twice, without a reset in between, so nothing of a layer may be left when it has ended.
"""

import random

import cocotb
from cocotb.triggers import ReadWrite, RisingEdge

from sim.runner import bench_parameters
from sim.streams import TRAFFIC, StreamMonitor, StreamSink, StreamSource, start

LIMIT_CYCLES = 200_000


async def load(dut, job, coefficients, writers, basis_writer, loaded_writer):
    """Write coefficients and bases, present the layer, and start it."""
    for writer, words in zip(writers, coefficients, strict=True):
        await writer.send(words)
    dut.layer.value = job["layer"]
    await basis_writer.send(job["bases"])
    dut.start.value = 1
    await RisingEdge(dut.clk)
    dut.start.value = 0
    await loaded_writer.send([0])


async def collect(dut, sinks, expected):
    """Take all results of all PEs and compare; then the design must come to rest and give no more."""
    tasks = [
        cocotb.start_soon(sink.receive(len(values))) for sink, values in zip(sinks, expected, strict=True)
    ]
    for number, (task, values) in enumerate(zip(tasks, expected, strict=True)):
        assert await task == values, f"results of PE {number}"
    while dut.busy.value:
        await RisingEdge(dut.clk)


def make_sources(dut, names):
    """Sources of the coefficients, of the bases, and of the word that these are loaded."""
    dut.start.value = 0
    return (
        [StreamSource(dut, name) for name in names],
        StreamSource(dut, "basis"),
        StreamSource(dut, "loaded"),
    )


@cocotb.test
@cocotb.parametrize(traffic=list(TRAFFIC))
async def block(dut, traffic):
    parameters = bench_parameters()
    idle, stall = TRAFFIC[traffic]
    jobs = parameters["jobs"]
    writers, *basis_writers = make_sources(dut, ["coefficients"])
    source = StreamSource(dut, "i", idle=idle, seed=parameters["seed"])
    names = [f"o__{number}" for number in range(len(jobs[0]["expected"]))]
    sinks = [StreamSink(dut, name, stall=stall, seed=parameters["seed"]) for name in names]
    monitors = [StreamMonitor(dut, name) for name in names]
    await start(dut, limit_cycles=LIMIT_CYCLES)
    count = 0
    for job in jobs * 2:
        await load(dut, job, [job["coefficients"]], writers, *basis_writers)
        feeding = cocotb.start_soon(source.send(job["chunks"]))
        await collect(dut, sinks, job["expected"])
        await feeding
        count += len(job["expected"][0])
    assert [len(monitor.transfers) for monitor in monitors] == [count] * len(monitors)


class RingOfOneReader:
    """What a row sees of the ring: its chunks come one after the other, some of them late."""

    def __init__(self, dut, row, idle, seed):
        self._clock = dut.clk
        self._offset = getattr(dut, f"readers__{row}__offset")
        self._present = getattr(dut, f"readers__{row}__present")
        self._entry = getattr(dut, f"readers__{row}__entry")
        self._advance = getattr(dut, f"readers__{row}__advance")
        self._idle = idle
        self._random = random.Random(f"ring {row} {seed}")
        self._present.value = 0

    async def feed(self, chunks, pixel_chunks):
        """Returns when the row has released every pixel."""
        pixel, written, total = 0, 0, len(chunks)
        while pixel * pixel_chunks < total:
            if self._random.random() >= self._idle:
                written = min(written + 1, total)
            # The row asks and is answered within a cycle.
            await ReadWrite()
            wanted = pixel * pixel_chunks + int(self._offset.value)
            self._present.value = wanted < written
            self._entry.value = chunks[wanted % total]
            await RisingEdge(self._clock)
            pixel += int(self._advance.value)
        self._present.value = 0


@cocotb.test
@cocotb.parametrize(traffic=list(TRAFFIC))
async def pe(dut, traffic):
    parameters = bench_parameters()
    idle, stall = TRAFFIC[traffic]
    jobs = parameters["jobs"]
    rows = parameters["rows"]
    writers, *basis_writers = make_sources(dut, [f"coefficients__{row}" for row in range(rows)])
    rings = [RingOfOneReader(dut, row, idle, parameters["seed"]) for row in range(rows)]
    sink = StreamSink(dut, "o", stall=stall, seed=parameters["seed"])
    monitor = StreamMonitor(dut, "o")
    await start(dut, limit_cycles=LIMIT_CYCLES)
    count = 0
    for job in jobs * 2:
        await load(dut, job, job["row_coefficients"], writers, *basis_writers)
        feeding = [
            cocotb.start_soon(ring.feed(chunks, job["pixel_chunks"]))
            for ring, chunks in zip(rings, job["row_chunks"], strict=True)
        ]
        await collect(dut, [sink], job["expected"][:1])
        for task in feeding:
            await task
        count += len(job["expected"][0])
    assert len(monitor.transfers) == count
