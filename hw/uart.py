"""Asynchronous serial line, eight data bits, no parity, one stop bit, between pins and byte streams."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out, connect, flipped

__all__ = ["SerialCore", "Uart", "UartReceiver", "UartTransmitter", "add_core"]

#: Below this the middle of a bit cannot be met well enough.
LEAST_DIVISOR = 4


def _check_divisor(divisor):
    if not isinstance(divisor, int) or divisor < LEAST_DIVISOR:
        raise ValueError(f"expected a divisor of at least {LEAST_DIVISOR} cycles a bit, got {divisor!r}")
    return divisor


class UartReceiver(wiring.Component):
    """Bytes from a serial line.

    Every bit is sampled in its middle, counted from the falling edge of the start bit. A byte whose stop bit is
    missing is dropped, and so is a byte that arrives while the one before still waits at ``o``: the frame around
    them then fails its checksum or falls silent.

    Latency: a byte is there two cycles after the middle of its stop bit. Throughput: the line's.

    Parameters
    ----------
    divisor : int
        Cycles of one bit, at least 4. Clocks may differ by 2 % where it is 16 or more.

    Members
    -------
    rx : In(1)
        Line, idle high; from any clock domain.
    o : Out(stream(8))
        Bytes.
    """

    def __init__(self, divisor):
        self.divisor = _check_divisor(divisor)
        super().__init__({"rx": In(1, init=1), "o": Out(stream.Signature(8))})

    def elaborate(self, platform):
        m = Module()
        rx = Signal(init=1)
        m.submodules.synchronizer = FFSynchronizer(self.rx, rx, init=1)

        timer = Signal(range(self.divisor))
        count = Signal(range(8))
        byte = Signal(8)

        def wait(cycles):
            return timer.eq(cycles - 1)

        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        m.d.sync += timer.eq(timer - 1)

        with m.FSM():
            with m.State("IDLE"):
                # The edge itself was a cycle ago.
                m.d.sync += wait(self.divisor // 2)
                with m.If(~rx):
                    m.next = "START"

            with m.State("START"), m.If(timer == 0):
                m.d.sync += [wait(self.divisor), count.eq(7)]
                m.next = "DATA"
                with m.If(rx):
                    m.next = "IDLE"

            with m.State("DATA"), m.If(timer == 0):
                m.d.sync += [wait(self.divisor), count.eq(count - 1), byte.eq(Cat(byte[1:], rx))]
                with m.If(count == 0):
                    m.next = "STOP"

            with m.State("STOP"), m.If(timer == 0):
                m.next = "BREAK"
                with m.If(rx):
                    m.next = "IDLE"
                    with m.If(~self.o.valid | self.o.ready):
                        m.d.sync += [self.o.payload.eq(byte), self.o.valid.eq(1)]

            with m.State("BREAK"), m.If(rx):
                m.next = "IDLE"

        return m


class UartTransmitter(wiring.Component):
    """Bytes to a serial line.

    Latency: the start bit begins a cycle after the byte is taken. Throughput: a byte in ``10 * divisor`` cycles,
    without a gap if the next one is there.

    Parameters
    ----------
    divisor : int
        Cycles of one bit, at least 4.

    Members
    -------
    i : In(stream(8))
        Bytes.
    tx : Out(1)
        Line, idle high.
    """

    def __init__(self, divisor):
        self.divisor = _check_divisor(divisor)
        super().__init__({"i": In(stream.Signature(8)), "tx": Out(1, init=1)})

    def elaborate(self, platform):
        m = Module()
        timer = Signal(range(self.divisor))
        bits = Signal(9, init=0x1FF)
        left = Signal(range(11))

        m.d.comb += self.i.ready.eq((left == 0) | ((left == 1) & (timer == 0)))
        with m.If(self.i.ready & self.i.valid):
            m.d.sync += [
                self.tx.eq(0),
                bits.eq(Cat(self.i.payload, 1)),
                left.eq(10),
                timer.eq(self.divisor - 1),
            ]
        with m.Elif(left != 0):
            m.d.sync += timer.eq(timer - 1)
            with m.If(timer == 0):
                m.d.sync += [
                    self.tx.eq(bits[0]),
                    bits.eq(Cat(bits[1:], 1)),
                    left.eq(left - 1),
                    timer.eq(self.divisor - 1),
                ]
        return m


class Uart(wiring.Component):
    """Both directions of a serial line.

    Parameters
    ----------
    divisor : int
        Cycles of one bit, at least 4.

    Members
    -------
    rx : In(1)
        Line from the host, idle high.
    tx : Out(1)
        Line to the host, idle high.
    i : In(stream(8))
        Bytes to send.
    o : Out(stream(8))
        Bytes that came.
    """

    def __init__(self, divisor):
        self.divisor = _check_divisor(divisor)
        super().__init__(
            {
                "rx": In(1, init=1),
                "tx": Out(1, init=1),
                "i": In(stream.Signature(8)),
                "o": Out(stream.Signature(8)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.receiver = receiver = UartReceiver(self.divisor)
        m.submodules.transmitter = transmitter = UartTransmitter(self.divisor)
        m.d.comb += [receiver.rx.eq(self.rx), self.tx.eq(transmitter.tx)]
        connect(m, flipped(self.i), transmitter.i)
        connect(m, receiver.o, flipped(self.o))
        return m


def add_core(m, core, divisor):
    """Add ``core``, which has byte streams ``i`` and ``o``, and the serial line it talks through; gives the ``Uart``."""
    m.submodules.core = core
    m.submodules.uart = uart = Uart(divisor)
    connect(m, uart=uart.o, core=core.i)
    connect(m, core=core.o, uart=uart.i)
    return uart


class SerialCore(wiring.Component):
    """Any component with byte streams behind a serial line: what a board is to its host.

    Parameters
    ----------
    core : Component
        Has the members ``i``, a stream of bytes from the host, and ``o``, a stream of bytes to the host.
    divisor : int
        Cycles of one bit, at least 4.

    Members
    -------
    rx : In(1)
        Line from the host, idle high.
    tx : Out(1)
        Line to the host, idle high.
    """

    def __init__(self, core, divisor):
        self._core = core
        self._divisor = _check_divisor(divisor)
        super().__init__({"rx": In(1, init=1), "tx": Out(1, init=1)})

    def elaborate(self, platform):
        m = Module()
        uart = add_core(m, self._core, self._divisor)
        m.d.comb += [uart.rx.eq(self.rx), self.tx.eq(uart.tx)]
        return m
