"""Sums over windows against plain sums, at the ends of their range, and the cycles that they take."""

from itertools import chain

import numpy as np
import pytest

from hw.average_pool import AveragePool

from .bench import Bench
from .layers import CONFIGURATIONS, layer_fields
from .streams import TRAFFIC
from .windows import pool_layer, read_windows, window_payloads

CONFIG = CONFIGURATIONS["tiny"]
#: By sums that leave in one cycle.
UNITS = {units: CONFIG.replace(pes=units, requantisers=units) for units in (1, 2, 4)}


def add(jobs, seed, config=CONFIG, **traffic):
    """The source of chunks and the sink of sums; ``jobs`` are (layer, payloads)."""
    dut = AveragePool(config)
    bench = Bench(dut, seed=seed, **traffic)
    source, sink = bench.source(dut.i), bench.sink(dut.sums)

    async def script():
        wanted = 0
        for layer, payloads in jobs:
            bench.set(dut.layer, layer)
            source.extend(payloads)
            wanted += sum(payload["last"] for payload in payloads) * config.chunk // config.requantisers
            await bench.take(sink, wanted)
        await bench.repeat(20)

    bench.run(script)
    return source, sink


@pytest.mark.parametrize("traffic", TRAFFIC)
@pytest.mark.parametrize("units", UNITS)
def test_layers_one_after_the_other(units, traffic):
    seed = 201
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    memory = rng.integers(0, 256, (3, CONFIG.activation_words, CONFIG.chunk))
    layers = [
        pool_layer(rng, window=window, stride=stride, input_signed=signed, tile=tile)
        for window, stride, signed, tile in (
            ((4, 3), 2, 1, False),
            ((1, 1), 1, 0, True),
            ((1, 5), 3, 0, False),
            ((3, 1), 1, 1, True),
        )
    ]
    jobs = [(layer, window_payloads(memory, layer)) for layer in layers]
    _, sink = add(jobs, seed, UNITS[units], **TRAFFIC[traffic])
    assert {len(sums) for sums in sink.payloads} == {units}
    expected = [
        sum(lane)
        for layer in layers
        for _, values in read_windows(memory, layer)
        for lane in values.T.tolist()
    ]
    assert list(chain(*sink.payloads)) == expected


def window(values):
    """Payloads of one window, given as [chunks, N]."""
    last = len(values) - 1
    return [
        {"values": chunk, "first": int(index == 0), "last": int(index == last), "address": 0}
        for index, chunk in enumerate(values)
    ]


@pytest.mark.parametrize(("byte", "signed", "value"), [(255, 0, 255), (128, 1, -128), (127, 1, 127)])
def test_largest_window(byte, signed, value):
    """A map that fills its bank, all of it at the end of the range."""
    words = CONFIG.activation_words
    job = layer_fields(input_signed=signed), window([[byte] * CONFIG.chunk] * words)
    _, sink = add([job], 202)
    assert list(chain(*sink.payloads)) == [value * words] * CONFIG.chunk


@pytest.mark.parametrize("units", UNITS)
@pytest.mark.parametrize("chunks", [1, 2, 3, 4, 9])
def test_sums_leave_while_the_next_are_made(units, chunks):
    count, groups = 5, CONFIG.chunk // units
    payloads = window([[1] * CONFIG.chunk] * chunks) * count
    source, sink = add([(layer_fields(), payloads)], 203, UNITS[units])
    ends = source.accepted[chunks - 1 :: chunks]
    assert ends[0] == chunks - 1
    assert np.diff(ends).tolist() == [max(chunks, groups)] * (count - 1)
    assert sink.emitted[::groups] == [end + 1 for end in ends]
    assert sink.emitted[groups - 1 :: groups] == [end + groups for end in ends]


@pytest.mark.parametrize(("size", "stride"), [((3, 4), 1), ((1, 1), 1), ((2, 3), 2)])
def test_model(size, stride):
    tensor = np.random.default_rng(204).integers(-128, 128, (5, 3, 4))
    sums = AveragePool.model(tensor, size, stride)
    assert sums.shape == (5, (3 - size[0]) // stride + 1, (4 - size[1]) // stride + 1)
    for channel, row, column in np.ndindex(sums.shape):
        top, left = row * stride, column * stride
        part = tensor[channel, top : top + size[0], left : left + size[1]]
        assert sums[channel, row, column] == sum(part.ravel().tolist())
