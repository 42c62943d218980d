"""A simulated device as a host sees it: the RTL in a process of its own, behind a link like that to a board."""

import contextlib
import enum
import shutil
import socket
import struct
import tempfile
import threading
import time
from pathlib import Path

from hw.protocol import MAXIMUM_PAYLOAD
from sw.frames import LinkError
from sw.link import Link

from .network import accelerator_verilog
from .runner import run_bench
from .simulators import BenchFailure, build_simulator

__all__ = ["ORDER", "REPORT", "Order", "SimulatedLink"]


class Order(enum.IntEnum):
    """What the host tells the simulation to do."""

    #: Send the bytes that follow, as the device takes them.
    SEND = 0
    #: Simulate until bytes come, for so many cycles at most, and report them.
    TAKE = 1
    #: Reset the device, and report.
    RESET = 2


#: An order and its number: of bytes that follow, or of cycles.
ORDER = struct.Struct("<BQ")
#: Clock cycles since the simulation began, and the number of bytes that follow.
REPORT = struct.Struct("<QI")

#: Most cycles that a byte of a request takes where a run holds none back.
_BYTE_CYCLES = 16
#: Cycles that are simulated between two looks at the time.
_SLICE_CYCLES = 50_000
#: Wall clock that the process of the simulation has for its start, and for a slice or its end.
_START_SECONDS = 300
_SLICE_SECONDS = 120
#: Wall clock after which a simulation is ended, whatever it does.
_SESSION_SECONDS = 24 * 3600


class SimulatedLink(Link):
    """The accelerator in Verilator, in a process of its own that ends with this link.

    The simulation stands still unless someone reads. Its clock depends on what is sent and read alone.

    Parameters
    ----------
    config : Config
    divisor : int, optional
        Talk through the pins of a serial line with so many cycles a bit, at least 4, instead of a byte each cycle.
    limit_seconds : float
        Wall clock that one wait may take.

    Raises
    ------
    ToolMissing
        If a program that building the simulator needs is not installed.
    BenchFailure
        If the simulator cannot be built or does not start.
    """

    def __init__(self, config, *, divisor=None, limit_seconds=600):
        self.name = "the simulation" if divisor is None else "the simulation's serial line"
        self.holds_back = divisor is None
        self.payload = MAXIMUM_PAYLOAD
        self.limit_seconds = limit_seconds
        #: Clock cycles since the simulation began.
        self.cycles = 0
        self._sending = 0
        self._byte_cycles = _BYTE_CYCLES if divisor is None else 10 * divisor
        self._connection = self._stream = self._failure = None
        verilog = accelerator_verilog(config, divisor)
        build_simulator(verilog, "top")
        self._folder = Path(tempfile.mkdtemp(prefix="farthing-device-"))
        self._bench = threading.Thread(target=self._simulate, args=(verilog, divisor), daemon=True)
        try:
            self._connect()
        except BaseException:
            self.close()
            raise

    def _simulate(self, verilog, divisor):
        try:
            run_bench(
                verilog,
                "sim.benches.device",
                parameters={"socket": str(self._folder / "socket"), "divisor": divisor},
                work_dir=self._folder,
                limit_seconds=_SESSION_SECONDS,
            )
        except Exception as error:  # told to whoever uses the link next
            self._failure = error

    def _connect(self):
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(self._folder / "socket"))
            listener.listen(1)
            listener.settimeout(0.2)
            self._bench.start()
            deadline = time.monotonic() + _START_SECONDS
            while self._connection is None and time.monotonic() < deadline and self._bench.is_alive():
                with contextlib.suppress(TimeoutError):
                    self._connection, _ = listener.accept()
        if self._connection is None:
            raise self._failure or BenchFailure(f"the simulation did not start within {_START_SECONDS} s")
        self._connection.settimeout(_SLICE_SECONDS)
        self._stream = self._connection.makefile("rwb")

    def write(self, data):
        self._order(Order.SEND, len(data), bytes(data))
        self._sending += len(data) * self._byte_cycles

    def read(self, cycles=None):
        left = None if cycles is None else cycles + (self._sending if cycles else 0)
        deadline = time.monotonic() + self.limit_seconds
        while True:
            part = _SLICE_CYCLES if left is None else min(left, _SLICE_CYCLES)
            data = self._order(Order.TAKE, part)
            if data or (left is not None and left <= part):
                break
            if time.monotonic() > deadline:
                break
            left = None if left is None else left - part
        self._sending = 0
        return data

    def reset(self):
        """Reset the device as at power-up; what is on its way is lost, memories keep what they hold."""
        self._order(Order.RESET, 0)

    def _order(self, order, number, data=b""):
        try:
            self._stream.write(ORDER.pack(order, number) + data)
            self._stream.flush()
            if order is Order.SEND:
                return b""
            report = self._stream.read(REPORT.size)
            self.cycles, length = REPORT.unpack(report)
            return self._stream.read(length)
        except (OSError, ValueError, struct.error, AttributeError):
            self.close()
            reason = str(self._failure).splitlines()[0] if self._failure else "it has ended"
            raise LinkError(
                f"expected {self.name} to run, got none ({reason}): open the device again"
            ) from None

    def close(self):
        for part in (self._stream, self._connection):
            if part is not None:
                with contextlib.suppress(OSError):
                    part.close()
        if self._bench.ident is not None:
            self._bench.join(_SLICE_SECONDS)
        shutil.rmtree(self._folder, ignore_errors=True)
