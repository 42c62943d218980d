"""Sums of the serial machine against plain dot products and its model, layer after layer, and the cycles that they take."""

import numpy as np
import pytest

from hw.serial_sums import SerialSums

from .bench import Bench
from .layers import SERIAL, coefficient_writes, geometry, layer_fields, plain_z, random_lists
from .streams import TRAFFIC

#: Cycles of ``busy`` around the words of a pass: header, count, and the way of the last word to its ``z`` that is taken.
OVERHEAD = 6
#: Cycles from the start of a pass to the ``z`` of its first word.
FIRST_Z = 6


def random_layer(rng, config, base, *, passes, height, width, squares=0, most=6, **more):
    """A layer that reads part of a bank: its fields, its lists, and how many words these take."""
    chunks = int(rng.integers(1, config.chunks + 1))
    spare = int(rng.integers(2))
    pixel = chunks + spare
    row = width * pixel + int(rng.integers(3))
    repeat = more.pop("input_repeat", passes)
    step = more.pop("input_pass", 0)
    size = (height - 1) * row + (width - 1) * pixel + (passes - 1) // repeat * step + chunks
    assert size <= config.activation_words, "the bank is too small"
    if squares:
        shape = {"height": height, "width": width, "kernel": (1, 1), "padding": (0, 0, 0, 0), "stride": 2}
        places = geometry(config, **shape)
        assert places["squares"]
    else:
        # What belongs to squares is not looked at.
        places = {"height": height, "width": width, "map_height": 5, "map_width": 1}
    fields = layer_fields(
        **places
        | {
            "passes": passes,
            "coefficient_base": base,
            "input_base": int(rng.integers(config.activation_words - size + 1)),
            "input_pixel": pixel,
            "input_row": row,
            "input_repeat": repeat,
            "input_pass": step,
            "input_signed": int(rng.integers(2)),
        }
        | more
    )
    lists = random_lists(rng, config, passes, chunks, most=most)
    for words in lists:
        # No sum of more words than fit its bits.
        words["last"][3::4] = 1
    return fields, lists


def stored(lists):
    """Words of coefficient memory that lists take."""
    return sum(1 + len(words["last"]) for words in lists)


def random_memory(rng, config):
    """Activations, some of them zero, some at the ends of their range."""
    shape = config.activation_words, config.chunk
    values = rng.integers(0, 256, shape) * (rng.random(shape) < 0.7)
    values[::5] = rng.choice([0, 127, 128, 255], config.chunk)
    return values


def plain_pixels(config, memory, fields, words, number):
    """For each pixel of a pass, row after row, the list of its ``(z, basis)``, zeros among them."""
    rows, columns = (fields[f"map_{side}" if fields["squares"] else side] for side in ("height", "width"))
    base = fields["input_base"] + number // fields["input_repeat"] * fields["input_pass"]
    pixels = []
    for y in range(rows):
        for x in range(columns):
            place = base + y * fields["input_row"] + x * fields["input_pixel"]
            pixels.append(memory[place : place + int(words["chunk"].max()) + 1])
    return plain_z(config, np.array(pixels), [words], fields["input_signed"])


def plain(config, memory, fields, lists):
    """For each pass its payloads, by plain dot products with the chunks of one pixel after the other."""
    passes = []
    for number, words in enumerate(lists):
        made = []
        for elements in plain_pixels(config, memory, fields, words, number):
            for index, (z, basis) in enumerate(elements):
                end = int(index == len(elements) - 1)
                if z or end:
                    made.append({"z": z, "nonzero": int(z != 0), "basis": basis, "end": end})
        passes.append(made)
    return passes


def modelled(memory, fields, lists):
    """The same as the model makes it."""
    values = memory.astype(np.int8) if fields["input_signed"] else memory
    names = ("z", "nonzero", "basis", "end")
    return [
        [
            dict(zip(names, row, strict=True))
            for row in zip(*(made[name].tolist() for name in names), strict=True)
        ]
        for made in SerialSums.model(values, lists, fields)
    ]


def run(config, memories, layers, seed, **traffic):
    """Payloads of each pass of each layer; also the sink, the cycles of the starts, and the cycles of ``busy``."""
    print(f"seed {seed}")
    dut = SerialSums(config)
    bench = Bench(dut, seed=seed, limit_cycles=100000, **traffic)
    source, sink = bench.source(dut.store), bench.sink(dut.z)
    bank, made, starts, busy = [], [], [], []
    bench.plain_memory(dut.reads, dut.address, dut.chunk, lambda address: bank[0][address].tolist())

    async def script():
        for memory, (fields, lists) in zip(memories, layers, strict=True):
            bank[:] = [memory]
            source.extend(coefficient_writes(config, lists, fields["coefficient_base"]))
            await bench.until(lambda: source.empty)
            bench.set(dut.layer, fields)
            await bench.cycle()
            await bench.pulse(dut.begin)
            of_layer = []
            for _ in lists:
                before = len(sink.payloads)
                starts.append(bench.cycles)
                await bench.pulse(dut.start)
                busy.append(await bench.while_high(dut.busy))
                of_layer.append(sink.payloads[before:])
            made.append(of_layer)
        for _ in range(20):
            assert await bench.cycle(dut.busy, dut.reads, dut.z.valid) == [0, 0, 0]

    bench.run(script)
    return made, sink, starts, busy


def check(config, memories, layers, seed, **traffic):
    made, *rest = run(config, memories, layers, seed, **traffic)
    for memory, (fields, lists), found in zip(memories, layers, made, strict=True):
        expected = plain(config, memory, fields, lists)
        assert all(abs(z["z"]) < 1 << config.z_bits - 1 for of_pass in expected for z in of_pass)
        assert found == expected
        assert modelled(memory, fields, lists) == expected
    return rest


@pytest.mark.parametrize("traffic", TRAFFIC)
@pytest.mark.parametrize("name", ["serial", "chunks of two", "chunks of eight", "odd"])
def test_layers_one_after_the_other(name, traffic):
    seed, config = 301, SERIAL[name]
    rng = np.random.default_rng(seed)
    kinds = [
        {"passes": 3, "height": 2, "width": 4},
        {"passes": 1, "height": 1, "width": 1, "most": 1},
        {"passes": 2, "height": 3, "width": 3, "squares": 1},
        {"passes": 5, "height": 2, "width": 2, "input_repeat": 2, "input_pass": 1},
        {"passes": 2, "height": 1, "width": 5, "squares": 1, "input_repeat": 1, "input_pass": 2},
        {"passes": 1, "height": 5, "width": 1, "most": 15},
        {"passes": config.chunk + 1, "height": 1, "width": 1, "input_repeat": config.chunk, "input_pass": 1},
        {"passes": 2, "height": 2, "width": 2, "coefficient_base": 0, "input_signed": 0},
        {"passes": 2, "height": 2, "width": 2, "input_signed": 1},
    ]
    roomy = config.replace(activation_words=128)
    layers, base = [], 3
    for kind in kinds:
        layers.append(random_layer(rng, roomy, base, **kind))
        base = layers[-1][0]["coefficient_base"] + stored(layers[-1][1]) + int(rng.integers(3))
    memories = [random_memory(rng, roomy) for _ in layers]
    check(roomy, memories, layers, seed, **TRAFFIC[traffic])


@pytest.mark.parametrize("name", ["serial", "chunks of eight", "odd"])
def test_a_word_a_cycle(name):
    """A ``z`` comes in the cycle after its last word has met its chunk, whatever was dropped before it."""
    seed, config = 302, SERIAL[name]
    rng = np.random.default_rng(seed)
    layers, base = [], 0
    for passes, most in ((2, 1), (3, 6), (1, 20)):
        layers.append(random_layer(rng, config, base, passes=passes, height=2, width=3, most=most))
        base += stored(layers[-1][1])
    memories = [random_memory(rng, config) for _ in layers]
    sink, starts, busy = check(config, memories, layers, seed)
    passes = [
        (memory, fields, words, number)
        for memory, (fields, lists) in zip(memories, layers, strict=True)
        for number, words in enumerate(lists)
    ]
    assert busy == [6 * len(words["last"]) + OVERHEAD for _, _, words, _ in passes]
    emitted = []
    for start, (memory, fields, words, number) in zip(starts, passes, strict=True):
        count = len(words["last"])
        for pixel, elements in enumerate(plain_pixels(config, memory, fields, words, number)):
            for index, (z, _) in zip(np.flatnonzero(words["last"]).tolist(), elements, strict=True):
                if z or index == count - 1:
                    emitted.append(start + FIRST_Z + pixel * count + index)
    assert sink.emitted == emitted


def words_of(config, **columns):
    """A list with the same map in all its words."""
    count = len(columns["last"])
    whole = {"map": 1, "negative": 0} | columns
    lanes = {
        name: np.broadcast_to(np.reshape(whole[name], (-1, 1)), (count, config.chunk)).astype(np.int64)
        for name in ("map", "negative")
    }
    rest = {"chunk": 0, "basis": 0} | columns
    return lanes | {
        name: np.broadcast_to(rest[name], count).astype(np.int64) for name in ("chunk", "basis", "last")
    }


@pytest.mark.parametrize(
    ("byte", "input_signed", "negative"), [(255, 0, 0), (255, 0, 1), (128, 1, 0), (128, 1, 1), (127, 1, 1)]
)
@pytest.mark.parametrize("name", ["serial", "odd"])
def test_largest_sums(name, byte, input_signed, negative):
    """All channels of the widest pixel at the end of their range, with one sign."""
    config = SERIAL[name]
    chunks = np.arange(config.chunks)
    words = words_of(config, chunk=chunks, last=chunks == config.chunks - 1, negative=negative)
    fields = layer_fields(
        height=1, width=2, input_pixel=config.chunks, input_row=2 * config.chunks, input_signed=input_signed
    )
    memory = np.full((config.activation_words, config.chunk), byte)
    (((first, second),),), *_ = run(config, [memory], [(fields, [words])], 303)
    value = byte - 256 * input_signed * (byte > 127)
    expected = {"z": value * config.channels * (1 - 2 * negative), "nonzero": 1, "basis": 0, "end": 1}
    assert first == second == expected


@pytest.mark.parametrize("traffic", TRAFFIC)
def test_zeros_are_dropped_unless_they_close_a_pixel(traffic):
    config = SERIAL["serial"]
    # Zeros by cancellation, by no coefficients at all, and of activations that are zero.
    signs = [0, 1, 0, 0]
    first = words_of(config, last=[0, 1, 1, 1], negative=signs, basis=[1, 2, 3, 4])
    second = words_of(config, last=[1, 1, 1, 1], map=[1, 0, 1, 0], negative=signs, basis=[5, 6, 7, 0])
    only = words_of(config, last=[1], map=[0], basis=[3])
    fields = layer_fields(height=1, width=2, input_pixel=1, passes=3)
    memory = np.zeros((config.activation_words, config.chunk), np.int64)
    memory[1] = 9
    ((one, two, three),), *_ = run(
        config, [memory], [(fields, [first, second, only])], 304, **TRAFFIC[traffic]
    )
    total = 9 * config.chunk

    def z(value, basis, end):
        return {"z": value, "nonzero": int(value != 0), "basis": basis, "end": end}

    assert one == [z(0, 4, 1), z(total, 3, 0), z(total, 4, 1)]
    assert two == [z(0, 0, 1), z(total, 5, 0), z(total, 7, 0), z(0, 0, 1)]
    assert three == [z(0, 3, 1), z(0, 3, 1)]


@pytest.mark.parametrize("traffic", ["free", "both"])
def test_lists_that_fill_memory(traffic):
    """As long as they may be, and at its end."""
    seed, config = 305, SERIAL["serial"].replace(coefficient_words=64)
    rng = np.random.default_rng(seed)
    map_ = rng.integers(0, 2, (63, config.chunk))
    longest = {
        "map": map_,
        "negative": map_ * rng.integers(0, 2, map_.shape),
        "chunk": rng.integers(0, 2, 63),
        "basis": rng.integers(0, config.bases, 63),
        "last": np.tile([0, 1, 1], 21),
    }
    at_the_end = {name: column[:3] for name, column in longest.items()}
    shape = {"height": 2, "width": 2, "input_pixel": 2, "input_row": 4, "passes": 1}
    layers = [
        (layer_fields(**shape), [longest]),
        (layer_fields(coefficient_base=60, **shape), [at_the_end]),
    ]
    memory = random_memory(rng, config)
    check(config, [memory] * 2, layers, seed, **TRAFFIC[traffic])


@pytest.mark.parametrize("squares", [0, 1])
def test_the_widest_and_the_highest_map(squares):
    """As many columns, and rows, as maps of one row, or of one column, have."""
    seed, config = 306, SERIAL["odd"]
    rng = np.random.default_rng(seed)
    extent = config.line * (1 + squares)
    layers, base = [], 0
    for height, width in ((1, extent), (extent, 1)):
        fields, lists = random_layer(
            rng,
            config.replace(activation_words=256),
            base,
            passes=1,
            height=height,
            width=width,
            squares=squares,
            most=2,
        )
        layers.append((fields, lists))
        base += stored(lists)
    config = config.replace(activation_words=256)
    memories = [random_memory(rng, config) for _ in layers]
    check(config, memories, layers, seed)
