"""Tests that pass and fail in every way there is, for test_runner.py."""

import os
import signal
import time

import cocotb
from cocotb.triggers import RisingEdge, Timer

from sim.runner import bench_parameters
from sim.streams import StreamMonitor, StreamSink, StreamSource, start

LIMIT = 2000


@cocotb.test
async def adds_one(dut):
    parameters = bench_parameters()
    source = StreamSource(dut, "i", idle=parameters["idle"], seed=parameters["seed"])
    sink = StreamSink(dut, "o", stall=parameters["stall"], seed=parameters["seed"])
    StreamMonitor(dut, "i")
    monitor = StreamMonitor(dut, "o")
    await start(dut, limit_cycles=LIMIT)
    cocotb.start_soon(source.send(range(100)))
    payloads = await sink.receive(100)
    assert payloads == list(range(1, 101))
    assert [payload for _, payload in monitor.transfers] == payloads
    cycles = monitor.transfers[-1][0] - monitor.transfers[0][0]
    assert (cycles == 99) == parameters["free"], f"100 transfers took {cycles} cycles"


@cocotb.test
async def is_wrong(dut):
    source, sink = StreamSource(dut, "i"), StreamSink(dut, "o")
    await start(dut, limit_cycles=LIMIT)
    cocotb.start_soon(source.send([1]))
    assert await sink.receive(1) == [3], "one and one is not three"


@cocotb.test
async def waits_for_ever(dut):
    sink = StreamSink(dut, "o")
    await start(dut, limit_cycles=LIMIT)
    await sink.receive(1)


@cocotb.test
async def dies(dut):
    os.kill(os.getpid(), signal.SIGSEGV)


@cocotb.test
async def hangs(dut):
    time.sleep(60)


async def break_stream(dut, change):
    StreamMonitor(dut, "i")
    await start(dut, limit_cycles=LIMIT)
    dut.o__ready.value = 0
    dut.i__valid.value = 1
    dut.i__payload.value = 7
    for _ in range(3):
        await RisingEdge(dut.clk)
    change()
    for _ in range(3):
        await RisingEdge(dut.clk)
    await Timer(1, "ns")


@cocotb.test
async def changes_payload(dut):
    await break_stream(dut, lambda: setattr(dut.i__payload, "value", 8))


@cocotb.test
async def withdraws_valid(dut):
    await break_stream(dut, lambda: setattr(dut.i__valid, "value", 0))
