"""The host link's frames: one definition for the RTL, the driver and the documentation.

A frame is ``start, code, length (2 bytes, little end first), payload (length bytes), CRC-16 (2 bytes, little end
first)``. The CRC (CCITT-FALSE) covers code, length and payload. Requests start with ``REQUEST_START`` and their
code is an ``Opcode``; each gets exactly one response, which starts with ``RESPONSE_START`` and whose code is a
``Status``. All numbers are little-endian.

==========  =========================================================  ==========================================
opcode      request payload                                            response payload, when ``OK``
==========  =========================================================  ==========================================
STATUS      none                                                       version u16, configuration digest u32,
                                                                       flags u16 (bit 0: damaged)
CLEAR       none                                                       none; clears ``damaged``
LOAD        target u8, index u8, address u16, data                     none
RUN         first layer u16, number of layers u16                      none; the run has begun
WAIT        none                                                       cycles u32 of the runs since the last ``WAIT``
READ        bank u8, zero u8, address u16, chunks u16                  chunks * N bytes, dense
COUNTERS    first layer u16, number of layers u16                      cycles u32 for each layer
==========  =========================================================  ==========================================

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
once, ``RUN``, ``WAIT``, ``READ`` and ``COUNTERS`` when the run before has ended. Of a ``LOAD`` the device takes a few
bytes and holds back the rest until the run has ended, or, if the target is ``ACTIVATION``, until the run is in a layer
with ``input_free`` or past one: so the input of the next run is loaded during this one, into the words of the network's
input and no others. A host whose bytes cannot be held back (a serial line without flow control) sends ``WAIT`` before
a ``LOAD``. Every run ends, so every request is answered.

A bad checksum after data was written marks the device ``damaged``: ``RUN`` is refused until ``CLEAR``.
"""

from amaranth.lib import enum

__all__ = [
    "MAXIMUM_PAYLOAD",
    "PROTOCOL_VERSION",
    "REQUEST_START",
    "RESPONSE_START",
    "Opcode",
    "Status",
    "Target",
]

PROTOCOL_VERSION = 2
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
    #: A damaged frame was written to memory; clear and load again.
    DAMAGED = 7


class Target(enum.Enum, shape=8):
    """The memory that a ``LOAD`` writes to."""

    PROGRAM = 0
    BASIS = 1
    SCALE = 2
    COEFFICIENT = 3
    ACTIVATION = 4
    TABLE = 5
