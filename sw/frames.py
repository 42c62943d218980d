"""The host's side of the link: frames to send, answers to read. ``hw.protocol`` defines them.

Pure functions of bytes; opening a port and waiting are the driver's business.
"""

import binascii
from typing import NamedTuple

import numpy as np

from hw.protocol import (
    MAXIMUM_PAYLOAD,
    REQUEST_START,
    REQUESTS,
    RESPONSE_START,
    Opcode,
    Status,
    Target,
    Unit,
)

from . import sparsemap
from .records import records

__all__ = [
    "LONGEST_ANSWER",
    "DeviceStatus",
    "LinkError",
    "LinkFault",
    "Response",
    "ResponseParser",
    "activation_frames",
    "clear_frame",
    "counters_frame",
    "decode_answer",
    "decode_counters",
    "decode_cycles",
    "decode_stalls",
    "decode_status",
    "decode_tensor",
    "encode_request",
    "load_frames",
    "read_frame",
    "read_frames",
    "run_frame",
    "stalls_frame",
    "status_frame",
    "wait_frame",
]

#: What each refusal of the device means.
STATUS_WORDS = {
    Status.BAD_CHECKSUM: "the checksum of the request did not match: send it again",
    Status.BAD_OPCODE: "the device does not know the opcode",
    Status.BAD_LENGTH: "the payload is too short or too long for the opcode",
    Status.BAD_TARGET: "there is no such target or index",
    Status.BAD_ADDRESS: "the address lies outside of the memory, or the layers outside of the program",
    Status.TIMEOUT: "the request stopped in the middle",
    Status.DAMAGED: "nothing was loaded, or a damaged request was written to memory: clear and load everything",
}

_HEADER = 4  # start, code, length
_LOAD_HEADER = 4  # target, index, address
#: Bytes of the longest answer there can be.
LONGEST_ANSWER = _HEADER + MAXIMUM_PAYLOAD + 2


class LinkError(Exception):
    """The device refused a request, or an answer cannot be understood.

    ``status`` is the device's ``Status``, or ``None`` if the answer itself is at fault.
    """

    def __init__(self, message, status=None):
        super().__init__(message)
        self.status = status


class LinkFault(LinkError):
    """Bytes were lost or changed on their way, or none came: the same requests may do better another time."""


#: Statuses that tell of such bytes, now or in an earlier request.
_FAULTS = frozenset({Status.BAD_CHECKSUM, Status.TIMEOUT, Status.DAMAGED})


class Response(NamedTuple):
    """One answer of the device."""

    status: Status
    payload: bytes

    def unwrap(self):
        """The payload, or ``LinkError`` that says in words why the device refused."""
        if self.status is not Status.OK:
            name = self.status.name.lower().replace("_", " ")
            kind = LinkFault if self.status in _FAULTS else LinkError
            raise kind(f"expected the answer ok, got {name}: {STATUS_WORDS[self.status]}", self.status)
        return self.payload


class DeviceStatus(NamedTuple):
    """What the device says about itself."""

    version: int
    digest: int
    damaged: bool


def _checksum(data):
    """CRC-16 CCITT-FALSE, little end first."""
    return binascii.crc_hqx(data, 0xFFFF).to_bytes(2, "little")


def _frame(start, code, payload):
    if len(payload) > MAXIMUM_PAYLOAD:
        raise ValueError(f"expected a payload of at most {MAXIMUM_PAYLOAD} bytes, got {len(payload)}")
    body = bytes([code]) + len(payload).to_bytes(2, "little") + payload
    return bytes([start]) + body + _checksum(body)


def encode_request(opcode, payload=b""):
    """One request, ready to send; ``opcode`` is an ``Opcode`` or, to try a device, any byte."""
    return _frame(REQUEST_START, getattr(opcode, "value", opcode), bytes(payload))


class ResponseParser:
    """Takes bytes as they come, gives answers as they are complete.

    Bytes before a start byte are skipped: a device that was just powered may send some.
    """

    def __init__(self):
        self._data = bytearray()

    def feed(self, data):
        """Add ``data``; returns the list of ``Response`` that are complete now.

        Raises
        ------
        LinkFault
            On a wrong checksum or an unknown status. Everything received so far is dropped.
        """
        self._data += data
        responses = []
        while (response := self._next()) is not None:
            responses.append(response)
        return responses

    @property
    def pending(self):
        """Bytes of an answer that is not complete."""
        return len(self._data)

    def _next(self):
        start = self._data.find(RESPONSE_START)
        del self._data[: len(self._data) if start < 0 else start]
        if len(self._data) < _HEADER:
            return None
        end = _HEADER + int.from_bytes(self._data[2:4], "little")
        if len(self._data) < end + 2:
            return None
        body, checksum = bytes(self._data[1:end]), bytes(self._data[end : end + 2])
        if _checksum(body) != checksum:
            self._data.clear()
            raise LinkFault(
                f"expected an answer with checksum {_checksum(body).hex()}, got {checksum.hex()}: try again"
            )
        if body[0] not in {status.value for status in Status}:
            self._data.clear()
            raise LinkFault(f"expected a status from 0 to {len(Status) - 1} in the answer, got {body[0]}")
        del self._data[: end + 2]
        return Response(Status(body[0]), body[3:])


def decode_answer(request, response):
    """Payload of the ``Response`` to a request; ``LinkError`` if it is not ``OK``, ``LinkFault`` if it answers another."""
    payload = response.unwrap()
    expected = REQUESTS[Opcode(request[1])].answer_bytes
    if expected not in (None, len(payload)):
        raise LinkFault(
            f"expected {expected} bytes in the answer to {Opcode(request[1]).name}, got {len(payload)}: "
            "a request or an answer was lost, try again"
        )
    return payload


def _load(target, index, address, data):
    header = bytes([target.value, index]) + address.to_bytes(2, "little")
    return encode_request(Opcode.LOAD, header + data)


def _pack(target, index, address, pieces, payload):
    """``LOAD`` frames of ``pieces``, (words, bytes) that may not be cut, each frame as full as it goes."""
    frames, data, at = [], b"", address
    for words, piece in pieces:
        if data and _LOAD_HEADER + len(data) + len(piece) > payload:
            frames.append(_load(target, index, at, data))
            data, at = b"", address
        data += piece
        address += words
    return [*frames, _load(target, index, at, data)]


def load_frames(program, payload=MAXIMUM_PAYLOAD):
    """Requests that load a program; ``payload`` is the longest a frame may carry."""
    frames = []
    for section in program.sections:
        at, pieces = 0, []
        for words, size in records(section, program.config):
            pieces.append((words, section.data[at : at + size]))
            at += size
        frames += _pack(section.target, section.index, section.address, pieces, payload)
    return frames


def activation_frames(placement, tensor, config, payload=MAXIMUM_PAYLOAD):
    """Requests that write a tensor.

    Parameters
    ----------
    placement : Placement
    tensor : integer array [C, H, W]
        In the network's order of channels, whatever that of the placement.
    config : Config
    """
    tensor = np.asarray(tensor)
    low, high = (-128, 127) if placement.signed else (0, 255)
    if tensor.shape != placement.shape or not np.issubdtype(tensor.dtype, np.integer):
        raise ValueError(
            f"expected integers of shape {placement.shape}, got {tensor.dtype} of {tensor.shape}"
        )
    if tensor.min() < low or tensor.max() > high:
        raise ValueError(f"expected values from {low} to {high}, got {tensor.min()} to {tensor.max()}")
    if placement.slot:
        raise ValueError(f"expected a tensor that begins with a chunk, got one from lane {placement.slot} on")
    slots = np.zeros((len(placement.order), *placement.shape[1:]), tensor.dtype)
    filled, channels = _slots(placement)
    slots[filled] = tensor[channels]
    chunks = sparsemap.to_bytes(*sparsemap.encode(sparsemap.split_chunks(slots, config.chunk)))
    frames, at = [], 0
    for address, count in _runs(placement):
        pieces = [(1, chunk) for chunk in chunks[at : at + count]]
        frames += _pack(Target.ACTIVATION, placement.bank.value, address, pieces, payload)
        at += count
    return frames


def _slots(placement):
    """Slots that hold a channel, and the channel of each."""
    order = np.array(placement.order)
    filled = np.flatnonzero(order >= 0)
    return filled, order[filled]


def _runs(placement):
    """(address, words) of everything that lies side by side: the whole tensor, or each pixel of a part of another."""
    if placement.pixel == placement.chunks:
        return [(placement.base, placement.words)]
    return [
        (placement.base + row * placement.row + column * placement.pixel, placement.chunks)
        for row in range(placement.height)
        for column in range(placement.width)
    ]


def status_frame():
    """Request for version, configuration and flags."""
    return encode_request(Opcode.STATUS)


def clear_frame():
    """Request that clears the mark of damage."""
    return encode_request(Opcode.CLEAR)


def run_frame(first, count):
    """Request that starts a run of ``count`` layers from ``first`` on."""
    return encode_request(Opcode.RUN, first.to_bytes(2, "little") + count.to_bytes(2, "little"))


def wait_frame():
    """Request for the cycles of the runs since the last such request; answered when none is under way."""
    return encode_request(Opcode.WAIT)


def counters_frame(first, count):
    """Request for the cycles of ``count`` layers from ``first`` on."""
    return encode_request(Opcode.COUNTERS, first.to_bytes(2, "little") + count.to_bytes(2, "little"))


def stalls_frame():
    """Request for the cycles in which each ``Unit`` waited in the last run; answered when none is under way."""
    return encode_request(Opcode.STALLS)


def read_frame(bank, address, chunks):
    """Request for ``chunks`` chunks of a ``Bank``."""
    words = address.to_bytes(2, "little") + chunks.to_bytes(2, "little")
    return encode_request(Opcode.READ, bytes([bank.value, 0]) + words)


def read_frames(placement, config, payload=MAXIMUM_PAYLOAD):
    """Requests for a whole tensor; the payloads of their answers, joined, are what ``decode_tensor`` takes."""
    most = payload // config.chunk
    return [
        read_frame(placement.bank, address + at, min(most, words - at))
        for address, words in _runs(placement)
        for at in range(0, words, most)
    ]


def decode_tensor(data, placement, signed=None):
    """Int64 tensor [C, H, W] from dense chunks, channels in the network's order; ``signed`` is the placement's unless given."""
    if not data or len(data) % placement.words:
        raise LinkFault(f"expected {placement.words} chunks of a tensor, got {len(data)} bytes")
    chunks = np.frombuffer(data, np.uint8).reshape(placement.words, -1)
    lanes = (placement.slots, *placement.shape[1:])
    slots = sparsemap.join_chunks(chunks, lanes, placement.signed if signed is None else signed)
    filled, channels = _slots(placement)
    tensor = np.empty(placement.shape, np.int64)
    tensor[channels] = slots[placement.slot + filled]
    return tensor


def _words(payload, count, size):
    """``count`` little-endian numbers of ``size`` bytes each."""
    if len(payload) != count * size:
        raise LinkFault(f"expected an answer of {count * size} bytes, got {len(payload)}")
    return [int.from_bytes(payload[at : at + size], "little") for at in range(0, len(payload), size)]


def decode_cycles(payload):
    """Answer to ``WAIT``: cycles of the runs since the last one."""
    return _words(payload, 1, 4)[0]


def decode_counters(payload, count):
    """Cycles of each of ``count`` layers."""
    return _words(payload, count, 4)


def decode_stalls(payload):
    """Answer to ``STALLS``: cycles by ``Unit``."""
    cycles = _words(payload, len(Unit), 4)
    return {unit: cycles[unit.value] for unit in Unit}


def decode_status(payload):
    """Answer to ``STATUS``, a ``DeviceStatus``."""
    version, low, high, flags = _words(payload, 4, 2)
    return DeviceStatus(version, low | high << 16, bool(flags & 1))
