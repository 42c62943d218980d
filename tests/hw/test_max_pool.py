"""Maximum pooling against plain maxima of windows, read one by one or in a scan, by itself and behind its reader."""

import numpy as np
import pytest
from amaranth import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hw.activations import activation_write_layout
from hw.formats import Layer, dense_layout, read_layout
from hw.max_pool import MaxPool
from hw.window_reader import WindowReader

from .bench import Bench
from .layers import CONFIGURATIONS
from .streams import TRAFFIC
from .windows import PAST_THE_MAP, plain_places, pool_layer, read_windows, window_payloads

CONFIG = CONFIGURATIONS["tiny"].replace(activation_words=2048)
#: With and without what scans need.
CONFIGS = {"line": CONFIG, "no line": CONFIG.replace(pool_columns=0)}


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


def random_memory(rng):
    memory = rng.integers(0, 256, (3, CONFIG.activation_words, CONFIG.chunk))
    memory[:, ::5] = 0x80
    memory[:, 1::7] = 0
    return memory


def random_scan(rng, *, small=False):
    """A layer in a scan, of any step up to 4, in whose rows the same column does not come again too soon."""
    while True:
        stride = int(rng.integers(1, 5))
        window = tuple(int(rng.integers(max(2, stride), 2 * stride + 1)) for _ in range(2))
        if min(window) < stride or max(window) > 7:
            continue
        pad = tuple(int(rng.integers(size)) for size in window)
        layer = pool_layer(
            rng,
            window=window,
            stride=stride,
            pad=pad,
            map_size=(int(rng.integers(1, 3 if small else 12)), int(rng.integers(4, 5 if small else 12))),
            tile=bool(rng.integers(2)),
            scan=1,
            input_signed=int(rng.integers(2)),
        )
        # The last windows need not be there.
        layer["output_width"] = min(layer["output_width"], CONFIG.pool_columns)
        layer["output_height"] = int(rng.integers(1, layer["output_height"] + 1))
        if plain_places(layer, 1)[-1][-1] + 1 >= CONFIG.pool_distance:
            return layer


@pytest.mark.parametrize("traffic", TRAFFIC)
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_layers_one_after_the_other(config, traffic):
    seed = 190
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    memory = random_memory(rng)
    layers = [
        pool_layer(rng, window=(1, 1), stride=1, input_signed=1),
        pool_layer(rng, window=(2, 2), stride=2, input_signed=0),
        pool_layer(rng, window=(3, 2), stride=1, pad=(1, 1), input_signed=1, tile=True),
        pool_layer(rng, input_signed=1, **PAST_THE_MAP),
        pool_layer(rng, input_signed=0, tile=True, **PAST_THE_MAP),
    ]
    if config.pool_columns:
        layers += [random_scan(rng) for _ in range(12)]
        layers.append(layers[1])
    dut = MaxPool(config)
    bench = Bench(dut, seed=seed, **TRAFFIC[traffic])
    source, sink = bench.source(dut.i), bench.sink(dut.write, always_ready=True)
    latest = []

    async def script():
        for layer in layers:
            bench.set(dut.layer, layer)
            source.extend(window_payloads(memory, layer))
            await bench.until(lambda: source.empty)
            await bench.while_high(dut.busy)
            latest.append((source.accepted[-1], sink.emitted[-1]))
        await bench.repeat(20)

    bench.run(script)
    assert sink.payloads == [write for layer in layers for write in plain_writes(memory, layer)]
    assert all(written == taken + MaxPool.latency(config) for taken, written in latest)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_a_chunk_a_cycle(config):
    rng = np.random.default_rng(191)
    memory = np.zeros((3, CONFIG.activation_words, CONFIG.chunk), np.int64)
    layers = [pool_layer(rng, window=(2, 3), stride=2)]
    if config.pool_columns:
        layers += [
            pool_layer(rng, window=window, stride=stride, pad=(1, 1), map_size=(7, 9), scan=1)
            for window, stride in (((3, 3), 2), ((2, 2), 1), ((5, 5), 3), ((4, 4), 2))
        ]
        # Where two windows end with the map, the second one has to wait.
        for layer in layers[1:]:
            layer["output_width"] -= 1
    dut = MaxPool(config)
    bench = Bench(dut)
    source = bench.source(dut.i, [chunk for layer in layers for chunk in window_payloads(memory, layer)])

    async def script():
        await bench.until(lambda: source.empty)

    bench.run(script)
    assert source.accepted == list(range(len(source.accepted)))


class Pooling(wiring.Component):
    """A maximum behind its reader."""

    def __init__(self, config):
        self._config = config
        super().__init__(
            {
                "layer": In(Layer),
                "start": In(1),
                "busy": Out(1),
                "request": Out(stream.Signature(read_layout)),
                "response": In(stream.Signature(dense_layout(config))),
                "write": Out(stream.Signature(activation_write_layout(config))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.reader = reader = WindowReader(self._config)
        m.submodules.pool = pool = MaxPool(self._config)
        connect(m, reader=reader.o, pool=pool.i)
        connect(m, reader=reader.request, memory=flipped(self.request))
        connect(m, reader=reader.response, memory=flipped(self.response))
        connect(m, pool=pool.write, memory=flipped(self.write))
        m.d.comb += [
            reader.layer.eq(self.layer),
            pool.layer.eq(self.layer),
            reader.start.eq(self.start),
            self.busy.eq(reader.busy | pool.busy),
        ]
        return m


@pytest.mark.parametrize("traffic", TRAFFIC)
@pytest.mark.parametrize("small", [False, True])
def test_scans_of_random_geometry(traffic, small):
    seed = 193
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    memory = random_memory(rng)
    layers = [random_scan(rng, small=small) for _ in range(12)]
    dut = Pooling(CONFIG)
    bench = Bench(dut, seed=seed, limit_cycles=100000, **TRAFFIC[traffic])
    bench.memory(
        dut.request, dut.response, lambda request: memory[request["bank"], request["address"]].tolist()
    )
    sink, done = bench.sink(dut.write, always_ready=True), 0

    async def script():
        nonlocal done
        for layer in layers:
            bench.set(dut.layer, layer)
            await bench.repeat(2)
            await bench.pulse(dut.start)
            await bench.while_high(dut.busy)
            expected = plain_writes(memory, layer)
            assert sink.payloads[done:] == expected, layer
            done += len(expected)

    bench.run(script)


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
