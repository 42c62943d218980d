"""The host link's frames: one definition for the RTL, the driver and the documentation.

A frame is ``start, code, length (2 bytes, little end first), payload (length bytes), CRC-16 (2 bytes, little end
first)``. The CRC (CCITT-FALSE) covers code, length and payload. Requests start with ``REQUEST_START`` and their
code is an ``Opcode``; each gets exactly one response, which starts with ``RESPONSE_START`` and whose code is a
``Status``. All numbers are little-endian.

What requests and answers carry is in ``REQUESTS``.

Data of a ``LOAD``, by target; words are stored at ``address``, ``address + 1``, ...:

* ``PROGRAM``: 16-bit words. The address counts words; layer ``i`` starts at ``i * LAYER_WORDS``.
* ``BASIS``: one byte a tap, ``taps`` bytes a word.
* ``SCALE``: words of ``scale_word_layout``, padded to whole bytes.
* ``COEFFICIENT``: ``index`` is ``pe * rows + row``. Lists, one after the other: count u16, then ``count`` records:
  control (chunk in the lowest ``chunk_bits``, basis in the next ``basis_bits``, then last; padded to whole bytes),
  map (N bits padded to whole bytes), signs (SparseMap values of the map: popcount(map) bits, 1 for -1, packed to the
  front and padded to whole bytes). A list takes ``1 + count`` words.
* ``ACTIVATION``: ``index`` is the bank. SparseMap chunks: mask (N bits padded to whole bytes), then
  popcount(mask) bytes of values.
* ``TABLE``: one byte an entry, 256 entries a table. A configuration without tables has no such target.

A run goes on while the host sends requests, one after the other as ever. ``STATUS`` and ``CLEAR`` are answered at
once, ``RUN``, ``WAIT``, ``READ``, ``COUNTERS`` and ``STALLS`` when the run before has ended. Of a ``LOAD`` the device takes a few
bytes and holds back the rest until the run has ended, or, if the target is ``ACTIVATION``, until the run is in a layer
with ``input_free`` or past one: so the input of the next run is loaded during this one, into the words of the network's
input and no others. A host whose bytes cannot be held back (a serial line without flow control) sends ``WAIT`` before
a ``LOAD``. Every run of a compiled program ends, so every request is answered.

Several requests may be sent before the first is answered. Where bytes cannot be held back, only the last of them may be one
that has to wait, or whose answer has a payload: while the device is at that, it takes a byte and loses others.

A device that may hold something else than what the host meant calls itself ``damaged``: after power-up and reset, and when a
``LOAD`` that was not ``OK`` has written anything. It refuses ``RUN`` until ``CLEAR``, after which the host loads everything again.
"""

from typing import NamedTuple

from amaranth.lib import enum

__all__ = [
    "MAXIMUM_PAYLOAD",
    "PROTOCOL_VERSION",
    "REQUESTS",
    "REQUEST_START",
    "RESPONSE_START",
    "STALLS",
    "Opcode",
    "Request",
    "Status",
    "Target",
    "Unit",
]

PROTOCOL_VERSION = 4
REQUEST_START = 0xA5
RESPONSE_START = 0x5A
#: Longest payload of a frame, in bytes.
MAXIMUM_PAYLOAD = 65535


class Opcode(enum.Enum, shape=8):
    """What a request asks for."""

    STATUS = 0
    CLEAR = 1
    LOAD = 2
    RUN = 3
    READ = 4
    COUNTERS = 5
    WAIT = 6
    STALLS = 7


class Unit(enum.Enum, shape=2):
    """What may have work to do and wait: its cycles of that are counted, in the order of these numbers."""

    FEEDER = 0
    RING = 1
    REQUANTISER = 2
    WINDOWS = 3


#: What each unit waits for, in every cycle that is counted for it.
STALLS = {
    Unit.FEEDER: "a chunk of the map is there and the input ring has no room for it: PEs, or what is behind them, are slower "
    "than memory",
    Unit.RING: "the input ring has room and chunks are on their way from memory, and none is there",
    Unit.REQUANTISER: "a group of results is to be requantised, and one of them, or the residual, is not there: PEs, or the "
    "sums of average pooling, are slower",
    Unit.WINDOWS: "a chunk of a window is there and the pool does not take it",
}


class Request(NamedTuple):
    """What one opcode means."""

    #: Payload of the request, and of its answer when that is ``OK``: fields in their order, ``u16`` of two bytes.
    request: str
    answer: str
    #: Bytes of that payload of the answer, ``None`` where it depends on what is asked for.
    answer_bytes: int | None
    #: What the device does.
    effect: str


#: Every request.
REQUESTS = {
    Opcode.STATUS: Request(
        "",
        "version u16, configuration digest u32, flags u16",
        8,
        "says what the device is; bit 0 of the flags: damaged",
    ),
    Opcode.CLEAR: Request("", "", 0, "takes the mark of damage away"),
    Opcode.LOAD: Request("target u8, index u8, address u16, data", "", 0, "writes words to a memory"),
    Opcode.RUN: Request("first layer u16, layers u16", "", 0, "begins a run of layers"),
    Opcode.WAIT: Request("", "cycles u32", 4, "waits for the end; cycles of the runs since the last WAIT"),
    Opcode.READ: Request(
        "bank u8, zero u8, address u16, chunks u16", "N bytes a chunk", None, "reads activations, dense"
    ),
    Opcode.COUNTERS: Request(
        "first layer u16, layers u16",
        "cycles u32 a layer",
        None,
        "reads the cycles of layers in the last run",
    ),
    Opcode.STALLS: Request(
        "", "cycles u32 a unit", 4 * len(Unit), "reads the cycles in which each unit waited in the last run"
    ),
}


class Status(enum.Enum, shape=8):
    """How a request ended."""

    OK = 0
    #: The checksum does not match the frame.
    BAD_CHECKSUM = 1
    #: No such opcode.
    BAD_OPCODE = 2
    #: The payload is too short or too long for the opcode.
    BAD_LENGTH = 3
    #: No such target or index.
    BAD_TARGET = 4
    #: Data would lie outside of the memory, or layers outside of the program.
    BAD_ADDRESS = 5
    #: The frame stopped in the middle.
    TIMEOUT = 6
    #: Nothing was loaded yet, or a damaged frame was written to memory; clear and load everything.
    DAMAGED = 7


class Target(enum.Enum, shape=8):
    """The memory that a ``LOAD`` writes to."""

    PROGRAM = 0
    BASIS = 1
    SCALE = 2
    COEFFICIENT = 3
    ACTIVATION = 4
    TABLE = 5
