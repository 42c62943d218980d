"""Maximum pooling against a plain walk over windows, and the cycles that a window takes."""

import numpy as np
import pytest

from hw.max_pool import MaxPool

from .bench import Bench
from .layers import CONFIGURATIONS, layer_fields
from .streams import TRAFFIC

CONFIG = CONFIGURATIONS["tiny"]


def random_layer(rng, *, window, stride, signed):
    """A layer on a map with as many rows and columns as its windows reach, and sometimes one more."""
    output_height, output_width = (int(size) for size in rng.integers(1, 4, 2))
    chunks = int(rng.integers(1, 3))
    width = (output_width - 1) * stride + window + int(rng.integers(2))
    return layer_fields(
        operation=1,
        input_bank=int(rng.integers(3)),
        input_base=int(rng.integers(40)),
        input_row=width * chunks,
        input_pixel=chunks,
        input_chunks=chunks,
        input_signed=signed,
        stride=stride,
        window_height=window,
        window_width=window,
        output_height=output_height,
        output_width=output_width,
        output_bank=int(rng.integers(3)),
        output_base=int(rng.integers(100)),
        output_chunks=chunks,
    )


def plain_writes(memory, layer):
    """Writes of a layer, one after the other."""
    writes = []
    values = memory[layer["input_bank"]]
    if layer["input_signed"]:
        values = values.astype(np.int8).astype(np.int64)
    for row in range(layer["output_height"]):
        for column in range(layer["output_width"]):
            for chunk in range(layer["input_chunks"]):
                best = [-999] * CONFIG.chunk
                for down in range(layer["window_height"]):
                    for right in range(layer["window_width"]):
                        address = layer["input_base"] + chunk
                        address += (row * layer["stride"] + down) * layer["input_row"]
                        address += (column * layer["stride"] + right) * layer["input_pixel"]
                        best = [max(pair) for pair in zip(best, values[address].tolist(), strict=True)]
                writes.append(
                    {
                        "bank": layer["output_bank"],
                        "address": layer["output_base"] + len(writes),
                        "lanes": (1 << CONFIG.chunk) - 1,
                        "values": [value % 256 for value in best],
                    }
                )
    return writes


def pool(memory, layers, seed, **traffic):
    """The sink of writes of all layers, the memory port, and the cycles for which each layer kept the unit busy."""
    dut = MaxPool(CONFIG)
    bench = Bench(dut, seed=seed, **traffic)
    port = bench.memory(
        dut.request, dut.response, lambda request: memory[request["bank"], request["address"]].tolist()
    )
    sink = bench.sink(dut.write, always_ready=True)
    busy, done = [], 0

    async def script():
        nonlocal done
        for layer in layers:
            bench.set(dut.layer, layer)
            await bench.pulse(dut.start)
            busy.append(await bench.while_high(dut.busy))
            done += layer["output_height"] * layer["output_width"] * layer["input_chunks"]
            assert len(sink.payloads) == done, "still writing when no longer busy"
        await bench.repeat(20)

    bench.run(script)
    return sink, port, busy


@pytest.mark.parametrize("traffic", TRAFFIC)
@pytest.mark.parametrize(("window", "stride"), [(1, 1), (1, 2), (2, 2), (2, 1), (3, 2), (3, 3), (4, 3)])
def test_layers_one_after_the_other(window, stride, traffic):
    seed = 190
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    memory = rng.integers(0, 256, (3, CONFIG.activation_words, CONFIG.chunk))
    layers = [random_layer(rng, window=window, stride=stride, signed=signed) for signed in (0, 1, 1)]
    sink, _, _ = pool(memory, layers, seed, **TRAFFIC[traffic])
    assert sink.payloads == [write for layer in layers for write in plain_writes(memory, layer)]


@pytest.mark.parametrize(("window", "stride"), [(2, 2), (3, 2)])
def test_window_squared_cycles_an_output_chunk(window, stride):
    memory = np.zeros((3, CONFIG.activation_words, CONFIG.chunk), np.int64)
    layer = random_layer(np.random.default_rng(191), window=window, stride=stride, signed=0)
    sink, port, (busy,) = pool(memory, [layer], 191)
    outputs = len(sink.payloads)
    assert np.diff(sink.emitted).tolist() == [window**2] * (outputs - 1)
    assert np.diff(port.accepted).tolist() == [1] * (outputs * window**2 - 1)
    assert busy <= outputs * window**2 + 6


@pytest.mark.parametrize(("window", "stride"), [(2, 2), (3, 2), (2, 3)])
def test_model(window, stride):
    rng = np.random.default_rng(192)
    tensor = rng.integers(-128, 128, (3, 7, 8))
    pooled = MaxPool.model(tensor, window, stride)
    for channel, row, column in np.ndindex(pooled.shape):
        top, left = row * stride, column * stride
        assert pooled[channel, row, column] == max(
            tensor[channel, y, x] for y in range(top, top + window) for x in range(left, left + window)
        )
    assert pooled.shape == (3, (7 - window) // stride + 1, (8 - window) // stride + 1)
