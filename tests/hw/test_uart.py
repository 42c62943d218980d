# amaranth: UnusedElaboratable=no
"""The serial line: its waveform bit by bit, round trips with clocks that differ, and everything that may go wrong."""

import random

import pytest
from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from amaranth.sim import Simulator

from hw.uart import Uart, UartReceiver, UartTransmitter

from .streams import TRAFFIC, stream_run, stream_transform


class _Line(wiring.Component):
    """A transmitter and a receiver of different bit lengths, as if their clocks differed."""

    i: In(stream.Signature(8))
    o: Out(stream.Signature(8))

    def __init__(self, send, receive):
        self._divisors = send, receive
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        m.submodules.near = near = UartTransmitter(self._divisors[0])
        m.submodules.far = far = UartReceiver(self._divisors[1])
        m.d.comb += far.rx.eq(near.tx)
        connect(m, flipped(self.i), near.i)
        connect(m, far.o, flipped(self.o))
        return m


class _Echo(wiring.Component):
    """Two ends of a line, both directions; the far end sends back what it hears."""

    i: In(stream.Signature(8))
    o: Out(stream.Signature(8))

    def elaborate(self, platform):
        m = Module()
        m.submodules.near = near = Uart(8)
        m.submodules.far = far = Uart(8)
        m.d.comb += [far.rx.eq(near.tx), near.rx.eq(far.tx)]
        connect(m, flipped(self.i), near.i)
        connect(m, far.o, far.i)
        connect(m, near.o, flipped(self.o))
        return m


def frame(byte, divisor, *, stop=1):
    """Line levels of one byte, one for each cycle."""
    bits = [0, *(byte >> bit & 1 for bit in range(8)), stop]
    return [bit for bit in bits for _ in range(divisor)]


def waveform(levels, divisor, *, take=True):
    """Bytes that a receiver makes of a line, and whether one waits at its output at the end."""
    dut = UartReceiver(divisor)
    received = []

    async def testbench(ctx):
        ctx.set(dut.o.ready, take)
        for level in [*levels, *[1] * 4 * divisor]:
            ctx.set(dut.rx, level)
            _, _, valid, payload = await ctx.tick().sample(dut.o.valid, dut.o.payload)
            if valid and take:
                received.append(payload)
        if not take and ctx.get(dut.o.valid):
            received.append(ctx.get(dut.o.payload))

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
    return received


@pytest.mark.parametrize("divisor", [4, 5, 16])
def test_waveform_of_a_burst(divisor):
    content = bytes([0x00, 0xFF, 0xA5, 0x01, 0x80])
    dut = UartTransmitter(divisor)
    levels = []

    async def testbench(ctx):
        sent = 0
        ctx.set(dut.i.valid, 1)
        while len(levels) < 10 * divisor * (len(content) + 1):
            if sent < len(content):
                ctx.set(dut.i.payload, content[sent])
            else:
                ctx.set(dut.i.valid, 0)
            _, _, ready, tx = await ctx.tick().sample(dut.i.ready, dut.tx)
            levels.append(tx)
            sent += bool(ready)

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
    # One cycle until the line falls, then not a cycle between the bytes.
    expected = [1] + [level for byte in content for level in frame(byte, divisor)]
    assert levels == expected + [1] * (len(levels) - len(expected))


@pytest.mark.parametrize("traffic", ["free", "idle"])
@pytest.mark.parametrize("divisor", [4, 7, 16])
def test_round_trip(divisor, traffic):
    seed = 1
    print(f"seed {seed}")
    content = list(random.Random(seed).randbytes(40))
    run = stream_run(
        _Line(divisor, divisor),
        content,
        outputs=40,
        seed=seed,
        limit_cycles=10000,
        settle=99,
        **TRAFFIC[traffic],
    )
    assert run.payloads == content
    if traffic == "free":
        assert {later - first for first, later in zip(run.emitted, run.emitted[1:], strict=False)} == {
            10 * divisor
        }


@pytest.mark.parametrize("divisors", [(49, 50), (50, 49), (50, 51), (51, 50)], ids=str)
def test_clocks_two_percent_apart(divisors):
    content = [0x00, 0xFF, 0x55, 0xAA, 0x01, 0x80, 0x7F]
    assert stream_transform(_Line(*divisors), content, outputs=7, settle=1100, limit_cycles=6000) == content


def test_echo():
    content = list(range(10))
    assert stream_transform(_Echo(), content, outputs=10, settle=200, limit_cycles=3000) == content


def test_missing_stop_bit_drops_the_byte():
    broken = frame(0x12, 8, stop=0) + [1] * 8
    assert waveform(broken + frame(0x34, 8), 8) == [0x34]


def test_long_break_drops_one_byte_only():
    assert waveform([0] * 400 + [1] * 8 + frame(0x56, 8), 8) == [0x56]


def test_short_dip_is_no_start_bit():
    assert waveform([0, 0] + [1] * 100 + frame(0x78, 8), 8) == [0x78]


def test_late_reader_keeps_the_first_byte():
    assert waveform(frame(0x11, 8) + frame(0x22, 8), 8, take=False) == [0x11]


def test_divisor_is_checked():
    for component in (Uart, UartReceiver, UartTransmitter):
        with pytest.raises(ValueError, match="expected a divisor of at least 4 cycles a bit, got 3"):
            component(3)
