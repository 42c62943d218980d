"""Sequencer: programs run in order on units that are busy for a random time; descriptions and counters."""

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
    Operation.MAX_POOL: {"max_pool"},
    Operation.AVERAGE_POOL: {"global_sum", "requantiser"},
}
OWNERS = {
    Operation.CONVOLUTION: Owner.FEEDER,
    Operation.MAX_POOL: Owner.MAX_POOL,
    Operation.AVERAGE_POOL: Owner.GLOBAL_SUM,
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


class _Units:
    """Fake units: busy for a random time after a start, with a log of what they were told."""

    def __init__(self, dut, bench, rng):
        self._dut, self._bench, self._rng = dut, bench, rng
        self._left, self._held = 0, None
        self.starts, self.times, self.layers, self.owners = [], [], [], []

    async def cycle(self):
        dut = self._dut
        self._bench.set(dut.busy, self._left > 0)
        *starts, owner, layer = await self._bench.cycle(
            dut.start_convolution,
            dut.start_max_pool,
            dut.start_global_sum,
            dut.start_requantiser,
            Value.cast(dut.owner),
            Value.cast(dut.layer),
        )
        if self._left:
            assert not any(starts), "started while units are busy"
            assert layer == self._held, "the description changed while units are busy"
            self.owners[-1].add(Owner(owner))
            self._left -= 1
        else:
            # Between the end of the units and the note of their cycles the owner may still stand.
            assert owner == Owner.HOST.value or (self.owners and {Owner(owner)} == self.owners[-1])
        if any(starts):
            names = ("convolution", "max_pool", "global_sum", "requantiser")
            self.starts.append({name for name, start in zip(names, starts, strict=True) if start})
            self.layers.append(decode(Layer, layer))
            self._held, self._left = layer, int(self._rng.integers(1, 60))
            self.times.append(self._left)
            self.owners.append(set())


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
    finished, counters = bench.sink(dut.finished), bench.sink(dut.counter_response)
    asked = bench.source(dut.counter_request)
    units = _Units(dut, bench, rng)

    async def script():
        await bench.until(lambda: load.empty)
        # All of it, then some of it again, then the last layer on its own.
        for first, count in ((0, 9), (3, 4), (8, 1)):
            layers = program[first : first + count]
            runs, started = len(finished.payloads), len(units.starts)
            run.extend([{"first": place + first, "count": count}])
            while len(finished.payloads) == runs:
                await units.cycle()

            assert Owner(bench.get(Value.cast(dut.owner))) == Owner.HOST
            assert units.layers[started:] == layers
            operations = [Operation(layer["operation"]) for layer in layers]
            assert units.starts[started:] == [STARTS[operation] for operation in operations]
            assert units.owners[started:] == [{OWNERS[operation]} for operation in operations]

            read = len(counters.payloads)
            asked.extend(range(place + first, place + first + count))
            await bench.take(counters, read + count)
            assert sum(counters.payloads[read:]) == finished.payloads[-1]
            # What a layer costs besides its units' time is what its description takes.
            for cycles, time in zip(counters.payloads[read:], units.times[started:], strict=True):
                assert len(LAYER_FIELDS) < cycles - time <= len(LAYER_FIELDS) + 10
            if traffic == "free":
                elapsed = finished.emitted[-1] - run.accepted[-1]
                assert elapsed == finished.payloads[-1] + count + 1
        await bench.repeat(100)

    bench.run(script)
    assert len(finished.payloads) == 3
