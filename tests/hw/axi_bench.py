"""A processor and a DMA engine in cocotb around the accelerator's AXI ports, for test_axi.py."""

import itertools
import json
import random
from pathlib import Path

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge, with_timeout
from cocotbext.axi import (
    AxiLiteBus,
    AxiLiteMaster,
    AxiResp,
    AxiStreamBus,
    AxiStreamFrame,
    AxiStreamMonitor,
    AxiStreamSink,
    AxiStreamSource,
)

from hw.axi_registers import (
    BUS_VERSION,
    IDENTIFICATION,
    REGISTERS,
    Access,
    Address,
    Control,
    Event,
    State,
)
from hw.protocol import PROTOCOL_VERSION, Unit
from sim.runner import bench_parameters
from sim.streams import CLOCK_NANOSECONDS
from sw import conversation, frames
from sw.image import read_image
from sw.network import INPUT

#: Wall time of the simulated world in which any one thing has to happen.
LIMIT = (2_000_000, "ns")
#: Times that events are read, each some cycles, until a run must have ended.
LIMIT_READS = 20_000


def _pauses(share):
    """Cycles in which one side of a channel does nothing."""
    generator = random.Random(random.random())
    return (generator.random() < share for _ in itertools.count())


def _payload(packet):
    """Payload of the one response in a packet; ``LinkError`` if it was refused."""
    (response,) = frames.ResponseParser().feed(bytes(packet.tdata))
    return response.unwrap()


class System:
    """What is around the accelerator."""

    def __init__(self, dut, *, pauses):
        self.dut = dut
        reset = {"reset": dut.aresetn, "reset_active_level": False}
        self.source = AxiStreamSource(AxiStreamBus.from_prefix(dut, "s_axis"), dut.aclk, **reset)
        self.sink = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis"), dut.aclk, **reset)
        self.monitor = AxiStreamMonitor(AxiStreamBus.from_prefix(dut, "m_axis"), dut.aclk, **reset)
        self.registers = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axil"), dut.aclk, **reset)
        read, write = self.registers.read_if, self.registers.write_if
        if pauses:
            for channel in (self.source, self.sink, read.ar_channel, read.r_channel):
                channel.set_pause_generator(_pauses(pauses))
            for channel in (write.aw_channel, write.w_channel, write.b_channel):
                channel.set_pause_generator(_pauses(pauses))

    async def start(self):
        self.dut.aresetn.value = 0
        Clock(self.dut.aclk, CLOCK_NANOSECONDS, unit="ns").start()
        await ClockCycles(self.dut.aclk, 4)
        self.dut.aresetn.value = 1
        await ClockCycles(self.dut.aclk, 2)

    async def read(self, address):
        """Content and answer of a register."""
        got = await with_timeout(self.registers.read(address, 4), *LIMIT)
        return int.from_bytes(got.data, "little"), got.resp

    async def write(self, address, value, length=4):
        """Answer to a write."""
        data = value.to_bytes(4, "little")[:length]
        return (await with_timeout(self.registers.write(address, data), *LIMIT)).resp

    async def value(self, name):
        """Content of a register that is there."""
        content, answer = await self.read(Address[name])
        assert answer == AxiResp.OKAY, name
        return content

    async def order(self, first, layers):
        """The event that says what became of a run that registers begin; it is cleared."""
        assert await self.write(Address.EVENTS, Event.RUN_ENDED | Event.REFUSED) == AxiResp.OKAY
        assert await self.write(Address.RUN_FIRST, first) == AxiResp.OKAY
        assert await self.write(Address.RUN_LAYERS, layers) == AxiResp.OKAY
        assert await self.write(Address.CONTROL, Control.RUN) == AxiResp.OKAY
        for _ in range(LIMIT_READS):
            happened = Event(await self.value("EVENTS")) & (Event.RUN_ENDED | Event.REFUSED)
            if happened:
                assert await self.write(Address.EVENTS, happened) == AxiResp.OKAY
                return happened
        raise AssertionError(
            f"no run ended, and none was refused, while events were read {LIMIT_READS} times"
        )

    async def stalls(self):
        """Stalls of the last run by unit, as registers say them."""
        return {unit: await self.value(f"STALLS_{unit.name}") for unit in Unit}

    async def exchange(self, requests):
        """Payloads of the answers to requests; all are sent as one packet, each answer must be one."""
        await self.source.send(b"".join(requests))
        return [_payload(await with_timeout(self.sink.recv(), *LIMIT)) for _ in requests]

    async def converse(self, talk):
        """What comes out of a conversation."""
        turns = conversation.Turns(talk)
        for requests in turns:
            turns.answer(await self.exchange(requests))
        return turns.result


@cocotb.test
async def registers_answer(dut):
    parameters = bench_parameters()
    system = System(dut, pauses=parameters["pauses"])
    await system.start()
    assert await system.value("IDENTIFICATION") == IDENTIFICATION
    assert await system.value("VERSION") == BUS_VERSION << 16 | PROTOCOL_VERSION
    assert await system.value("DIGEST") == parameters["digest"]
    assert await system.value("STATE") == State.INPUT_FREE
    known = {register.address: register for register in REGISTERS}
    for address in range(0, 256, 4):
        register = known.get(address)
        before, answer = await system.read(address)
        assert answer == (AxiResp.OKAY if register else AxiResp.DECERR)
        assert register or before == 0
        writable = register is not None and register.access is not Access.READ
        refused = AxiResp.SLVERR if register else AxiResp.DECERR
        assert await system.write(address, 0) == (AxiResp.OKAY if writable else refused)
        # Part of a word is refused, and changes nothing.
        assert await system.write(address, 0xFF, length=1) == refused
        if writable:
            assert (await system.read(address))[0] == 0
    # Among these writes of zero none was an order to run.
    assert not await system.value("EVENTS")
    for address in (Address.RUN_FIRST, Address.RUN_LAYERS):
        await system.write(address, 0x12345678)
        assert await system.read(address) == (0x12345678, AxiResp.OKAY)
    for value in (*Event, 0):
        assert await system.write(Address.INTERRUPTS, value) == AxiResp.OKAY
        assert await system.value("INTERRUPTS") == value


@cocotb.test
async def runs_the_network(dut):
    parameters = bench_parameters()
    folder = Path(parameters["folder"])
    program, tensors = read_image(folder / "program.farthing"), np.load(folder / "tensors.npz")
    system = System(dut, pauses=parameters["pauses"])
    await system.start()
    await system.converse(conversation.load(program))
    await system.write(Address.INTERRUPTS, Event.RUN_ENDED)
    assert not dut.irq.value
    steps, name = range(len(program.layers)), program.output_name
    outputs, all_cycles = [], 0
    for number, image in enumerate(tensors[INPUT]):
        before = frames.activation_frames(program.tensors[INPUT], image, program.config)
        cycles = await system.converse(conversation.run(steps, before=before))
        all_cycles += cycles
        assert cycles
        assert await system.value("RUNS") == number + 1
        assert dut.irq.value and await system.value("EVENTS") == Event.RUN_ENDED | Event.RESPONDED
        assert await system.write(Address.EVENTS, Event.RUN_ENDED) == AxiResp.OKAY
        assert not dut.irq.value and await system.value("EVENTS") == Event.RESPONDED
        outputs.append(await system.converse(conversation.read(program, name)))
    assert np.array_equal(outputs, tensors[name])
    # While it runs, it says so; and counts.
    await system.source.send(frames.run_frame(0, len(steps)))
    await with_timeout(system.sink.recv(), *LIMIT)
    assert await system.value("STATE") & State.RUNNING or await system.value("RUNS") == len(outputs) + 1
    if not dut.irq.value:
        await with_timeout(RisingEdge(dut.irq), *LIMIT)
    assert not await system.value("STATE") & State.RUNNING
    assert await system.value("CYCLES") == all_cycles // len(outputs)
    assert await system.value("BYTES_IN") > await system.value("BYTES_OUT") > 0
    assert await system.value("RESPONSES") > len(outputs)
    (folder / "done.json").write_text(json.dumps({"images": len(outputs)}))


@cocotb.test
async def registers_run_the_network(dut):
    """As requests do, to the cycle; and refuse what these refuse, or would wait for."""
    parameters = bench_parameters()
    folder = Path(parameters["folder"])
    program, tensors = read_image(folder / "program.farthing"), np.load(folder / "tensors.npz")
    system = System(dut, pauses=parameters["pauses"])
    await system.start()
    steps, name = range(len(program.layers)), program.output_name
    image = frames.activation_frames(program.tensors[INPUT], tensors[INPUT][0], program.config)
    assert await system.order(0, len(steps)) == Event.REFUSED, "ran before anything was loaded"
    await system.converse(conversation.load(program))
    await system.write(Address.INTERRUPTS, Event.REFUSED)
    for first, layers in (
        (0, 0),
        (0, program.config.layers + 1),
        (program.config.layers, 1),
        (0x10000, 1),
        (0, 0x10001),
    ):
        assert await system.order(first, layers) == Event.REFUSED, (first, layers)
    assert await system.value("RUNS") == 0
    cycles = await system.converse(conversation.run(steps, before=image))
    expected = await system.converse(conversation.read(program, name))
    stalls = await system.stalls()
    assert stalls == await system.converse(conversation.stalls()) and stalls[Unit.REQUANTISER]
    assert np.array_equal(expected, tensors[name][0])

    # The image was written over: it is loaded again, and nothing else.
    await system.exchange(image)
    assert not dut.irq.value
    assert await system.order(0, len(steps)) == Event.RUN_ENDED
    assert await system.value("CYCLES") == cycles and await system.value("RUNS") == 2
    assert await system.stalls() == stalls
    assert np.array_equal(await system.converse(conversation.read(program, name)), expected)

    # A run is under way, whoever began it; a request waits for it, an order does not.
    await system.exchange(image)
    await system.write(Address.EVENTS, Event.RUN_ENDED)
    await system.write(Address.CONTROL, Control.RUN)
    await system.write(Address.CONTROL, Control.RUN)
    if not dut.irq.value:
        await with_timeout(RisingEdge(dut.irq), *LIMIT)
    assert not await system.value("EVENTS") & Event.RUN_ENDED
    (payload,) = await system.exchange([frames.wait_frame()])
    assert frames.decode_cycles(payload) == 2 * cycles and await system.value("RUNS") == 3
    assert await system.value("EVENTS") & (Event.RUN_ENDED | Event.REFUSED) == Event.RUN_ENDED | Event.REFUSED

    # Between the head of a request and its end nobody else begins a run.
    status = frames.status_frame()
    await system.source.send(status[:4])
    await system.source.wait()
    assert await system.order(0, len(steps)) == Event.REFUSED
    await system.source.send(status[4:])
    await with_timeout(system.sink.recv(), *LIMIT)

    # A reset takes an order with it, and what was loaded.
    await system.write(Address.CONTROL, Control.RUN | Control.RESET)
    assert await system.value("EVENTS") & Event.REFUSED
    assert await system.order(0, len(steps)) == Event.REFUSED and await system.value("RUNS") == 3


@cocotb.test
async def a_reset_by_software_starts_anew(dut):
    system = System(dut, pauses=bench_parameters()["pauses"])
    await system.start()
    await system.exchange([frames.clear_frame()])
    # Half of a frame, then a reset: the next frame is answered as if nothing had come before.
    await system.source.send(frames.status_frame()[:3])
    await system.source.wait()
    assert await system.write(Address.CONTROL, Control.RESET) == AxiResp.OKAY
    (payload,) = await with_timeout(system.exchange([frames.status_frame()]), *LIMIT)
    assert frames.decode_status(payload).damaged
    assert await system.value("RESPONSES") == 2


@cocotb.test
async def full_words_and_null_bytes(dut):
    """All words of a response but its last are full; bytes that are not kept do not count."""
    system = System(dut, pauses=bench_parameters()["pauses"])
    await system.start()
    data, keep = bytearray(), []
    for byte in frames.status_frame():
        nulls = random.randrange(4)
        data += bytes([0xA5] * nulls + [byte])
        keep += [0] * nulls + [1]
    await system.source.send(AxiStreamFrame(bytes(data), tkeep=keep))
    answer = await with_timeout(system.sink.recv(), *LIMIT)
    assert frames.decode_status(_payload(answer)).version == PROTOCOL_VERSION
    watched = await system.monitor.recv(compact=False)
    length = len(answer.tdata)
    assert watched.tkeep[:length] == [1] * length and not any(watched.tkeep[length:])
    assert len(watched.tkeep) == -(-length // 4) * 4
