"""A host in cocotb: bytes to and from a simulated device, through its byte streams or through the pins of its serial line."""

import cocotb
from cocotb.triggers import Event, FallingEdge, First, RisingEdge, Timer

from sw.frames import ResponseParser

from .streams import CLOCK_NANOSECONDS

__all__ = ["SerialHost", "StreamHost"]


class _Host:
    """What both have in common: bytes that came wait in ``received``."""

    def __init__(self, limit_cycles):
        self.limit_cycles = limit_cycles
        self.received = bytearray()
        self._came = Event()
        self._receiver = cocotb.start_soon(self._receive())

    def _take(self, byte):
        self.received.append(byte)
        self._came.set()

    async def wait(self, cycles):
        """Whether a byte is there, or comes within so many cycles."""
        if not self.received and cycles:
            self._came.clear()
            await First(self._came.wait(), Timer(cycles * CLOCK_NANOSECONDS, "ns"))
        return bool(self.received)

    def collect(self):
        """The bytes that came since the last time."""
        data = bytes(self.received)
        self.received.clear()
        return data

    async def exchange(self, requests):
        """Payloads of the answers to requests, sent one after the other; ``LinkError`` if one was refused."""
        payloads = []
        for request in requests:
            await self.send(request)
            parser, responses = ResponseParser(), []
            while not responses:
                assert await self.wait(self.limit_cycles), f"no answer within {self.limit_cycles} cycles"
                responses = parser.feed(self.collect())
            (response,) = responses
            payloads.append(response.unwrap())
        return payloads


class StreamHost(_Host):
    """Sends and takes a byte a clock, with one await a byte; between answers the simulator runs by itself.

    Parameters
    ----------
    dut : handle with the byte streams ``i`` and ``o``
    limit_cycles : int
        Cycles that a byte may have to wait until it is taken, or an answer takes to come.
    """

    def __init__(self, dut, limit_cycles):
        self._edge = RisingEdge(dut.clk)
        self._begins = RisingEdge(dut.o__valid)
        self._sent, self._send_valid, self._send_ready = dut.i__payload, dut.i__valid, dut.i__ready
        self._taken, self._take_valid = dut.o__payload, dut.o__valid
        self.silence()
        dut.o__ready.value = 1
        super().__init__(limit_cycles)

    async def send(self, data):
        """Send bytes; returns when the last has been taken."""
        edge, payload, ready = self._edge, self._sent, self._send_ready
        self._send_valid.value = 1
        waited = 0
        for byte in data:
            payload.value = byte
            await edge
            while not ready.value:
                waited += 1
                assert waited < self.limit_cycles, f"a byte was not taken within {self.limit_cycles} cycles"
                await edge
        self._send_valid.value = 0

    def silence(self):
        """Send nothing: to be called when ``send`` has been cancelled."""
        self._send_valid.value = 0

    async def _receive(self):
        edge, payload, valid = self._edge, self._taken, self._take_valid
        while True:
            if not valid.value:
                await self._begins
            await edge
            if valid.value:
                self._take(int(payload.value))


class SerialHost(_Host):
    """Sends and takes bytes at the pins ``rx`` and ``tx`` of a serial line.

    Parameters
    ----------
    dut : handle with the pins
    divisor : int
        Clock cycles of a bit.
    limit_cycles : int
        Cycles that an answer may take to come.
    """

    def __init__(self, dut, divisor, limit_cycles):
        self._bit = divisor * CLOCK_NANOSECONDS
        self._rx, self._tx = dut.rx, dut.tx
        self._begins = FallingEdge(dut.tx)
        self.silence()
        super().__init__(limit_cycles)

    async def send(self, data):
        """Send bytes without a gap; returns at the end of the last stop bit."""
        for byte in data:
            # Lowest bit first, between a start bit and a stop bit.
            levels, length = byte << 1 | 1 << 9, 0
            for place in range(10):
                length += 1
                if place == 9 or (levels >> place ^ levels >> place + 1) & 1:
                    self._rx.value = levels >> place & 1
                    await Timer(length * self._bit, "ns")
                    length = 0

    def silence(self):
        """Send nothing: to be called when ``send`` has been cancelled."""
        self._rx.value = 1

    async def _receive(self):
        while True:
            await self._begins
            await Timer(self._bit + self._bit // 2, "ns")
            byte = 0
            for place in range(8):
                byte |= int(self._tx.value) << place
                await Timer(self._bit, "ns")
            # A byte cut short by a reset has no stop bit.
            if self._tx.value:
                self._take(byte)
            else:
                await RisingEdge(self._tx)
