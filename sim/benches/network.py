"""A whole network through the host link of the accelerator, every tensor against the reference.

The program comes as an image file, images and expected tensors in ``tensors.npz``; what happened goes to
``report.json`` and ``outputs.npz``, all in the folder of the bench (``sim.network`` is the other end). The device is
driven as a host would drive it, one byte a clock.
"""

import json
from pathlib import Path

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles, First, RisingEdge
from cocotb.utils import get_sim_time

from sim.runner import bench_parameters
from sim.streams import CLOCK_NANOSECONDS, start
from sw import frames
from sw.image import read_image
from sw.network import INPUT


class HostLink:
    """Sends requests and takes answers, with one await a byte; between them the simulator runs by itself."""

    def __init__(self, dut, limit_cycles):
        self._edge = RisingEdge(dut.clk)
        self._answer_begins = RisingEdge(dut.o__valid)
        self._clock = dut.clk
        self._limit = limit_cycles
        self._sent, self._send_valid, self._send_ready = dut.i__payload, dut.i__valid, dut.i__ready
        self._taken, self._take_valid, self._take_ready = dut.o__payload, dut.o__valid, dut.o__ready
        self._send_valid.value = 0
        self._take_ready.value = 0

    async def request(self, frame):
        """Payload of the answer to one request; ``LinkError`` if it was refused."""
        await self._send(frame)
        return frames.decode_response(await self._receive())

    async def _send(self, frame):
        edge, payload, ready = self._edge, self._sent, self._send_ready
        self._send_valid.value = 1
        waited = 0
        for byte in frame:
            payload.value = byte
            await edge
            while not ready.value:
                waited += 1
                assert waited < self._limit, f"a request was not taken within {self._limit} cycles"
                await edge
        self._send_valid.value = 0

    async def _receive(self):
        self._take_ready.value = 1
        if not self._take_valid.value:
            first = await First(self._answer_begins, ClockCycles(self._clock, self._limit))
            assert first is self._answer_begins, f"no answer within {self._limit} cycles"
        answer = await self._take(4)
        answer += await self._take(int.from_bytes(answer[2:4], "little") + 2)
        self._take_ready.value = 0
        return bytes(answer)

    async def _take(self, count):
        edge, payload, valid = self._edge, self._taken, self._take_valid
        taken, waited = bytearray(), 0
        while len(taken) < count:
            await edge
            if valid.value:
                taken.append(int(payload.value))
            else:
                waited += 1
                assert waited < self._limit, f"an answer stopped for {self._limit} cycles"
        return taken


class NetworkRunner:
    """Runs the images of one program and keeps what came out."""

    def __init__(self, dut, folder, parameters):
        self._host = HostLink(dut, parameters["limit_cycles"])
        self._program = read_image(folder / "program.farthing")
        self._expected = dict(np.load(folder / "tensors.npz"))
        self._stop_at_first = parameters["stop_at_first"]
        self._every_tensor = parameters["every_tensor"]
        self.mismatches = []
        self.outputs, self.counters, self.run_cycles = [], [], []

    @property
    def images(self):
        return len(self._expected[INPUT])

    @property
    def _stopped(self):
        return self.mismatches and self._stop_at_first

    async def _run_steps(self, first, count):
        """Run steps to their end; gives their cycles."""
        await self._host.request(frames.run_frame(first, count))
        return frames.decode_cycles(await self._host.request(frames.wait_frame()))

    async def load(self):
        """See that it is the right device, and load the program."""
        answer = await self._host.request(frames.status_frame())
        frames.check_device(frames.decode_status(answer), self._program.config)
        for frame in frames.load_frames(self._program):
            await self._host.request(frame)

    async def run(self, image):
        """Everything about one image; differences go to ``mismatches``."""
        program, host = self._program, self._host
        if self._every_tensor:
            await self._write(image)
            for number, name in enumerate(program.layer_names):
                steps = program.steps_of(number)
                if steps:
                    await self._run_steps(steps.start, len(steps))
                await self._check(image, name, whole=False)
                if self._stopped:
                    return
        # Tensors may have taken the place of the input.
        await self._write(image)
        count = len(program.layers)
        self.run_cycles.append(await self._run_steps(0, count))
        self.outputs.append(await self._check(image, program.output_name, whole=True))
        answer = await host.request(frames.counters_frame(0, count))
        self.counters.append(program.layer_sums(frames.decode_counters(answer, count)))

    async def stream(self, *, overlap):
        """All images one after the other, each loaded during the run before with ``overlap``, after it without.

        Gives the cycles from the first run to the answer of the last.
        """
        program, host = self._program, self._host
        await self._write(0)
        begin = get_sim_time("ns")
        for image in range(self.images):
            await host.request(frames.run_frame(0, len(program.layers)))
            if overlap and image + 1 < self.images:
                await self._write(image + 1)
            self.run_cycles.append(frames.decode_cycles(await host.request(frames.wait_frame())))
            end = get_sim_time("ns")
            self.outputs.append(await self._check(image, program.output_name, whole=True))
            if not overlap and image + 1 < self.images:
                await self._write(image + 1)
        return round((end - begin) / CLOCK_NANOSECONDS)

    async def _write(self, image):
        program = self._program
        placement, tensor = program.tensors[INPUT], self._expected[INPUT][image]
        for frame in frames.activation_frames(placement, tensor, program.config):
            await self._host.request(frame)

    async def _check(self, image, name, *, whole):
        """Read a tensor and compare it with the reference."""
        placement, expected = self._program.tensors[name], self._expected[name][image]
        requests = frames.read_frames(placement, self._program.config)
        got = frames.decode_tensor(
            b"".join([await self._host.request(frame) for frame in requests]), placement
        )
        differences = np.argwhere(expected != got)
        if len(differences):
            channel, row, column = place = tuple(map(int, differences[0]))
            self.mismatches.append(
                {
                    "image": image,
                    "layer": name,
                    "whole": whole,
                    "channel": channel,
                    "row": row,
                    "column": column,
                    "expected": int(expected[place]),
                    "got": int(got[place]),
                    "count": len(differences),
                    "size": expected.size,
                }
            )
        return got


@cocotb.test
async def equals_the_reference(dut):
    parameters = bench_parameters()
    folder = Path(parameters["folder"])
    runner = NetworkRunner(dut, folder, parameters)
    await start(dut, limit_cycles=None)
    await runner.load()
    stream_cycles = None
    if parameters["overlap"] is not None:
        stream_cycles = await runner.stream(overlap=parameters["overlap"])
    else:
        for image in range(runner.images):
            await runner.run(image)
            (folder / "progress").write_text(str(image + 1))
            if runner.mismatches:
                break
    report = {
        "mismatches": runner.mismatches,
        "stream_cycles": stream_cycles,
        "simulated_cycles": round(get_sim_time("ns") / CLOCK_NANOSECONDS),
    }
    (folder / "report.json").write_text(json.dumps(report))
    np.savez(
        folder / "outputs.npz",
        outputs=np.array(runner.outputs),
        counters=np.array(runner.counters),
        run_cycles=np.array(runner.run_cycles),
    )
    assert not runner.mismatches, f"differs from the reference: {runner.mismatches[0]}"
