"""A device in a few lines, byte by byte as a host sees it, and links to it: sound, lossy, through a terminal."""

import binascii
import os
import random
import select
import threading
import tty
from contextlib import contextmanager

from hw.loader import Loader
from hw.protocol import PROTOCOL_VERSION, Opcode, Status, Target, Unit
from sim import reference
from sw import frames
from sw.link import Link
from sw.network import INPUT

__all__ = ["STALLS", "LossyLink", "ModelDevice", "ModelLink", "terminal"]

#: What the model says that each step takes.
STEP_CYCLES = 10
#: What it says of each unit, whatever has run.
STALLS = {unit.name.lower(): 1000 + unit.value for unit in Unit}


def _checksum(content):
    return binascii.crc_hqx(bytes(content), 0xFFFF).to_bytes(2, "little")


class ModelDevice:
    """Answers requests; a run gives the reference's result if everything that the program loads is in its place."""

    def __init__(self, program, network):
        self.program, self.network, self.config = program, network, program.config
        self.memory, self.damaged, self.cycles = {}, True, 0
        #: Opcodes of the requests that were answered.
        self.log = []
        self._data = bytearray()
        self._expected = {
            (target, index, address): word
            for frame in frames.load_frames(program)
            for target, index, address, word in Loader.model(self.config, frame[4:-2])[0]
        }

    def feed(self, data):
        """Answers to what can be answered now."""
        self._data += data
        answers = b""
        while True:
            start = self._data.find(b"\xa5")
            del self._data[: len(self._data) if start < 0 else start]
            end = 6 + int.from_bytes(self._data[2:4], "little")
            if len(self._data) < 6 or len(self._data) < end:
                return answers
            content, checksum = bytes(self._data[1 : end - 2]), bytes(self._data[end - 2 : end])
            del self._data[:end]
            answers += self._answer(content[0], content[3:], checksum == _checksum(content))

    def silence(self):
        """What it says when nothing came for a while."""
        content, opcode = bytes(self._data[4:]), self._data[1] if len(self._data) > 1 else None
        if not self._data:
            return b""
        self._data.clear()
        if opcode == Opcode.LOAD.value:
            self._load(content, intact=False)
        return self._frame(Status.TIMEOUT)

    def _frame(self, status, payload=b""):
        content = bytes([status.value]) + len(payload).to_bytes(2, "little") + payload
        return b"\x5a" + content + _checksum(content)

    def _load(self, payload, intact):
        writes, status = Loader.model(self.config, payload)
        self.memory |= {(target, index, address): word for target, index, address, word in writes}
        self.damaged |= bool(writes) and not (intact and status is Status.OK)
        return status

    def _answer(self, code, payload, intact):
        if code == Opcode.LOAD.value:
            status = self._load(payload, intact)
        if not intact:
            return self._frame(Status.BAD_CHECKSUM)
        opcode = Opcode(code)
        self.log.append(opcode)
        if opcode is Opcode.LOAD:
            return self._frame(status)
        numbers = [int.from_bytes(payload[at : at + 2], "little") for at in range(0, len(payload), 2)]
        return getattr(self, f"_{opcode.name.lower()}")(*numbers)

    def _status(self):
        head = PROTOCOL_VERSION.to_bytes(2, "little") + self.config.digest.to_bytes(4, "little")
        return self._frame(Status.OK, head + int(self.damaged).to_bytes(2, "little"))

    def _clear(self):
        self.damaged = False
        return self._frame(Status.OK)

    def _wait(self):
        cycles, self.cycles = self.cycles, 0
        return self._frame(Status.OK, cycles.to_bytes(4, "little"))

    def _counters(self, first, count):
        return self._frame(Status.OK, STEP_CYCLES.to_bytes(4, "little") * count)

    def _stalls(self):
        return self._frame(Status.OK, b"".join(count.to_bytes(4, "little") for count in STALLS.values()))

    def _read(self, bank, address, count):
        return self._frame(Status.OK, self._chunks(bank, address, count))

    def _chunks(self, bank, address, count):
        words = [self.memory.get((Target.ACTIVATION, bank, address + at), 0) for at in range(count)]
        return b"".join(word.to_bytes(self.config.chunk, "little") for word in words)

    def _run(self, first, count):
        if self.damaged:
            return self._frame(Status.DAMAGED)
        program, home = self.program, self.program.tensors[INPUT]
        image = frames.decode_tensor(self._chunks(home.bank.value, home.base, home.words), home)
        result = reference.run(self.network, image[None])[program.output_name][0]
        if any(self.memory.get(place) != word for place, word in self._expected.items()):
            result = 0 * result
        # A result may lie where the input lay.
        for frame in frames.activation_frames(program.tensors[program.output_name], result, self.config):
            self._load(frame[4:-2], intact=True)
        self.cycles += STEP_CYCLES * count
        return self._frame(Status.OK)


class ModelLink(Link):
    """A link to the model; silence is over at once."""

    name, payload, limit_seconds = "the model", 200, 1.0

    def __init__(self, device, *, holds_back=False):
        self.device, self.holds_back, self.closed = device, holds_back, False
        self._came = b""

    def write(self, data):
        self._came += self.device.feed(data)

    def read(self, cycles=None):
        came, self._came = self._came, b""
        return came if came or cycles == 0 else self.device.silence()

    def close(self):
        self.closed = True


class LossyLink(Link):
    """Another link, of whose bytes in both directions some get lost, change, or have others before them."""

    def __init__(self, link, seed, rate):
        self._link, self._random, self._rate = link, random.Random(seed), rate
        self.name, self.payload, self.holds_back = f"lossy {link.name}", link.payload, False
        self.limit_seconds = link.limit_seconds

    def _pass(self, data):
        passed = bytearray()
        for byte in data:
            if self._random.random() >= self._rate:
                passed.append(byte)
                continue
            kind = self._random.choice(["lost", "changed", "noise"])
            if kind == "changed":
                passed.append(byte ^ 1 << self._random.randrange(8))
            elif kind == "noise":
                passed += bytes([self._random.choice([0xA5, 0x5A, 0, 0xFF]), byte])
        return bytes(passed)

    def write(self, data):
        self._link.write(self._pass(data))

    def read(self, cycles=None):
        came = self._link.read(cycles)
        return self._pass(came)

    def close(self):
        self._link.close()


@contextmanager
def terminal(feed, idle=lambda: b"", seconds=0.02):
    """Name of a pseudo-terminal: what is written there goes to ``feed``, which answers; ``idle`` says what comes by itself.

    ``idle`` is called whenever nothing has come for ``seconds``.
    """
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    stop_reader, stop_writer = os.pipe()

    def serve():
        while True:
            ready, _, _ = select.select([ours, stop_reader], [], [], seconds)
            if stop_reader in ready:
                return
            answer = feed(os.read(ours, 4096)) if ready else idle()
            while answer:
                answer = answer[os.write(ours, answer) :]

    server = threading.Thread(target=serve)
    server.start()
    try:
        yield os.ttyname(theirs)
    finally:
        os.write(stop_writer, b"x")
        server.join(30)
        for end in (ours, theirs, stop_reader, stop_writer):
            os.close(end)
        assert not server.is_alive()
