"""SparseMap decoder and encoder, each against plain loops over the lanes of a chunk."""

import cocotb
import numpy as np
from amaranth.lib import data

from hw.config import Config
from hw.formats import dense_layout, ring_layout, sparse_layout
from sim.runner import bench_parameters
from sim.streams import TRAFFIC, StreamMonitor, StreamSink, StreamSource, start

COUNT = 150


def random_chunks(rng, width):
    """Dense chunks of every density, the empty and the full one among them."""
    present = rng.random((COUNT, width)) < rng.random((COUNT, 1))
    present[0], present[1] = False, True
    return rng.integers(1, 256, (COUNT, width)) * present


def sparse(chunk):
    """Mask and packed values of one dense chunk."""
    nonzero = [int(value) for value in chunk if value]
    mask = sum(1 << lane for lane, value in enumerate(chunk) if value)
    return {"mask": mask, "values": nonzero + [0] * (len(chunk) - len(nonzero))}


async def transform(dut, payloads, traffic, seed):
    """Payloads that leave for those that enter, watched on both sides; their cycles."""
    idle, stall = TRAFFIC[traffic]
    source = StreamSource(dut, "i", idle=idle, seed=seed)
    sink = StreamSink(dut, "o", stall=stall, seed=seed)
    StreamMonitor(dut, "i")
    monitor = StreamMonitor(dut, "o")
    await start(dut, limit_cycles=20 * len(payloads) + 100)
    cocotb.start_soon(source.send(payloads))
    received = await sink.receive(len(payloads))
    cycles = [cycle for cycle, _ in monitor.transfers]
    if traffic == "free":
        assert cycles[-1] - cycles[0] == len(payloads) - 1, "not one chunk a cycle"
    return received


@cocotb.test
@cocotb.parametrize(traffic=list(TRAFFIC))
async def decodes(dut, traffic):
    parameters = bench_parameters()
    config = Config.from_dict(parameters["config"])
    rng = np.random.default_rng(parameters["seed"])
    chunks = random_chunks(rng, config.chunk)
    layout = sparse_layout(config)
    payloads = [layout.const(sparse(chunk)).as_bits() for chunk in chunks]
    received = await transform(dut, payloads, traffic, parameters["seed"])
    for chunk, bits in zip(chunks, received, strict=True):
        decoded = layout.from_bits(bits)
        assert decoded.mask == sparse(chunk)["mask"]
        assert list(decoded.values) == chunk.tolist()


@cocotb.test
@cocotb.parametrize(traffic=list(TRAFFIC))
async def encodes(dut, traffic):
    parameters = bench_parameters()
    config = Config.from_dict(parameters["config"])
    rng = np.random.default_rng(parameters["seed"])
    chunks = random_chunks(rng, config.chunk)
    dense, layout = dense_layout(config), ring_layout(config)
    payloads = [dense.const(chunk.tolist()).as_bits() for chunk in chunks]
    received = await transform(dut, payloads, traffic, parameters["seed"])
    plain = data.StructLayout({"mask": config.chunk, "values": dense})
    for chunk, bits in zip(chunks, received, strict=True):
        encoded = layout.from_bits(bits)
        assert {"mask": encoded.mask, "values": list(encoded.values)} == sparse(chunk)
        # Mask and values come first, so the form without controls is the lower part of the word.
        assert bits & (1 << plain.size) - 1 == plain.const(sparse(chunk)).as_bits()
