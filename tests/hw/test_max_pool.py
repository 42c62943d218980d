"""Maximum pooling against plain maxima of windows."""

import numpy as np
import pytest

from hw.max_pool import MaxPool

from .bench import Bench
from .layers import CONFIGURATIONS
from .streams import TRAFFIC
from .windows import PAST_THE_MAP, pool_layer, read_windows, window_payloads

CONFIG = CONFIGURATIONS["tiny"]


def plain_writes(memory, layer):
    """Writes of a layer, one after the other."""
    return [
        {
            "bank": layer["output_bank"],
            "address": address,
            "lanes": (1 << CONFIG.chunk) - 1,
            "values": [max(lane) % 256 for lane in values.T.tolist()],
        }
        for address, values in read_windows(memory, layer)
    ]


@pytest.mark.parametrize("traffic", TRAFFIC)
def test_layers_one_after_the_other(traffic):
    seed = 190
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    memory = rng.integers(0, 256, (3, CONFIG.activation_words, CONFIG.chunk))
    memory[:, ::5] = 0x80
    layers = [
        pool_layer(rng, window=(1, 1), stride=1, input_signed=1),
        pool_layer(rng, window=(2, 2), stride=2, input_signed=0),
        pool_layer(rng, window=(3, 2), stride=1, pad=(1, 1), input_signed=1, tile=True),
        pool_layer(rng, input_signed=1, **PAST_THE_MAP),
        pool_layer(rng, input_signed=0, tile=True, **PAST_THE_MAP),
    ]
    dut = MaxPool(CONFIG)
    bench = Bench(dut, seed=seed, **TRAFFIC[traffic])
    source, sink = bench.source(dut.i), bench.sink(dut.write, always_ready=True)
    latest = []

    async def script():
        for layer in layers:
            bench.set(dut.layer, layer)
            source.extend(window_payloads(memory, layer))
            await bench.until(lambda: source.empty)
            await bench.cycle()
            latest.append((source.accepted[-1], sink.emitted[-1]))
        await bench.repeat(20)

    bench.run(script)
    assert sink.payloads == [write for layer in layers for write in plain_writes(memory, layer)]
    assert all(written == taken + 1 for taken, written in latest)


def test_a_chunk_a_cycle():
    rng = np.random.default_rng(191)
    memory = np.zeros((3, CONFIG.activation_words, CONFIG.chunk), np.int64)
    dut = MaxPool(CONFIG)
    bench = Bench(dut)
    source = bench.source(dut.i, window_payloads(memory, pool_layer(rng, window=(2, 3), stride=2)))

    async def script():
        await bench.until(lambda: source.empty)

    bench.run(script)
    assert source.accepted == list(range(len(source.accepted)))


@pytest.mark.parametrize("padding", [(0, 0, 0, 0), (1, 0, 1, 1)])
@pytest.mark.parametrize(("window", "stride"), [((2, 2), 2), ((3, 2), 2), ((3, 3), 3)])
def test_model(window, stride, padding):
    rng = np.random.default_rng(192)
    tensor = rng.integers(-128, 128, (3, 7, 8))
    top, left, bottom, right = padding
    pooled = MaxPool.model(tensor, window, stride, padding)
    for channel, row, column in np.ndindex(pooled.shape):
        assert pooled[channel, row, column] == max(
            tensor[channel, y, x]
            for y in range(row * stride - top, row * stride - top + window[0])
            for x in range(column * stride - left, column * stride - left + window[1])
            if 0 <= y < 7 and 0 <= x < 8
        )
    assert pooled.shape == (
        3,
        (7 + top + bottom - window[0]) // stride + 1,
        (8 + left + right - window[1]) // stride + 1,
    )
