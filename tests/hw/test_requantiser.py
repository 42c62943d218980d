"""Requantiser against the formula in integers without a limit, and everything that lies in memory afterwards."""

import numpy as np
import pytest

from hw.config import Config
from hw.requantiser import Requantiser

from .bench import Bench
from .layers import ODD, layer_fields
from .streams import TRAFFIC

TINY = Config.preset("tiny")
#: What differs between them: units, groups of a pass, groups of a chunk, and whether passes straddle chunks.
CONFIGURATIONS = {
    "tiny": TINY,
    "one PE": TINY.replace(pes=1, requantisers=1),
    "three PEs": TINY.replace(pes=3, requantisers=1, chunk=8),
    "three groups": TINY.replace(pes=6),
    "more PEs than lanes": TINY.replace(pes=8),
    "four units": TINY.replace(pes=4, requantisers=4, chunk=8),
    "all lanes": TINY.replace(pes=8, requantisers=4),
    "tables": TINY.replace(tables=3),
    "odd": ODD,
    "one table": TINY.replace(pes=8, requantisers=4, tables=1),
}
#: Activations outside of a layer's output keep this value, which no layer writes by chance everywhere.
GUARD = 0x5A


def extremes(rng, bits, shape):
    """Signed integers of all sizes, some of them at the ends of their range."""
    largest = (1 << (bits - 1)) - 1
    values = rng.integers(-largest - 1, largest + 1, shape) >> rng.integers(0, bits, shape)
    ends = rng.choice([-largest - 1, -largest, -1, 0, 1, largest], shape)
    return np.where(rng.random(shape) < 0.3, ends, values)


def requantise(accumulator, scale, shift, low, high, residual):
    """One result, in integers without a limit; ``residual`` is already multiplied."""
    total = accumulator * scale["multiplier"] + scale["bias"] + residual
    return min(max((2 * total + 2**shift) // 2 ** (shift + 1), low), high)


class _Layer:
    """A random layer: fields, entries, results in the order of the units, and the memory that it leaves."""

    def __init__(
        self,
        rng,
        config,
        memory,
        *,
        averaging=False,
        residual=0,
        residual_signed=0,
        shift=None,
        disabled=0.3,
        passes=None,
        exact=False,
        part=False,
        table=0,
    ):
        slots = config.chunk if averaging else config.pes
        groups = slots // config.requantisers
        passes = passes or int(rng.integers(1, 4))
        height, width = (int(size) for size in rng.integers(1, 4, 2))
        # The last pass may have slots without a channel; their chunk may lie behind the pixel.
        channels = passes * slots - (int(rng.integers(slots)) if disabled else 0)
        first, between, beside = 0, 0, 0
        if part:
            # Lanes of a larger tensor, of which this is a tile.
            first = int(rng.integers(2 * config.chunk // config.requantisers)) * config.requantisers
            between, beside = (int(words) for words in rng.integers(3, size=2))
        chunks = -(-(first + channels) // config.chunk) + between
        low, high = [(-128, 127), (0, 255), (-7, 40), (3, 3)][rng.integers(3 if exact else 4)]
        banks = rng.permutation(3).tolist()
        self.fields = layer_fields(
            operation=2 if averaging else 0,
            passes=passes,
            groups=groups,
            output_height=height,
            output_width=width,
            output_chunks=chunks,
            output_row=(width + beside) * chunks,
            output_slot=first,
            table=table,
            output_bank=banks[0],
            output_base=int(rng.integers(100)),
            # An entry may lie before the slot of its group.
            scale_base=int(rng.choice([0, rng.integers(config.scale_words - passes * groups + 1)])),
            shift=shift or int(rng.integers(1, 32)),
            low=low,
            high=high,
            residual=residual,
            residual_bank=banks[1],
            residual_base=int(rng.integers(100)),
            residual_signed=residual_signed,
            residual_multiplier=int(rng.choice([1, 77, (1 << config.multiplier_bits - 1) - 1])),
        )
        shape = passes, height, width, slots
        self.results = extremes(rng, config.accumulator_bits, shape)
        multipliers = extremes(rng, config.multiplier_bits, (passes, slots))
        biases = extremes(rng, config.bias_bits, (passes, slots))
        if exact:
            # Totals around the steps and the bounds of the output.
            self.results = rng.integers(-600, 600, shape) << (self.fields["shift"] - 1) % 14
            multipliers = rng.choice([-1, 1], (passes, slots))
            biases = rng.integers(-2, 3, (passes, slots))
        self.tables = rng.integers(0, 256, (config.tables, 256))
        enabled = rng.random((passes, slots)) >= disabled
        enabled.ravel()[channels:] = False
        self.scales = [
            {
                "multiplier": int(multipliers[place]),
                "bias": int(biases[place]),
                "enable": int(enabled[place]),
            }
            for place in np.ndindex(passes, slots)
        ]
        written = enabled.reshape(passes * groups, config.requantisers).any(axis=1)
        self.writes = int(written.sum()) * height * width
        self._apply(config, memory)

    def _apply(self, config, memory):
        """Requantise every result into ``memory``, and see that the model does the same."""
        fields = self.fields
        residuals, values = np.zeros_like(self.results), np.zeros_like(self.results)
        enabled = np.array([scale["enable"] for scale in self.scales], bool)
        names = ("multiplier", "bias")
        passes, slots = self.results.shape[0], self.results.shape[-1]
        scales = [np.reshape([scale[name] for scale in self.scales], (passes, slots)) for name in names]
        for place in np.ndindex(self.results.shape):
            index, row, column, within = place
            slot = index * self.results.shape[-1] + within
            scale = self.scales[slot]
            if not scale["enable"]:
                continue
            chunk, lane = divmod(fields["output_slot"] + slot, config.chunk)
            offset = row * fields["output_row"] + column * fields["output_chunks"] + chunk
            residual = 0
            if fields["residual"]:
                byte = int(memory[fields["residual_bank"], fields["residual_base"] + offset, lane])
                if fields["residual_signed"] and byte >= 128:
                    byte -= 256
                residuals[place] = byte
                residual = byte * fields["residual_multiplier"]
            value = requantise(
                int(self.results[place]), scale, fields["shift"], fields["low"], fields["high"], residual
            )
            values[place] = value
            if fields["table"]:
                value = int(self.tables[fields["table"] - 1, value % 256])
            memory[fields["output_bank"], fields["output_base"] + offset, lane] = value % 256
        made = Requantiser.model(self.results, *scales, fields, residuals)
        where = np.broadcast_to(enabled.reshape(passes, 1, 1, slots), values.shape)
        assert np.array_equal(made[where], values[where])


def run_layers(config, make_layers, seed, **traffic):
    """Run layers made by ``make_layers(rng, memory)``; checks the memory, gives the sink of writes."""
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    memory = rng.integers(0, 256, (3, config.activation_words, config.chunk))
    memory[:, ::7] = GUARD
    written = memory.copy()
    layers = make_layers(rng, memory)

    dut = Requantiser(config)
    bench = Bench(dut, seed=seed, **traffic)
    writer, table_writer = bench.source(dut.scale), bench.source(dut.table)
    sources, sums = [bench.source(port) for port in dut.results], bench.source(dut.sums)
    sink = bench.sink(dut.write, always_ready=True)
    bench.memory(
        dut.residual_request,
        dut.residual_response,
        lambda request: written[request["bank"], request["address"]].tolist(),
    )

    async def script():
        done = 0
        for layer in layers:
            base, units = layer.fields["scale_base"], config.requantisers
            writer.extend(
                {"address": base + word, "data": layer.scales[word * units : (word + 1) * units]}
                for word in range(len(layer.scales) // units)
            )
            used = layer.fields["table"] - 1
            if used >= 0:
                table_writer.extend(
                    {"address": 256 * used + index, "data": entry}
                    for index, entry in enumerate(layer.tables[used].tolist())
                )
            await bench.until(lambda: writer.empty and table_writer.empty)
            bench.set(dut.layer, layer.fields)
            await bench.repeat(2)
            if layer.fields["operation"]:
                sums.extend(layer.results.reshape(-1, units).tolist())
            else:
                for pe, source in enumerate(sources):
                    source.extend(layer.results[..., pe].ravel().tolist())
            await bench.pulse(dut.start)
            await bench.while_high(dut.busy)
            assert len(sink.payloads) == done + layer.writes
            for write in sink.payloads[done:]:
                assert write["lanes"]
                for lane in range(config.chunk):
                    if write["lanes"] >> lane & 1:
                        written[write["bank"], write["address"], lane] = write["values"][lane]
            done = len(sink.payloads)
            assert all(source.empty for source in [*sources, sums])
        await bench.repeat(20)

    bench.run(script)
    assert len(sink.payloads) == sum(layer.writes for layer in layers)
    assert np.array_equal(written, memory)
    return sink


@pytest.mark.parametrize("traffic", TRAFFIC)
@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_layers_one_after_the_other(name, traffic):
    config = CONFIGURATIONS[name]

    def layers(rng, memory):
        kinds = [
            {},
            {"residual": 1},
            {"part": True, "averaging": True},
            {"part": True, "residual": 1, "residual_signed": 1},
            {"residual": 1, "disabled": 1.0},
            {"averaging": True, "disabled": 0.0},
            {"part": True, "disabled": 0.0},
        ]
        if config.tables:
            # The last table, then none, then the first.
            kinds += [
                {"table": config.tables},
                {},
                {"table": 1, "residual": 1},
                {"table": 1, "averaging": True},
            ]
        return [_Layer(rng, config, memory, **kind) for kind in kinds]

    run_layers(config, layers, 211, **TRAFFIC[traffic])


@pytest.mark.parametrize("exact", [False, True])
def test_every_shift(exact):
    """Totals anywhere, and totals that lie on the steps between two outputs."""

    def layers(rng, memory):
        return [
            _Layer(
                rng,
                TINY,
                memory,
                shift=shift,
                residual=shift % 2,
                residual_signed=shift % 4 // 2,
                exact=exact,
            )
            for shift in range(1, 32)
        ]

    run_layers(TINY, layers, 212)


@pytest.mark.parametrize("residual", [0, 1])
@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_one_group_a_cycle(name, residual):
    def layers(rng, memory):
        return [_Layer(rng, CONFIGURATIONS[name], memory, residual=residual, disabled=0.0, passes=4)]

    sink = run_layers(CONFIGURATIONS[name], layers, 213)
    assert np.diff(sink.emitted).tolist() == [1] * (len(sink.emitted) - 1)


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_one_group_of_sums_a_cycle(name):
    def layers(rng, memory):
        return [_Layer(rng, CONFIGURATIONS[name], memory, averaging=True, disabled=0.0, passes=3)]

    sink = run_layers(CONFIGURATIONS[name], layers, 215)
    assert np.diff(sink.emitted).tolist() == [1] * (len(sink.emitted) - 1)


@pytest.mark.parametrize("missing", ["results", "residual"])
def test_it_says_that_it_waits(missing):
    """For as long as a group lacks one result, or its residual, and not before it wants a group, or after it has all."""
    late, places = 30, 12
    dut = Requantiser(TINY)
    bench = Bench(dut)
    assert TINY.pes == TINY.requantisers
    sources = [bench.source(port) for port in dut.results]
    wanted = missing == "residual"
    fields = layer_fields(
        passes=1,
        groups=1,
        output_height=3,
        output_width=4,
        output_chunks=1,
        output_row=4,
        shift=1,
        residual=wanted,
    )
    result = [0] * places

    async def script():
        bench.set(dut.residual_request.ready, 1)
        bench.set(dut.layer, fields)
        await bench.repeat(3)
        for source in sources if wanted else sources[1:]:
            source.extend(result)
        for _ in range(5):
            assert await bench.cycle(dut.stalled) == [0]
        await bench.pulse(dut.start)
        waited = [(await bench.cycle(dut.stalled))[0] for _ in range(late)]
        begins = waited.index(1)
        # Not before the group has been asked for, and from then on without a gap.
        assert 2 <= begins <= 5 and all(waited[begins:])
        if wanted:
            bench.set(dut.residual_response.valid, 1)
        else:
            sources[0].extend(result)
        after = [(await bench.cycle(dut.stalled))[0] for _ in range(late)]
        # The last one passes a skid buffer; then there is a group every cycle.
        assert after == sorted(after, reverse=True) and sum(after) <= 2
        assert not (await bench.cycle(dut.busy))[0]

    bench.run(script)
