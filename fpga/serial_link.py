"""A board as a host sees it: bytes through a serial port."""

import time

import serial
from serial.tools import list_ports

from sw.frames import LinkError
from sw.link import Link

__all__ = ["SerialLink"]

#: Slowest clock of a board, in Hz: cycles are turned into time with it.
_CLOCK = 25_000_000
#: Seconds that a USB bridge and an operating system with other work may keep bytes.
_LATENCY = 0.5
#: Bits of a byte on the line.
_BYTE_BITS = 10
#: A request of this size fits the buffer of the operating system, so no pause comes into it.
_PAYLOAD = 4000
#: Most bytes that are read at once.
_PIECE = 65536


class SerialLink(Link):
    """A serial port, eight data bits, no parity, one stop bit, no flow control.

    Parameters
    ----------
    port : str
        As ``/dev/ttyUSB0`` or ``COM3``.
    baud : int
        Bits a second, those of the bitstream.
    clock : int
        Least clock of the device, in Hz.
    limit_seconds : float
        That a run may take.

    Raises
    ------
    LinkError
        If the port cannot be opened; the message lists those there are.
    """

    holds_back = False
    payload = _PAYLOAD

    def __init__(self, port, *, baud, clock=_CLOCK, limit_seconds=10):
        self.name = f"{port} at {baud} baud"
        self.limit_seconds = limit_seconds
        self._clock = clock
        self._byte_seconds = _BYTE_BITS / baud
        #: When the last byte has left.
        self._sent = 0.0
        try:
            self._port = serial.Serial(port, baud, write_timeout=limit_seconds, exclusive=True)
        except (OSError, ValueError) as error:
            found = ", ".join(sorted(entry.device for entry in list_ports.comports())) or "none"
            reason = getattr(error, "strerror", None) or str(error)
            raise LinkError(
                f"expected a serial port that can be opened, got {port} ({reason}); ports there are: {found}"
            ) from None

    def write(self, data):
        try:
            self._port.write(data)
        except OSError as error:
            raise self._lost(error) from None
        self._sent = max(self._sent, time.monotonic()) + len(data) * self._byte_seconds

    def read(self, cycles=None):
        seconds = self.limit_seconds
        if cycles is not None:
            seconds = cycles / self._clock + _LATENCY if cycles else 0
        try:
            self._port.timeout = seconds + (max(0.0, self._sent - time.monotonic()) if seconds else 0)
            data = self._port.read(1)
            return data + self._port.read(min(self._port.in_waiting, _PIECE)) if data else data
        except OSError as error:
            raise self._lost(error) from None

    def _lost(self, error):
        return LinkError(
            f"expected {self.name} to stay, got {str(error)!r}: check the cable and open it again"
        )

    def close(self):
        self._port.close()
