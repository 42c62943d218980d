"""Sequencer: programs run in order on units that are busy for a random time; descriptions, counters, the free input."""

import numpy as np
import pytest
from amaranth.hdl import Value

from hw.formats import LAYER_FIELDS, LAYER_WORDS, Layer, Operation
from hw.sequencer import Owner, Sequencer

from .bench import Bench
from .layers import CONFIGURATIONS
from .streams import TRAFFIC, decode

CONFIG = CONFIGURATIONS["tiny"]

STARTS = {
    Operation.CONVOLUTION: {"convolution", "requantiser"},
    Operation.MAX_POOL: {"pool"},
    Operation.AVERAGE_POOL: {"pool", "requantiser"},
}
OWNERS = {
    Operation.CONVOLUTION: Owner.FEEDER,
    Operation.MAX_POOL: Owner.POOL,
    Operation.AVERAGE_POOL: Owner.POOL,
}


def random_program(rng):
    """Three layers of each operation in random order; no two fields of the program share a value."""
    operations = rng.permutation([operation.value for operation in Operation] * 3).tolist()
    values = iter(rng.permutation(np.arange(1000, 30000))[: len(LAYER_FIELDS) * len(operations)].tolist())
    program = []
    for operation in operations:
        layer = {name: next(values) for name in LAYER_FIELDS}
        layer["operation"] = operation
        layer["low"] = -layer["low"]
        layer["input_free"] = int(rng.integers(2))
        program.append(layer)
    return program


def program_writes(rng, program, first):
    """Program words; those between two layers hold anything."""
    writes = []
    for index, layer in enumerate(program, start=first):
        words = [value & 0xFFFF for value in layer.values()]
        words += rng.integers(0, 1 << 16, LAYER_WORDS - len(words)).tolist()
        writes += [{"address": index * LAYER_WORDS + word, "data": value} for word, value in enumerate(words)]
    return writes


def layer_cycles(times):
    """Cycles of the layers of a run whose units are busy for ``times``: reading overlaps all but the first."""
    reading, cycles, worked = len(LAYER_FIELDS) + 3, [], 0
    for time in times:
        turn = time + 4
        cycles.append(max(reading - worked, 0) + turn)
        worked = turn
    return cycles


class _Units:
    """Fake units: busy for a random time after a start, with a log of what they were told."""

    def __init__(self, dut, bench, rng):
        self._dut, self._bench, self._rng = dut, bench, rng
        self._left, self._held, self._before, self._free = 0, None, None, True
        #: Cycles in which a run was under way.
        self.running = 0
        self.starts, self.times, self.layers, self.owners = [], [], [], []

    async def cycle(self):
        dut = self._dut
        self._bench.set(dut.busy, self._left > 0)
        *starts, owner, layer, running, free = await self._bench.cycle(
            dut.start_convolution,
            dut.start_pool,
            dut.start_requantiser,
            Value.cast(dut.owner),
            Value.cast(dut.layer),
            dut.running,
            dut.input_free,
        )
        self.running += running
        self._free &= bool(self._left or running)
        assert free == (self._free or not running), "the input is free, or not, at the wrong time"
        if self._left:
            assert not any(starts), "started while units are busy"
            assert layer == self._held, "the description changed while units are busy"
            self.owners[-1].add(Owner(owner))
            self._left -= 1
        else:
            # Between the end of the units and the note of their cycles the owner may still stand.
            assert owner == Owner.HOST.value or (self.owners and {Owner(owner)} == self.owners[-1])
        if any(starts):
            names = ("convolution", "pool", "requantiser")
            self.starts.append({name for name, start in zip(names, starts, strict=True) if start})
            assert layer == self._before, "the description was not there a cycle before the start"
            self.layers.append(decode(Layer, layer))
            self._free |= bool(self.layers[-1]["input_free"])
            self._held, self._left = layer, int(self._rng.integers(1, 60))
            self.times.append(self._left)
            self.owners.append(set())
        self._before = layer


@pytest.mark.parametrize("traffic", TRAFFIC)
def test_programs(traffic):
    seed = 221
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    program = random_program(rng)
    place = CONFIG.layers - len(program)

    dut = Sequencer(CONFIG)
    bench = Bench(dut, seed=seed, **TRAFFIC[traffic])
    load = bench.source(dut.program, program_writes(rng, program, place))
    run = bench.source(dut.run)
    counters = bench.sink(dut.counter_response)
    asked = bench.source(dut.counter_request)
    units = _Units(dut, bench, rng)

    async def script():
        await bench.until(lambda: load.empty)
        reported = 0
        # All of it, then some of it again without a report between them, then the last layer on its own.
        for first, count, report in ((0, 9, True), (3, 4, False), (8, 1, True)):
            layers = program[first : first + count]
            started, taken, running = len(units.starts), len(run.accepted), units.running
            run.extend([{"first": place + first, "count": count}])
            while len(run.accepted) == taken or bench.get(dut.running):
                await units.cycle()
            elapsed = units.running - running

            assert Owner(bench.get(Value.cast(dut.owner))) == Owner.HOST
            assert units.layers[started:] == layers
            operations = [Operation(layer["operation"]) for layer in layers]
            assert units.starts[started:] == [STARTS[operation] for operation in operations]
            assert units.owners[started:] == [{OWNERS[operation]} for operation in operations]

            read = len(counters.payloads)
            asked.extend(range(place + first, place + first + count))
            await bench.take(counters, read + count)
            assert counters.payloads[read:] == layer_cycles(units.times[started:])
            assert sum(counters.payloads[read:]) == elapsed
            reported += elapsed
            assert bench.get(dut.cycles) == reported
            if report:
                await bench.pulse(dut.clear)
                reported = 0
            assert bench.get(dut.cycles) == reported
        await bench.repeat(100)

    bench.run(script)
    assert len(run.accepted) == 3
