"""Output of the serial machine against the formula in integers without a limit, and everything that lies in memory afterwards."""

import numpy as np
import pytest

from hw.formats import Operation
from hw.output_walk import OutputWalk
from hw.scaling import ScaleUnit
from hw.serial_output import SerialOutput

from .bench import Bench
from .layers import SERIAL, layer_fields
from .test_requantiser import extremes, requantise

CONFIGURATIONS = {
    name: SERIAL[name].replace(activation_words=1024)
    for name in ("serial", "chunks of two", "chunks of eight", "odd")
}
#: Cycles of ``busy`` around two for each position: the entry, and from the last but one to the last write.
OVERHEAD = 5
#: Cycles from the start of a channel to its first sum, and from a sum that is asked for to the activation that is written.
FIRST, LATENCY = 2, 5


class Job:
    """A random layer: fields, entries, and the sums [channels, positions] that it finds in the plane."""

    def __init__(
        self,
        rng,
        config,
        *,
        channels=None,
        size=None,
        operation=Operation.CONVOLUTION,
        residual=0,
        residual_signed=0,
        slot=0,
        disabled=0.2,
        exact=False,
        scale_base=None,
    ):
        channels = channels or int(rng.integers(1, 6))
        height, width = size or (int(extent) for extent in rng.integers(1, 5, 2))
        beside = rng.integers(3, size=2).tolist()
        chunks = -(-(slot + channels) // config.chunk) + beside[0]
        shift = int(rng.integers(1, 32))
        low, high = [(-128, 127), (0, 255), (-7, 40)][rng.integers(3)]
        banks = rng.permutation(3).tolist()
        if scale_base is None:
            scale_base = int(rng.integers(config.scale_words - channels + 1))
        self.maximum = operation is Operation.MAX_POOL
        self.channels, self.slot = channels, 0 if self.maximum else slot
        self.fields = layer_fields(
            operation=operation.value,
            passes=channels,
            output_height=height,
            output_width=width,
            output_chunks=chunks,
            output_row=(width + beside[1]) * chunks,
            output_slot=slot,
            output_bank=banks[0],
            output_base=int(rng.integers(100)),
            scale_base=scale_base,
            shift=shift,
            low=low,
            high=high,
            residual=residual,
            residual_bank=banks[1],
            residual_base=int(rng.integers(100)),
            residual_signed=residual_signed,
            residual_multiplier=int(rng.choice([1, 77, (1 << config.multiplier_bits - 1) - 1])),
        )
        shape = channels, height * width
        self.sums = extremes(rng, config.accumulator_bits, shape)
        multipliers = extremes(rng, config.multiplier_bits, channels)
        biases = extremes(rng, config.bias_bits, channels)
        if exact:
            # Totals around the steps and the bounds of the output.
            self.sums = rng.integers(-600, 600, shape) << (shift - 1) % 14
            multipliers, biases = rng.choice([-1, 1], channels), rng.integers(-2, 3, channels)
        if self.maximum:
            self.sums = rng.integers(-128, 128, shape) if rng.integers(2) else rng.integers(0, 256, shape)
        enabled = rng.random(channels) >= disabled
        self.entries = [
            {"multiplier": int(multiplier), "bias": int(bias), "enable": int(enable)}
            for multiplier, bias, enable in zip(multipliers, biases, enabled, strict=True)
        ]

    def writes(self, config, memory, channel):
        """What a channel writes: bank, address, lane and byte of each position; into ``memory`` too."""
        entry, fields = self.entries[channel], self.fields
        chunk, lane = divmod(self.slot + channel, config.chunk)
        made, values, residuals = [], [], []
        for place, total in zip(OutputWalk.model(fields), self.sums[channel].tolist(), strict=True):
            residual = 0
            if fields["residual"]:
                residual = int(memory[fields["residual_bank"], fields["residual_base"] + place + chunk, lane])
                residual -= 256 * (fields["residual_signed"] and residual >= 128)
            added = residual * fields["residual_multiplier"]
            value = requantise(total, entry, fields["shift"], fields["low"], fields["high"], added)
            values.append(value)
            residuals.append(residual)
            if self.maximum:
                value = total
            elif not entry["enable"]:
                continue
            address = fields["output_base"] + place + chunk
            memory[fields["output_bank"], address, lane] = value % 256
            made.append((fields["output_bank"], address, lane, value % 256))
        scale = entry["multiplier"], entry["bias"], fields["shift"], fields["low"], fields["high"]
        of_model = ScaleUnit.model(
            self.sums[channel], *scale, np.array(residuals), fields["residual_multiplier"]
        )
        assert of_model.tolist() == values
        return made


def run(config, make_jobs, seed):
    """Run layers made by ``make_jobs(rng)``; checks everything that each channel asks for and writes, and when."""
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    memory = rng.integers(0, 256, (3, config.activation_words, config.chunk))
    written = memory.copy()
    jobs = make_jobs(rng)
    dut = SerialOutput(config)
    bench = Bench(dut, seed=seed, limit_cycles=100000)
    store, sink = bench.source(dut.store), bench.sink(dut.write, always_ready=True)
    plane = bench.plane(dut.position, dut.sum, dut.clear, config.plane_words)
    port = bench.plain_memory(
        dut.reads,
        dut.request,
        dut.residual,
        lambda request: written[request["bank"], request["address"]].tolist(),
    )

    async def channel(job, number):
        fields, count = job.fields, job.sums.shape[1]
        plane.sums[:count] = job.sums[number].tolist()
        rest = plane.sums[count:]
        done, cleared, read = len(sink.payloads), len(plane.written), len(port.requests)
        start = bench.cycles
        await bench.pulse(dut.start)
        assert await bench.while_high(dut.busy) == 2 * count + OVERHEAD

        asked = [start + FIRST + 2 * position for position in range(count)]
        assert plane.written[cleared:] == list(range(count))
        assert plane.cycles[cleared:] == [cycle + 1 for cycle in asked]
        assert plane.sums == [0] * count + rest

        chunk = (job.slot + number) // config.chunk
        base = fields["residual_base"] + chunk
        assert port.requests[read:] == [
            {"bank": fields["residual_bank"], "address": base + place}
            for place in OutputWalk.model(fields)
            if fields["residual"]
        ]
        assert port.accepted[read:] == (asked if fields["residual"] else [])

        expected = job.writes(config, memory, number)
        found = [
            (write["bank"], write["address"], lane, write["values"][lane])
            for write in sink.payloads[done:]
            for lane in range(config.chunk)
            if write["lanes"] >> lane & 1
        ]
        assert found == expected
        assert sink.emitted[done:] == [cycle + LATENCY for cycle in asked] * bool(expected)
        for bank, address, lane, value in found:
            written[bank, address, lane] = value

    async def script():
        for job in jobs:
            entries = zip(range(job.fields["scale_base"], config.scale_words), job.entries, strict=False)
            store.extend({"address": address, "data": [entry]} for address, entry in entries)
            await bench.until(lambda: store.empty)
            bench.set(dut.layer, job.fields)
            await bench.cycle()
            await bench.pulse(dut.begin)
            for number in range(job.channels):
                assert (await bench.cycle(dut.slot))[0] == number
                await channel(job, number)
            assert (await bench.cycle(dut.slot))[0] == job.channels
        done = len(sink.payloads), len(plane.written), len(port.requests)
        await bench.repeat(20)
        assert done == (len(sink.payloads), len(plane.written), len(port.requests))

    bench.run(script)
    assert np.array_equal(written, memory)
    # A memory with one port cannot do both.
    assert not set(port.accepted) & set(sink.emitted)


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_layers_one_after_the_other(name):
    config = CONFIGURATIONS[name]

    def jobs(rng):
        kinds = [
            {},
            {"residual": 1},
            {"slot": config.chunk - 1, "residual": 1, "residual_signed": 1},
            {"operation": Operation.MAX_POOL, "disabled": 1.0, "slot": 1},
            {"residual": 1, "disabled": 1.0},
            {"operation": Operation.AVERAGE_POOL, "slot": 1},
            {"operation": Operation.MAX_POOL},
            {"slot": config.chunk // 2, "disabled": 0.0, "exact": True},
            {"residual": 1, "residual_signed": 1, "exact": True, "size": (1, 1)},
        ]
        return [Job(rng, config, **kind) for kind in kinds]

    run(config, jobs, 331)


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_as_many_channels_as_there_are(name):
    """All of a tensor, and behind another one that leaves the first chunk of a pixel one lane."""
    config = CONFIGURATIONS[name]

    def jobs(rng):
        channels = config.channels
        kind = {"channels": channels, "size": (1, 2), "scale_base": config.scale_words - channels}
        return [
            Job(rng, config, **kind),
            Job(rng, config, slot=config.chunk - 1, residual=1, **kind),
            Job(rng, config, operation=Operation.MAX_POOL, slot=config.chunk - 1, **kind),
        ]

    run(config, jobs, 332)


@pytest.mark.parametrize("name", ["serial", "odd"])
def test_as_many_positions_as_there_are(name):
    config = CONFIGURATIONS[name]

    def jobs(rng):
        sizes = [(config.line, config.line), (1, config.plane_words), (config.plane_words, 1)]
        return [Job(rng, config, channels=2, size=size, residual=1, disabled=0.0) for size in sizes]

    run(config, jobs, 333)


@pytest.mark.parametrize("residual_signed", [0, 1])
def test_residuals_at_the_ends_of_their_range(residual_signed):
    """With no sum beside them."""
    config = CONFIGURATIONS["serial"]
    dut = SerialOutput(config)
    bench = Bench(dut)
    store, sink = bench.source(dut.store), bench.sink(dut.write, always_ready=True)
    bytes_ = [0, 1, 127, 128, 129, 255]
    bench.plane(dut.position, dut.sum, dut.clear, config.plane_words)
    bench.plain_memory(
        dut.reads, dut.request, dut.residual, lambda request: [7, bytes_[request["address"]], 7, 7]
    )

    async def script():
        entry = {"multiplier": 1, "bias": 0, "enable": 1}
        store.extend([{"address": 0, "data": [entry]}])
        await bench.until(lambda: store.empty)
        fields = {"residual": 1, "residual_signed": residual_signed, "residual_multiplier": 1, "shift": 1}
        fields |= {"low": -128, "high": 255, "output_slot": 1}
        fields |= {"output_height": 1, "output_width": len(bytes_), "output_chunks": 1}
        bench.set(dut.layer, layer_fields(**fields))
        await bench.cycle()
        await bench.pulse(dut.begin)
        await bench.pulse(dut.start)
        await bench.while_high(dut.busy)

    bench.run(script)
    values = [byte - 256 * (residual_signed and byte > 127) for byte in bytes_]
    assert [write["values"][1] for write in sink.payloads] == [(value + 1) // 2 % 256 for value in values]
