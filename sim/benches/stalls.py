"""Counts the cycles in which units of the accelerator wait as its port shows them, beside the device's own counters.

Runs the program in ``program.farthing`` of the bench's folder on the input in ``input.npy``, once as a whole and then every layer by itself; the
counts of each run go to ``report.json``.
"""

import json
from pathlib import Path

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

from hw.protocol import Unit
from sim.host import StreamHost
from sim.runner import bench_parameters
from sim.streams import start
from sw import conversation, frames
from sw.image import read_image
from sw.network import INPUT


class _Watch:
    """Counts cycles of each unit, as the port of the accelerator shows them."""

    def __init__(self, dut):
        self._dut = dut
        self.counts = [0] * len(Unit)
        cocotb.start_soon(self._watch())

    async def _watch(self):
        edge, stalled = RisingEdge(self._dut.clk), self._dut.stalled
        while True:
            await edge
            bits = int(stalled.value)
            for unit in Unit:
                self.counts[unit.value] += bits >> unit.value & 1

    def take(self):
        """Counts by unit since the last time."""
        counts, self.counts = self.counts, [0] * len(Unit)
        return dict(zip(Unit, counts, strict=True))


@cocotb.test
async def counts_are_those_of_the_port(dut):
    folder = Path(bench_parameters()["folder"])
    program = read_image(folder / "program.farthing")
    host = StreamHost(dut, limit_cycles=100_000)
    await start(dut, limit_cycles=None)

    async def say(words):
        turns = conversation.Turns(words)
        for requests in turns:
            turns.answer(await host.exchange(requests))
        return turns.result

    assert not any((await say(conversation.stalls())).values())
    await say(conversation.load(program))
    image = frames.activation_frames(program.tensors[INPUT], np.load(folder / "input.npy"), program.config)
    steps = [program.steps_of(number) for number in range(len(program.layer_names))]
    watch, runs = _Watch(dut), []
    for run in (range(len(program.layers)), *steps):
        watch.take()
        cycles = await say(conversation.run(run, before=image if not runs else ()))
        seen, stalls = watch.take(), await say(conversation.stalls())
        assert stalls == seen
        # They stay until the next run.
        assert await say(conversation.stalls()) == stalls
        runs.append({"cycles": cycles} | {unit.name: count for unit, count in stalls.items()})
    (folder / "report.json").write_text(json.dumps(runs))
