"""Reader of descriptions: every field that the serial machine keeps, in its place and of its width, and when it is there."""

import numpy as np
import pytest
from amaranth.hdl import Value

from hw.formats import LAYER_FIELDS, LAYER_WORDS, Layer
from hw.serial_layer import LayerReader, field_bits

from .bench import Bench
from .layers import SERIAL
from .streams import TRAFFIC, decode
from .test_sequencer import program_writes


def kept(config, layer):
    """What is left of the fields of a layer."""
    bits, fields = field_bits(config), {}
    for name in LAYER_FIELDS:
        value = layer[name] % (1 << bits.get(name, 0))
        if name in ("low", "high") and value >> bits[name] - 1:
            value -= 1 << bits[name]
        fields[name] = value
    return fields


def greatest(config):
    """The greatest number that a description has in each field that is kept; banks and operations have three."""
    activations, outputs = config.activation_words - 1, config.line**2
    flags = ("input_signed", "last_upper", "last_left", "squares", "basis_own", "residual", "residual_signed")
    return {
        **dict.fromkeys(flags, 1),
        **dict.fromkeys(("operation", "input_bank", "output_bank", "residual_bank"), 2),
        **dict.fromkeys(("input_base", "output_base", "residual_base"), activations),
        # Every other pixel, or row, of those that a bank holds.
        **dict.fromkeys(("input_pixel", "input_row"), 2 * activations),
        **dict.fromkeys(("output_chunks", "output_row"), activations),
        **dict.fromkeys(("map_height", "map_width"), max(2 * config.line, activations)),
        **dict.fromkeys(("height", "width"), 2 * config.line),
        **dict.fromkeys(("output_height", "output_width"), outputs),
        **dict.fromkeys(("pad_top", "pad_left", "step_row", "step_pixel"), 8 * activations),
        **dict.fromkeys(("window_row", "window_pixel"), 8 * activations),
        **dict.fromkeys(("input_chunks", "input_pass"), config.chunks),
        "input_repeat": config.chunk,
        "passes": config.channels,
        "output_slot": config.chunk - 1,
        "basis_base": config.basis_words - 1,
        "basis_count": config.bases,
        "scale_base": config.scale_words - 1,
        "coefficient_base": config.coefficient_words - 1,
        "residual_multiplier": (1 << config.multiplier_bits - 1) - 1,
        "shift": 31,
        "low": 255,
        "high": 255,
    }


def least(config):
    return dict.fromkeys(greatest(config), 0) | {"low": -128, "high": -128}


def read(config, program, first, numbers, seed, **traffic):
    """The descriptions of the layers ``numbers``, read one after the other, with the words of ``program`` from ``first`` on."""
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    dut = LayerReader(config)
    bench = Bench(dut, seed=seed, **traffic)
    source = bench.source(dut.program, program_writes(rng, program, first))
    layer, found = Value.cast(dut.layer), []

    async def script():
        await bench.until(lambda: source.empty)
        for number in numbers:
            # Nothing is read, and nothing changes, without a start.
            bench.set(dut.number, int(rng.integers(config.layers)))
            (before,) = await bench.cycle(layer)
            for _ in range(int(rng.integers(4))):
                assert await bench.cycle(dut.done, layer) == [0, before]
            bench.set(dut.number, number)
            await bench.pulse(dut.start)
            done = [(await bench.cycle(dut.done))[0] for _ in range(LayerReader.LATENCY)]
            assert done == [0] * (LayerReader.LATENCY - 1) + [1]
            finished, after = await bench.cycle(dut.done, layer)
            assert not finished
            found.append(decode(Layer, after))
        for _ in range(LAYER_WORDS):
            assert await bench.cycle(dut.done, layer) == [0, after]

    bench.run(script)
    return found


@pytest.mark.parametrize("traffic", TRAFFIC)
@pytest.mark.parametrize("name", ["serial", "1x1", "chunks of two", "odd"])
def test_layers_one_after_the_other(name, traffic):
    """Words with all bits in use: each field keeps its own, those that the serial machine does not use keep none."""
    config, count = SERIAL[name], 6
    rng = np.random.default_rng(281)
    program = [
        {field: int(word) for field, word in zip(LAYER_FIELDS, words, strict=True)}
        for words in rng.integers(0, 1 << 16, (count, len(LAYER_FIELDS)))
    ]
    program[1] = dict.fromkeys(LAYER_FIELDS, 0xFFFF)
    program[4] = dict.fromkeys(LAYER_FIELDS, 0)
    first = config.layers - count
    numbers = [0, 1, 2, 2, 4, 5, 0, 3]
    found = read(config, program, first, [first + number for number in numbers], 281, **TRAFFIC[traffic])
    for number, layer in zip(numbers, found, strict=True):
        assert layer == kept(config, program[number])


@pytest.mark.parametrize("name", SERIAL)
def test_numbers_of_every_size_fit(name):
    """Those at the ends of their range arrive as they are."""
    config = SERIAL[name]
    most, fewest = greatest(config), least(config)
    assert most.keys() == field_bits(config).keys()
    program = [{field: values.get(field, 0) for field in LAYER_FIELDS} for values in (most, fewest)]
    assert read(config, program, 0, [0, 1, 0], 282) == [program[0], program[1], program[0]]
