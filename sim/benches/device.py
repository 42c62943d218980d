"""A device for a host outside of the simulator, which says through a socket what to do and how long the simulation may go on.

Time stands still between orders, so the same orders give the same cycles. ``sim.simulated_link`` is the other end, and has the
layout of orders and reports.
"""

import socket

import cocotb
from cocotb.queue import Queue
from cocotb.triggers import ClockCycles, Timer
from cocotb.utils import get_sim_time

from sim.host import SerialHost, StreamHost
from sim.runner import bench_parameters
from sim.simulated_link import ORDER, REPORT, Order
from sim.streams import CLOCK_NANOSECONDS, start

#: Cycles without a byte after which those that have come are reported, in units of what a byte takes.
_GAP = 32
#: A byte may wait for as long as the host likes to simulate.
_ENDLESS = 1 << 62


class _Bridge:
    """Carries out orders."""

    def __init__(self, dut, link, divisor):
        self._dut, self._link = dut, link
        self._gap = _GAP * (1 if divisor is None else divisor)
        serial = divisor is not None
        self._host = SerialHost(dut, divisor, _ENDLESS) if serial else StreamHost(dut, _ENDLESS)
        self._waiting = Queue()
        self._sender = cocotb.start_soon(self._send())

    async def _send(self):
        while True:
            await self._host.send(await self._waiting.get())

    async def serve(self):
        """Until the host closes the link."""
        while head := self._link.read(ORDER.size):
            order, number = ORDER.unpack(head)
            if order == Order.SEND:
                self._waiting.put_nowait(self._link.read(number))
            elif order == Order.TAKE:
                # What came so far, or comes within the time, with what follows it at once.
                came = 0
                if await self._host.wait(number):
                    while came < len(self._host.received):
                        came = len(self._host.received)
                        await Timer(self._gap * CLOCK_NANOSECONDS, "ns")
                self._report(self._host.collect())
            else:
                await self._reset()
                self._report(b"")

    def _report(self, data):
        cycles = round(get_sim_time("ns") / CLOCK_NANOSECONDS)
        self._link.write(REPORT.pack(cycles, len(data)) + data)
        self._link.flush()

    async def _reset(self):
        """Reset the device for two cycles; bytes on their way are gone."""
        self._sender.cancel()
        self._host.silence()
        while not self._waiting.empty():
            self._waiting.get_nowait()
        self._dut.rst.value = 1
        await ClockCycles(self._dut.clk, 2)
        self._dut.rst.value = 0
        await ClockCycles(self._dut.clk, 1)
        self._host.collect()
        self._sender = cocotb.start_soon(self._send())


@cocotb.test
async def serves_a_host(dut):
    parameters = bench_parameters()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(parameters["socket"])
        with connection.makefile("rwb") as link:
            bridge = _Bridge(dut, link, parameters["divisor"])
            await start(dut, limit_cycles=None)
            await bridge.serve()
