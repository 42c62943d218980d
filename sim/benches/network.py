"""A whole network through the host link of the accelerator, every tensor against the reference.

The program comes as an image file, images and expected tensors in ``tensors.npz``; what happened goes to
``report.json`` and ``outputs.npz``, all in the folder of the bench (``sim.network`` is the other end). The device is
driven as a host would drive it, one byte a clock.
"""

import json
from pathlib import Path

import cocotb
import numpy as np
from cocotb.utils import get_sim_time

from sim.host import StreamHost
from sim.runner import bench_parameters
from sim.streams import CLOCK_NANOSECONDS, start
from sw import conversation, frames
from sw.image import read_image
from sw.network import INPUT


class NetworkRunner:
    """Runs the images of one program and keeps what came out."""

    def __init__(self, dut, folder, parameters):
        self._host = StreamHost(dut, parameters["limit_cycles"])
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

    async def _say(self, words):
        turns = conversation.Turns(words)
        for requests in turns:
            turns.answer(await self._host.exchange(requests))
        return turns.result

    async def load(self):
        """See that it is the right device, and load the program."""
        await self._say(conversation.load(self._program))

    async def run(self, image):
        """Everything about one image; differences go to ``mismatches``."""
        program = self._program
        if self._every_tensor:
            await self._write(image)
            for number, name in enumerate(program.layer_names):
                steps = program.steps_of(number)
                if steps:
                    await self._say(conversation.run(steps))
                await self._check(image, name, whole=False)
                if self._stopped:
                    return
        # Tensors may have taken the place of the input.
        await self._write(image)
        self.run_cycles.append(await self._say(conversation.run(range(len(program.layers)))))
        self.outputs.append(await self._check(image, program.output_name, whole=True))
        self.counters.append(await self._say(conversation.counters(program)))

    async def stream(self, *, overlap):
        """All images one after the other, each loaded during the run before with ``overlap``, after it without.

        Gives the cycles from the first run to the answer of the last.
        """
        program, steps = self._program, range(len(self._program.layers))
        await self._write(0)
        begin = get_sim_time("ns")
        for image in range(self.images):
            following = self._input(image + 1) if image + 1 < self.images else ()
            run = conversation.run(steps, during=following if overlap else ())
            self.run_cycles.append(await self._say(run))
            end = get_sim_time("ns")
            self.outputs.append(await self._check(image, program.output_name, whole=True))
            if not overlap:
                await self._host.exchange(following)
        return round((end - begin) / CLOCK_NANOSECONDS)

    def _input(self, image):
        """Requests that write an image."""
        program = self._program
        return frames.activation_frames(program.tensors[INPUT], self._expected[INPUT][image], program.config)

    async def _write(self, image):
        await self._host.exchange(self._input(image))

    async def _check(self, image, name, *, whole):
        """Read a tensor and compare it with the reference."""
        expected = self._expected[name][image]
        got = await self._say(conversation.read(self._program, name))
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
