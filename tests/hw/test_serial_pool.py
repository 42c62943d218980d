"""Pooling of the serial machine against plain maxima and sums of windows, lane after lane, and the cycles that it takes."""

import numpy as np
import pytest

from hw.formats import Operation
from hw.max_pool import MaxPool
from hw.serial_pool import SerialPool

from .bench import Bench
from .layers import SERIAL, layer_fields
from .windows import PAST_THE_MAP, pool_layer, read_windows

#: With room for the widest steps.
CONFIGURATIONS = {
    name: SERIAL[name].replace(activation_words=2048)
    for name in ("serial", "chunks of two", "chunks of eight", "odd")
}
WINDOWS = {
    "1x1": {"window": (1, 1), "stride": 1},
    "1x1 step 2": {"window": (1, 1), "stride": 2},
    "2x2": {"window": (2, 2), "stride": 2},
    "2x2 overlapping": {"window": (2, 2), "stride": 1, "pad": (1, 0)},
    "3x3": {"window": (3, 3), "stride": 2, "pad": (1, 1)},
    "3x2": {"window": (3, 2), "stride": 3, "pad": (2, 1)},
    "1x4": {"window": (1, 4), "stride": 3, "pad": (0, 3)},
    "5x1 step 7": {"window": (5, 1), "stride": 7},
    "past the map": PAST_THE_MAP,
    "all of the map": {"window": (4, 5), "stride": 5, "map_size": (4, 5)},
}


def random_memory(rng, config):
    memory = rng.integers(0, 256, (3, config.activation_words, config.chunk))
    memory[:, ::5] = 0x80
    memory[:, 1::7] = 0
    memory[:, 2::7] = 0xFF
    return memory


def positions(layer):
    return layer["output_height"] * layer["output_width"]


def places(layer):
    """Places of a window, within the map or outside of it."""
    return np.prod([layer[f"window_{words}"] // layer[f"input_{words}"] + 1 for words in ("row", "pixel")])


def expected(memory, layer):
    """Results [chunks][lanes][positions]."""
    windows, count = read_windows(memory, layer), positions(layer)
    whole = np.max if layer["operation"] == Operation.MAX_POOL.value else np.sum
    made = [whole(values, axis=0).tolist() for _, values in windows]
    return [list(zip(*made[first : first + count], strict=True)) for first in range(0, len(made), count)]


def addresses(layer, chunk):
    """Addresses of a channel, window after window, row after row; None beside the map."""
    sides = []
    for side, pad, height in (("row", "pad_top", "height"), ("pixel", "pad_left", "width")):
        looked_at = []
        for window in range(layer[f"output_{height}"]):
            first = window * layer[f"step_{side}"] - layer[pad]
            steps = range(first, first + layer[f"window_{side}"] + 1, layer[f"input_{side}"])
            looked_at.append([step if 0 <= step <= layer[f"map_{height}"] else None for step in steps])
        sides.append(looked_at)
    return [
        None if y is None or x is None else layer["input_base"] + y + x + chunk
        for down in sides[0]
        for right in sides[1]
        for y in down
        for x in right
    ]


def run(config, memory, layers, seed):
    """Check the results, the addresses and the cycles of every channel of every layer."""
    dut = SerialPool(config)
    bench = Bench(dut, seed=seed, limit_cycles=200000)
    bank = []
    port = bench.plain_memory(dut.reads, dut.address, dut.word, lambda address: bank[0][address].tolist())
    sink = bench.sink(dut.write, always_ready=True)

    async def script():
        for layer in layers:
            bank[:] = [memory[layer["input_bank"]]]
            bench.set(dut.layer, layer)
            of_layer = expected(memory, layer)
            assert len(of_layer) == layer["input_chunks"] <= config.chunks
            for chunk, lane in np.ndindex(layer["input_chunks"], config.chunk):
                bench.set(dut.chunk, chunk)
                bench.set(dut.lane, lane)
                await bench.cycle()
                done, read, start = len(sink.payloads), len(port.requests), bench.cycles
                await bench.pulse(dut.start)
                assert await bench.while_high(dut.busy) == positions(layer) * places(layer) + 2
                sums = of_layer[chunk][lane]
                assert sink.payloads[done:] == [
                    {"position": position, "sum": value} for position, value in enumerate(sums)
                ]
                asked = zip(addresses(layer, chunk), port.requests[read:], strict=True)
                assert all(address in (None, found) for address, found in asked)
                assert sink.emitted[done:] == [
                    start + (position + 1) * places(layer) + 2 for position in range(len(sums))
                ]
        done = len(sink.payloads), len(port.requests)
        await bench.repeat(20)
        assert done == (len(sink.payloads), len(port.requests))

    bench.run(script)


@pytest.mark.parametrize("operation", [Operation.MAX_POOL, Operation.AVERAGE_POOL], ids=["maximum", "sum"])
@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_layers_one_after_the_other(name, operation):
    seed, config = 321, CONFIGURATIONS[name]
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    memory = random_memory(rng, config)
    layers = []
    kinds = list(WINDOWS.values())
    for index, kind in enumerate(kinds if name == "serial" else kinds[2:5]):
        layer = pool_layer(
            rng, tile=bool(index % 2), operation=operation.value, input_signed=index % 3 % 2, **kind
        )
        # As many chunks as the configuration has.
        layers.append(layer | {"input_chunks": min(layer["input_chunks"], config.chunks)})
    layers.append(layers[2] | {"input_signed": 1 - layers[2]["input_signed"]})
    run(config, memory, layers, seed)


def test_maxima_and_sums_in_turn():
    seed, config = 322, CONFIGURATIONS["serial"]
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    memory = random_memory(rng, config)
    layers = [
        pool_layer(rng, window=(2, 3), stride=2, pad=(1, 1), operation=operation, input_signed=1)
        for operation in (1, 2, 2, 1)
    ]
    run(config, memory, layers, seed)


def test_an_output_that_fills_the_plane():
    """As many positions as there are, and as many in a row."""
    seed, config = 323, CONFIGURATIONS["odd"].replace(activation_words=256)
    print(f"seed {seed}")
    memory = random_memory(np.random.default_rng(seed), config)
    base = {"input_chunks": 1, "input_pixel": 1, "step_pixel": 1, "operation": Operation.AVERAGE_POOL.value}
    side, words = config.line, config.plane_words
    square = {"input_row": side, "step_row": side, "output_height": side, "output_width": side}
    square |= {"map_height": words - side, "map_width": side - 1}
    row = {
        "input_row": words,
        "step_row": words,
        "output_height": 1,
        "output_width": words,
        "map_width": words - 1,
    }
    run(config, memory, [layer_fields(**base, **shape) for shape in (square, row)], seed)


@pytest.mark.parametrize("side", [0, 1])
def test_windows_that_reach_as_far_as_they_may(side):
    """Half a bank lies between two rows, or places, and windows reach almost 8 times its words beyond the map."""
    seed, config = 326, SERIAL["serial"]
    print(f"seed {seed}")
    memory = random_memory(np.random.default_rng(seed), config)
    half, names = config.activation_words // 2, ("row", "pixel")
    of_side = {
        f"input_{names[side]}": half,
        f"step_{names[side]}": half,
        f"window_{names[side]}": 15 * half,
        ("map_height", "map_width")[side]: half,
        ("pad_top", "pad_left")[side]: 14 * half,
        ("output_height", "output_width")[side]: 16,
    }
    for operation in (Operation.MAX_POOL, Operation.AVERAGE_POOL):
        whole = {"input_row": 1, "input_pixel": 1, "output_height": 1, "output_width": 1, "input_chunks": 4}
        run(config, memory, [layer_fields(operation=operation.value, **whole | of_side)], seed)


@pytest.mark.parametrize(("byte", "signed", "value"), [(255, 0, 255), (128, 1, -128), (127, 1, 127)])
def test_largest_window(byte, signed, value):
    """A map that fills its bank, all of it at the end of the range."""
    config = SERIAL["serial"]
    words = config.activation_words
    memory = np.full((3, words, config.chunk), byte)
    layer = layer_fields(
        operation=Operation.AVERAGE_POOL.value,
        input_signed=signed,
        input_chunks=1,
        input_pixel=1,
        input_row=8,
        map_width=7,
        map_height=words - 8,
        window_pixel=7,
        window_row=words - 8,
        step_pixel=8,
        step_row=words,
        output_height=1,
        output_width=1,
    )
    assert expected(memory, layer) == [[(value * words,)] * config.chunk]
    run(config, memory, [layer], 324)


@pytest.mark.parametrize("signed", [0, 1])
def test_maxima_are_those_of_the_parallel_machine(signed):
    seed, config = 325, CONFIGURATIONS["serial"]
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    memory = random_memory(rng, config)
    layer = pool_layer(
        rng, window=(3, 3), stride=2, pad=(1, 1), operation=1, input_signed=signed, map_size=(5, 6)
    )
    values = memory[layer["input_bank"]]
    values = values.astype(np.int8).astype(np.int64) if signed else values
    tensor = values[
        layer["input_base"] + np.arange(5)[:, None] * layer["input_row"] + np.arange(6) * layer["input_pixel"]
    ]
    maxima = MaxPool.model(tensor.transpose(2, 0, 1), (3, 3), 2, (1, 1, 1, 2))
    assert (layer["output_height"], layer["output_width"]) == maxima.shape[1:]
    assert [list(lane) for lane in expected(memory, layer)[0]] == maxima.reshape(config.chunk, -1).tolist()
    run(config, memory, [layer], seed)
