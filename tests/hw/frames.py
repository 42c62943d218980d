"""Frames written and read without the hardware's help, and a host link with a whole device around it."""

import random
from dataclasses import dataclass, field
from typing import NamedTuple

from amaranth.hdl import Value
from amaranth.sim import Simulator

from hw.link import HostLink
from hw.link_words import write_layout
from hw.protocol import Target, Unit

__all__ = ["Order", "Traffic", "checksum", "chunk_of", "cycles_of", "parse", "request", "stalls_of", "talk"]

#: Cycles within which an order is refused, if it is.
_ORDER_CYCLES = 4


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


class Order(NamedTuple):
    """A run that is begun beside the link."""

    first: int
    count: int


@dataclass
class Traffic:
    """What passed a host link."""

    #: Bytes to the host.
    received: bytearray = field(default_factory=bytearray)
    #: (target, index, address, data) of every memory word.
    writes: list = field(default_factory=list)
    #: (first, count) of every run.
    runs: list = field(default_factory=list)
    #: Words of activations that were written while a run was under way.
    overlapped: int = 0
    #: (bank, address) of every chunk read.
    reads: list = field(default_factory=list)
    #: Layer of every counter asked for.
    counters: list = field(default_factory=list)
    #: Of every order, whether a run was under way, and whether it was refused.
    orders: list = field(default_factory=list)

    @property
    def responses(self):
        return parse(self.received)


def chunk_of(bank, address, width):
    """Content of activation memory in the bench: bytes, channel 0 first."""
    return random.Random(bank << 16 | address).randbytes(width)


def cycles_of(layer):
    """Cycles of one layer in the bench, as they are reported."""
    return random.Random(layer).getrandbits(32)


def stalls_of(unit):
    """Cycles in which a unit waited in the bench, as they are reported."""
    return random.Random(unit.name).getrandbits(32)


def talk(
    config, script, *, idle=0.0, back_pressure=0.0, run_cycles=20, seed=0, quiet=150, limit_cycles=20000
):
    """Simulate a host link with memories and layers around it.

    Parameters
    ----------
    config : Config
    script : list of bytes, int or Order
        What the host sends: bytes, or cycles of silence. An order is given when what is before it has been sent.
    idle, back_pressure : float
        Probability, each cycle, that the host pauses, or does not take a byte; the device's answers are late
        accordingly.
    run_cycles : int
        Most cycles that a run takes; its input is free from a random one of them on.
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
    queue = []
    for part in script:
        queue += [part] if isinstance(part, Order) else [-part] if isinstance(part, int) else part
    over = False

    async def host(ctx):
        nonlocal over
        position, silence, last, cycle = 0, 0, 0, 0
        offered, held, order_age = False, None, _ORDER_CYCLES
        for unit in Unit:
            ctx.set(dut.stalls[unit.value], stalls_of(unit))
        while position < len(queue) or cycle - last < quiet:
            assert cycle < limit_cycles, f"watchdog: {position} of {len(queue)} bytes went in {cycle} cycles"
            waiting = queue[position] if not offered and not silence and position < len(queue) else 0
            ordering = isinstance(waiting, Order)
            ctx.set(dut.order.begin, ordering)
            ctx.set(dut.order.layers, waiting._asdict() if ordering else {"first": 0, "count": 1})
            if ordering:
                position, order_age, silence = position + 1, 0, 1
            elif waiting and waiting < 0:
                silence, position = -waiting, position + 1
            if silence:
                silence, last = silence - 1, cycle
            elif not offered and position < len(queue) and rng.random() >= idle:
                offered = True
            ctx.set(dut.i.valid, offered)
            ctx.set(dut.i.payload, queue[position] if offered else rng.getrandbits(8))
            ready = rng.random() >= back_pressure
            write_ready = rng.random() >= back_pressure
            ctx.set(dut.o.ready, ready)
            ctx.set(dut.write.ready, write_ready)
            _, _, taken, valid, byte, write_valid, word, running, free, refused = await ctx.tick().sample(
                dut.i.ready,
                dut.o.valid,
                dut.o.payload,
                dut.write.valid,
                Value.cast(dut.write.payload),
                dut.running,
                dut.input_free,
                dut.order.refused,
            )
            if ordering:
                traffic.orders.append([running, 0])
            if refused:
                assert order_age < _ORDER_CYCLES, "refused what was not ordered, or late"
                traffic.orders[-1][1] += 1
            order_age += 1
            if held is not None:
                assert valid and byte == held, "expected a byte to stay until it is taken"
            held = byte if valid and not ready else None
            if offered and taken:
                offered, position, last = False, position + 1, cycle
            if valid and ready:
                traffic.received.append(byte)
            if valid or write_valid or running:
                last = cycle
            if write_valid:
                word = target_shape.from_bits(word)
                allowed = free if word.target is Target.ACTIVATION else not running
                assert allowed, f"wrote {word.target} during a run"
            if write_valid and write_ready:
                traffic.overlapped += running
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

    async def runs(ctx):
        """The sequencer: it is idle, or runs for some cycles; from one of them on the input is free."""
        left, free_from, cycles = 0, 0, 0
        while not over:
            ready = not left and rng.random() >= back_pressure
            ctx.set(dut.run_request.ready, ready)
            ctx.set(dut.running, left > 0)
            ctx.set(dut.input_free, left <= free_from)
            ctx.set(dut.cycles, rng.getrandbits(32) if left else cycles)
            _, _, valid, layers, clear, *asked = await ctx.tick().sample(
                dut.run_request.valid,
                dut.run_request.payload,
                dut.clear_cycles,
                dut.read_request.valid,
                dut.counter_request.valid,
            )
            assert not left or not (clear or any(asked)), "asked of a device that runs"
            if clear:
                cycles = 0
            left = max(left - 1, 0)
            if valid and ready:
                traffic.runs.append((layers.first, layers.count))
                cycles += sum(cycles_of(layers.first + n) for n in range(layers.count))
                cycles &= 0xFFFFFFFF
                left = rng.randint(1, run_cycles)
                free_from = rng.randint(0, left)

    def read(payload):
        traffic.reads.append((payload.bank.value, payload.address))
        return int.from_bytes(chunk_of(payload.bank.value, payload.address, config.chunk), "little")

    def counter(layer):
        traffic.counters.append(layer)
        return cycles_of(layer)

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(host)
    simulator.add_testbench(runs, background=True)
    for name, respond in (("read", read), ("counter", counter)):
        requests, responses = getattr(dut, f"{name}_request"), getattr(dut, f"{name}_response")
        simulator.add_testbench(responder(requests, responses, respond), background=True)
    simulator.run()
    return traffic
