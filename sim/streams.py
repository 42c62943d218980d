"""Drive, take and watch farthing's streams from cocotb.

A stream of an Amaranth component has the Verilog ports ``i__payload``, ``i__valid`` and ``i__ready``, whatever its
name is instead of ``i``. Payloads are plain integers here: ``layout.const({...}).as_bits()`` makes one, ``layout.from_bits(n)``
takes it apart. All helpers act at rising edges: what they read is what registers see there, and what they
write changes after it.
"""

import random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge

__all__ = ["CLOCK_NANOSECONDS", "TRAFFIC", "StreamMonitor", "StreamSink", "StreamSource", "start", "watchdog"]

#: Period of the clock.
CLOCK_NANOSECONDS = 10

#: Shares of cycles in which the source has nothing to send, and in which the sink takes nothing.
TRAFFIC = {"free": (0.0, 0.0), "idle": (0.6, 0.0), "back-pressure": (0.0, 0.6), "both": (0.4, 0.4)}


async def start(dut, *, limit_cycles):
    """Start the clock and the watchdog, then reset for two cycles; every bench begins with this.

    Returns the watchdog's task: who starts again within one test cancels it first. Without a limit there is no
    watchdog: then every wait of the bench has a limit of its own.

    Make sources and sinks first: they drive their signals low until they are used.
    """
    dut.rst.value = 1
    Clock(dut.clk, CLOCK_NANOSECONDS, unit="ns").start()
    watch = None if limit_cycles is None else watchdog(dut, limit_cycles)
    await ClockCycles(dut.clk, 2)
    dut.rst.value = 0
    await RisingEdge(dut.clk)
    return watch


def watchdog(dut, limit_cycles):
    """Fail the running test if it has not ended after ``limit_cycles``; cancel the returned task to end the watch."""

    async def watch():
        await ClockCycles(dut.clk, limit_cycles)
        raise AssertionError(f"the bench was not done after {limit_cycles} cycles")

    return cocotb.start_soon(watch())


class _Port:
    """Handles of one stream, fetched once. A stream that is always valid or always ready has no such port."""

    def __init__(self, dut, name):
        self.name = name
        self.edge = RisingEdge(dut.clk)
        self.payload = getattr(dut, f"{name}__payload")
        self.valid = getattr(dut, f"{name}__valid", None)
        self.ready = getattr(dut, f"{name}__ready", None)


def _high(handle):
    return handle is None or bool(handle.value)


class StreamSource:
    """Sends payloads into an input stream; in a share ``idle`` of the cycles in between it has nothing to send.

    Keeps the rules of streams: once valid, payload and valid stay until the transfer.
    """

    def __init__(self, dut, name, *, idle=0.0, seed=0):
        self._port = _Port(dut, name)
        self._idle = idle
        self._random = random.Random(f"source {name} {seed}")
        if self._port.valid is not None:
            self._port.valid.value = 0

    async def send(self, payloads):
        """Send every payload; returns in the cycle after the last transfer."""
        port = self._port
        for payload in payloads:
            while self._idle and self._random.random() < self._idle:
                await port.edge
            port.payload.value = payload
            if port.valid is not None:
                port.valid.value = 1
            await port.edge
            while not _high(port.ready):
                await port.edge
            if port.valid is not None:
                port.valid.value = 0


class StreamSink:
    """Takes payloads from an output stream; in a share ``stall`` of the cycles it is not ready."""

    def __init__(self, dut, name, *, stall=0.0, seed=0):
        self._port = _Port(dut, name)
        self._stall = stall
        self._random = random.Random(f"sink {name} {seed}")
        if self._port.ready is not None:
            self._port.ready.value = 0

    async def receive(self, count):
        """The next ``count`` payloads, as integers; not ready before and after.

        Returns a cycle after the last transfer, when every monitor has seen it.
        """
        port, payloads = self._port, []
        if port.ready is None:
            while len(payloads) < count:
                await port.edge
                if _high(port.valid):
                    payloads.append(int(port.payload.value))
            await port.edge
            return payloads
        while len(payloads) < count:
            ready = self._random.random() >= self._stall
            port.ready.value = ready
            await port.edge
            if ready and _high(port.valid):
                payloads.append(int(port.payload.value))
        port.ready.value = 0
        await port.edge
        return payloads


class StreamMonitor:
    """Watches a stream for the whole test: fails it if valid falls or the payload changes before a transfer.

    ``transfers`` lists ``(cycle, payload)`` of every transfer, cycles counted from the start of the watch.
    """

    def __init__(self, dut, name):
        self.transfers = []
        self._port = _Port(dut, name)
        self._reset = dut.rst
        cocotb.start_soon(self._watch())

    async def _watch(self):
        port, cycle, waiting = self._port, 0, None
        while True:
            await port.edge
            valid = _high(port.valid) and not _high(self._reset)
            payload = int(port.payload.value) if valid else None
            assert waiting is None or payload == waiting, (
                f"stream {port.name} offered {waiting:#x} and, before it was taken, changed to "
                + (f"{payload:#x}" if valid else "not valid")
            )
            waiting = None
            if valid and _high(port.ready):
                self.transfers.append((cycle, payload))
            elif valid:
                waiting = payload
            cycle += 1
