"""Frames written and read without the hardware's help, and a host link with a whole device around it."""

import random
from dataclasses import dataclass, field

from amaranth.hdl import Value
from amaranth.sim import Simulator

from hw.link import HostLink
from hw.link_words import write_layout

__all__ = ["Traffic", "checksum", "chunk_of", "cycles_of", "parse", "request", "talk"]


def checksum(content):
    """CRC-16/CCITT-FALSE, bit by bit."""
    register = 0xFFFF
    for byte in content:
        for bit in range(7, -1, -1):
            carry = register >> 15 ^ byte >> bit & 1
            register = register << 1 & 0xFFFF ^ (0x1021 if carry else 0)
    return register


def request(opcode, payload=b"", *, length=None, wrong=0):
    """A request frame; ``length`` overrides the true length, ``wrong`` is a change of the checksum."""
    code = getattr(opcode, "value", opcode)
    length = len(payload) if length is None else length
    content = bytes([code]) + length.to_bytes(2, "little") + bytes(payload)
    return b"\xa5" + content + (checksum(content) ^ wrong).to_bytes(2, "little")


def parse(received):
    """Responses ``[(code, payload)]`` of a byte string that must be made of whole, intact response frames."""
    received, responses = bytes(received), []
    while received:
        assert received[0] == 0x5A, f"expected the start of a response, got {received[:16].hex(' ')}"
        length = int.from_bytes(received[2:4], "little")
        content, rest = received[1 : 4 + length], received[4 + length :]
        assert len(content) == 3 + length and len(rest) >= 2, "expected a whole response"
        assert int.from_bytes(rest[:2], "little") == checksum(content), (
            "expected a response with a good checksum"
        )
        responses.append((content[0], content[3:]))
        received = rest[2:]
    return responses


@dataclass
class Traffic:
    """What passed a host link."""

    #: Bytes to the host.
    received: bytearray = field(default_factory=bytearray)
    #: (target, index, address, data) of every memory word.
    writes: list = field(default_factory=list)
    #: (first, count) of every run.
    runs: list = field(default_factory=list)
    #: (bank, address) of every chunk read.
    reads: list = field(default_factory=list)
    #: Layer of every counter asked for.
    counters: list = field(default_factory=list)

    @property
    def responses(self):
        return parse(self.received)


def chunk_of(bank, address, width):
    """Content of activation memory in the bench: bytes, channel 0 first."""
    return random.Random(bank << 16 | address).randbytes(width)


def cycles_of(layer):
    """Cycles of one layer in the bench."""
    return random.Random(layer).getrandbits(32)


def talk(config, script, *, idle=0.0, back_pressure=0.0, seed=0, quiet=150, limit_cycles=20000):
    """Simulate a host link with memories and layers around it.

    Parameters
    ----------
    config : Config
    script : list of bytes or int
        What the host sends: bytes, or cycles of silence.
    idle, back_pressure : float
        Probability, each cycle, that the host pauses, or does not take a byte; the device's answers are late
        accordingly.
    seed : int
        Of the random traffic.
    quiet : int
        Cycles without anything after which the conversation is over.
    limit_cycles : int
        Watchdog.

    Returns
    -------
    Traffic
    """
    dut = HostLink(config)
    rng = random.Random(seed)
    traffic = Traffic()
    target_shape = write_layout(config)
    queue = [item for part in script for item in (part if isinstance(part, (bytes, bytearray)) else [-part])]
    over = False

    async def host(ctx):
        nonlocal over
        position, silence, last, cycle = 0, 0, 0, 0
        offered, held = False, None
        while position < len(queue) or cycle - last < quiet:
            assert cycle < limit_cycles, f"watchdog: {position} of {len(queue)} bytes went in {cycle} cycles"
            if not offered and not silence and position < len(queue) and queue[position] < 0:
                silence, position = -queue[position], position + 1
            if silence:
                silence, last = silence - 1, cycle
            elif not offered and position < len(queue) and rng.random() >= idle:
                offered = True
            ctx.set(dut.i.valid, offered)
            ctx.set(dut.i.payload, queue[position] if offered else rng.getrandbits(8))
            ready = rng.random() >= back_pressure
            ctx.set(dut.o.ready, ready)
            _, _, taken, valid, byte, write_valid, word = await ctx.tick().sample(
                dut.i.ready, dut.o.valid, dut.o.payload, dut.write.valid, Value.cast(dut.write.payload)
            )
            if held is not None:
                assert valid and byte == held, "expected a byte to stay until it is taken"
            held = byte if valid and not ready else None
            if offered and taken:
                offered, position, last = False, position + 1, cycle
            if valid and ready:
                traffic.received.append(byte)
            if valid or write_valid:
                last = cycle
            if write_valid:
                word = target_shape.from_bits(word)
                traffic.writes.append((word.target, word.index, word.address, word.data))
            cycle += 1
        over = True

    def responder(requests, responses, respond):
        async def testbench(ctx):
            while not over:
                for _ in range(rng.randrange(int(1 + 20 * back_pressure))):
                    await ctx.tick()
                ctx.set(requests.ready, 1)
                _, _, valid, payload = await ctx.tick().sample(requests.valid, requests.payload)
                ctx.set(requests.ready, 0)
                if not valid:
                    continue
                value = respond(payload)
                for _ in range(rng.randrange(int(1 + 20 * back_pressure))):
                    await ctx.tick()
                ctx.set(responses.valid, 1)
                ctx.set(Value.cast(responses.payload), value)
                _, _, ready = await ctx.tick().sample(responses.ready)
                while not ready:
                    _, _, ready = await ctx.tick().sample(responses.ready)
                ctx.set(responses.valid, 0)

        return testbench

    def run(payload):
        traffic.runs.append((payload.first, payload.count))
        return sum(cycles_of(payload.first + n) for n in range(payload.count)) & 0xFFFFFFFF

    def read(payload):
        traffic.reads.append((payload.bank.value, payload.address))
        return int.from_bytes(chunk_of(payload.bank.value, payload.address, config.chunk), "little")

    def counter(layer):
        traffic.counters.append(layer)
        return cycles_of(layer)

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(host)
    for name, respond in (("run", run), ("read", read), ("counter", counter)):
        requests, responses = getattr(dut, f"{name}_request"), getattr(dut, f"{name}_response")
        simulator.add_testbench(responder(requests, responses, respond), background=True)
    simulator.run()
    return traffic
