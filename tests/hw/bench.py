"""A bench for components with several streams: every source, sink and memory under the same random traffic."""

import random

from amaranth.hdl import ClockDomain, Const, Module, Value
from amaranth.sim import Simulator

from .streams import decode, encode

__all__ = ["Bench"]

#: Cycles that a memory port takes to answer when nothing delays it.
_LATENCY = 2
#: Requests that a memory port takes in before their responses have left.
_PENDING = 6


class _Source:
    """Offers payloads in order; random bits stand on its port while it idles."""

    def __init__(self, port, payloads, idle):
        self._port, self._shape, self._bits = port, port.payload.shape(), Value.cast(port.payload)
        self._idle = idle
        self._queue, self._offered = [], False
        self.signals = [port.ready]
        #: Cycle in which each payload was transferred.
        self.accepted = []
        self.extend(payloads)

    def extend(self, payloads):
        """Offer more payloads after those there are."""
        self._queue += [encode(self._shape, payload) for payload in payloads]

    @property
    def empty(self):
        """Whether everything has been transferred."""
        return len(self.accepted) == len(self._queue)

    def drive(self, bench):
        if not self._offered:
            self._offered = not self.empty and bench.rng.random() >= self._idle
            noise = bench.rng.getrandbits(len(self._bits))
            bench.set(self._port.valid, self._offered)
            bench.set(self._bits, self._queue[len(self.accepted)] if self._offered else noise)

    def observe(self, cycle, ready):
        if self._offered and ready:
            self.accepted.append(cycle)
            self._offered = False


class _Sink:
    """Takes payloads and checks that an offer stands until it is taken.

    Under back-pressure it waits to see the first payload before it is ever ready: valid must not wait for ready.
    """

    def __init__(self, port, back_pressure):
        self._port, self._shape = port, port.payload.shape()
        self._always_ready = isinstance(port.ready, Const)
        self._back_pressure = back_pressure = 0 if self._always_ready else back_pressure
        self._ready, self._seen, self._held = False, back_pressure == 0, None
        self.signals = [port.valid, Value.cast(port.payload)]
        self.payloads = []
        #: Cycle in which each payload was transferred.
        self.emitted = []

    def drive(self, bench):
        self._ready = self._seen and bench.rng.random() >= self._back_pressure
        if not self._always_ready:
            bench.set(self._port.ready, self._ready)

    def observe(self, cycle, valid, payload):
        if self._held is not None:
            assert valid, f"cycle {cycle}: valid fell before the transfer"
            assert payload == self._held, f"cycle {cycle}: payload changed before the transfer"
        self._held = payload if valid and not self._ready else None
        self._seen = self._seen or bool(valid)
        if valid and self._ready:
            self.payloads.append(decode(self._shape, payload))
            self.emitted.append(cycle)


class _MemoryPort:
    """Plays memory behind a request and a response stream: answers in order, late or at once."""

    def __init__(self, request, response, read, idle, back_pressure):
        self._request, self._response = request, response
        self._shape, self._bits = response.payload.shape(), Value.cast(response.payload)
        self._read, self._idle, self._back_pressure = read, idle, back_pressure
        self._pending, self._ready, self._offered = [], False, False
        self.signals = [request.valid, Value.cast(request.payload), response.ready]
        #: Requests in the order in which they were accepted, and the cycles.
        self.requests, self.accepted = [], []

    def drive(self, bench):
        rng = bench.rng
        self._ready = len(self._pending) < _PENDING and rng.random() >= self._back_pressure
        bench.set(self._request.ready, self._ready)
        if not self._offered:
            due = bool(self._pending) and self._pending[0][0] <= bench.cycles
            self._offered = due and rng.random() >= self._idle
            noise = rng.getrandbits(len(self._bits))
            bench.set(self._response.valid, self._offered)
            bench.set(self._bits, self._pending[0][1] if self._offered else noise)

    def observe(self, cycle, valid, payload, ready):
        if self._offered and ready:
            self._pending.pop(0)
            self._offered = False
        if valid and self._ready:
            request = decode(self._request.payload.shape(), payload)
            self.requests.append(request)
            self.accepted.append(cycle)
            self._pending.append((cycle + _LATENCY, encode(self._shape, self._read(request))))


class _PlainMemory:
    """Plays a memory without streams: what is asked for comes a cycle later and stays until something else is asked for."""

    def __init__(self, reads, address, word, read):
        self._address, self._word, self._bits, self._read = address, word, Value.cast(word), read
        self._held = None
        self.signals = [reads, Value.cast(address)]
        #: What was asked for, in order, and the cycles.
        self.requests, self.accepted = [], []

    def drive(self, bench):
        noise = bench.rng.getrandbits(len(self._bits))
        bench.set(self._bits, noise if self._held is None else self._held)

    def observe(self, cycle, reads, address):
        if reads:
            self.requests.append(decode(self._address.shape(), address))
            self.accepted.append(cycle)
            self._held = encode(self._word.shape(), self._read(self.requests[-1]))


class _Plane:
    """Plays the plane of the serial machine: a sum comes a cycle later, as it was before what is written in that cycle."""

    def __init__(self, position, sum_, write, words):
        self._sum, self._bits, self._write, self._next = sum_, Value.cast(sum_), write, None
        #: Zeros at first; whoever runs the bench may change them between two cycles.
        self.sums = [0] * words
        self.signals = [position, write.valid, Value.cast(write.payload)]
        #: Positions that were written, in order, and the cycles.
        self.written, self.cycles = [], []

    def drive(self, bench):
        noise = bench.rng.getrandbits(len(self._bits))
        bench.set(self._bits, noise if self._next is None else self._next)
        bench.set(self._write.ready, 1)

    def observe(self, cycle, position, valid, payload):
        within = position < len(self.sums)
        self._next = encode(self._sum.shape(), self.sums[position]) if within else None
        if valid:
            write = decode(self._write.payload.shape(), payload)
            self.sums[write["position"]] = write["sum"]
            self.written.append(write["position"])
            self.cycles.append(cycle)


class _RingReader:
    """Plays the input ring for one reader: chunks arrive one after the other, at random times.

    ``pixels`` holds payloads [pixels][chunks] of ``ring_layout``.
    """

    def __init__(self, reader, pixels, depth, idle):
        self._reader, self._shape = reader, reader.entry.shape()
        self._chunks = [encode(self._shape, chunk) for pixel in pixels for chunk in pixel]
        self._pixel_chunks = len(pixels[0])
        self._pixel, self._level = 0, 0
        self._depth, self._idle = depth, idle
        self.signals = [reader.advance]

    @property
    def released(self):
        """Pixels that the reader has released."""
        return self._pixel

    def drive(self, bench):
        offset, first = bench.get(self._reader.offset), self._pixel * self._pixel_chunks
        space = self._level < self._depth and first + self._level < len(self._chunks)
        present = offset < self._level
        noise = bench.rng.getrandbits(self._shape.size)
        bench.set(self._reader.present, present)
        bench.set(Value.cast(self._reader.entry), self._chunks[first + offset] if present else noise)
        self._level += space and bench.rng.random() >= self._idle

    def observe(self, cycle, advance):
        if advance:
            self._pixel += 1
            self._level -= self._pixel_chunks
            assert self._pixel * self._pixel_chunks <= len(self._chunks), f"cycle {cycle}: released too much"


class Bench:
    """One component, the agents at its ports, and a script that moves them cycle by cycle.

    Parameters
    ----------
    dut : Component
        Used up by the simulation.
    idle, back_pressure : float
        Probability, each cycle, that a source idles or a sink is not ready (``TRAFFIC``).
    seed : int
        Of the random traffic; printed.
    limit_cycles : int
        Cycles after which the watchdog fails the run.
    """

    def __init__(self, dut, *, idle=0.0, back_pressure=0.0, seed=0, limit_cycles=20000):
        print(f"bench seed {seed}")
        self.rng = random.Random(seed)
        self.cycles = 0
        self._dut, self._agents = dut, []
        self._idle, self._back_pressure, self._limit = idle, back_pressure, limit_cycles

    def _add(self, agent):
        self._agents.append(agent)
        return agent

    def source(self, port, payloads=()):
        """Offer payloads at an input stream."""
        return self._add(_Source(port, payloads, self._idle))

    def sink(self, port, *, always_ready=False):
        """Take payloads from an output stream."""
        return self._add(_Sink(port, 0 if always_ready else self._back_pressure))

    def memory(self, request, response, read):
        """Play a memory: ``read`` gives the response to a request, both as plain values."""
        return self._add(_MemoryPort(request, response, read, self._idle, self._back_pressure))

    def plain_memory(self, reads, address, word, read):
        """Play a memory without streams: ``read`` gives the word that is asked for."""
        return self._add(_PlainMemory(reads, address, word, read))

    def plane(self, position, sum_, write, words):
        """Play the plane of the serial machine, of as many sums as ``words``."""
        return self._add(_Plane(position, sum_, write, words))

    def ring_reader(self, reader, pixels, depth):
        """Play the input ring of ``depth`` entries for one reader."""
        return self._add(_RingReader(reader, pixels, depth, self._idle))

    def set(self, signal, value):
        """Set an input of the component: plain values, lists, dictionaries."""
        bits = Value.cast(signal)
        self._context.set(bits, value if bits is signal else encode(signal.shape(), value))

    def get(self, signal):
        """Value of a signal that no input of this cycle reaches through logic."""
        return self._context.get(signal)

    async def cycle(self, *signals):
        """One cycle of everything; gives the values of ``signals`` at its end."""
        for agent in self._agents:
            agent.drive(self)
        watched = [signal for agent in self._agents for signal in agent.signals]
        _, _, *values = await self._context.tick().sample(*watched, *signals)
        values = iter(values)
        for agent in self._agents:
            agent.observe(self.cycles, *(next(values) for _ in agent.signals))
        self.cycles += 1
        assert self.cycles < self._limit, f"watchdog: not finished after {self.cycles} cycles"
        return list(values)

    async def repeat(self, cycles):
        """Some cycles of everything."""
        for _ in range(cycles):
            await self.cycle()

    async def until(self, condition):
        """Cycles until ``condition()``."""
        while not condition():
            await self.cycle()

    async def take(self, sink, count):
        """Cycles until ``sink`` has ``count`` payloads in all."""
        await self.until(lambda: len(sink.payloads) >= count)

    async def while_high(self, signal):
        """Cycles until ``signal`` is low; gives how many it was high."""
        cycles = 0
        while (await self.cycle(signal))[0]:
            cycles += 1
        return cycles

    async def pulse(self, signal):
        """One cycle with ``signal`` high."""
        self.set(signal, 1)
        await self.cycle()
        self.set(signal, 0)

    def run(self, script):
        """Simulate until the coroutine function ``script`` returns."""

        async def testbench(context):
            self._context = context
            await script()

        # A component of nothing but wires has no clock of its own.
        top = Module()
        top.domains.sync = ClockDomain()
        top.submodules.dut = self._dut
        simulator = Simulator(top)
        simulator.add_clock(1e-6)
        simulator.add_testbench(testbench)
        simulator.run()
