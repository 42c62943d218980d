"""Sums over whole maps against plain sums, at the ends of their range, and the cycles that they take."""

from itertools import chain

import numpy as np
import pytest

from hw.global_sum import GlobalSum

from .bench import Bench
from .layers import CONFIGURATIONS, layer_fields
from .streams import TRAFFIC

CONFIG = CONFIGURATIONS["tiny"]
#: By sums that leave in one cycle.
UNITS = {units: CONFIG.replace(pes=units, requantisers=units) for units in (1, 2, 4)}


def fields(*, height, width, chunks, signed, bank=0, base=0):
    return layer_fields(
        operation=2,
        input_bank=bank,
        input_base=base,
        input_chunks=chunks,
        input_signed=signed,
        height=height,
        width=width,
    )


def plain_sums(memory, layer):
    """Sums of a layer in the order in which they leave: channel 0 of chunk 0 first."""
    pixels, chunks = layer["height"] * layer["width"], layer["input_chunks"]
    first = layer["input_base"]
    map_ = memory[layer["input_bank"], first : first + pixels * chunks]
    if layer["input_signed"]:
        map_ = map_.astype(np.int8).astype(np.int64)
    sums = [0] * (chunks * CONFIG.chunk)
    for index, chunk in enumerate(map_.tolist()):
        for lane, value in enumerate(chunk):
            sums[index % chunks * CONFIG.chunk + lane] += value
    return sums


def add(memory, layers, seed, config=CONFIG, **traffic):
    """The sink of the sums of all layers, and the memory port."""
    dut = GlobalSum(config)
    bench = Bench(dut, seed=seed, **traffic)
    port = bench.memory(
        dut.request, dut.response, lambda request: memory[request["bank"], request["address"]].tolist()
    )
    sink = bench.sink(dut.sums)

    async def script():
        wanted = 0
        for layer in layers:
            bench.set(dut.layer, layer)
            await bench.pulse(dut.start)
            wanted += layer["input_chunks"] * config.chunk // config.requantisers
            await bench.take(sink, wanted)
        await bench.repeat(20)

    bench.run(script)
    return sink, port


@pytest.mark.parametrize("traffic", TRAFFIC)
@pytest.mark.parametrize("units", UNITS)
def test_layers_one_after_the_other(units, traffic):
    seed = 201
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    memory = rng.integers(0, 256, (3, CONFIG.activation_words, CONFIG.chunk))
    layers = [
        fields(height=4, width=3, chunks=2, signed=1, bank=2, base=9),
        fields(height=1, width=1, chunks=1, signed=0, bank=1),
        fields(height=1, width=5, chunks=4, signed=0, base=77),
        fields(height=3, width=1, chunks=3, signed=1),
    ]
    sink, port = add(memory, layers, seed, UNITS[units], **TRAFFIC[traffic])
    assert {len(sums) for sums in sink.payloads} == {units}
    assert list(chain(*sink.payloads)) == [total for layer in layers for total in plain_sums(memory, layer)]
    assert len(port.requests) == sum(
        layer["height"] * layer["width"] * layer["input_chunks"] for layer in layers
    )


@pytest.mark.parametrize(("byte", "signed", "value"), [(255, 0, 255), (128, 1, -128), (127, 1, 127)])
def test_largest_map(byte, signed, value):
    """A map that fills its bank, all of it at the end of the range."""
    memory = np.full((1, CONFIG.activation_words, CONFIG.chunk), byte)
    layer = fields(height=16, width=CONFIG.activation_words // 16, chunks=1, signed=signed)
    sink, _ = add(memory, [layer], 202)
    assert list(chain(*sink.payloads)) == [value * CONFIG.activation_words] * CONFIG.chunk


@pytest.mark.parametrize("units", UNITS)
def test_one_chunk_a_cycle_and_as_many_sums_as_requantisers(units):
    memory = np.zeros((1, CONFIG.activation_words, CONFIG.chunk), np.int64)
    sink, port = add(memory, [fields(height=4, width=5, chunks=1, signed=0)], 203, UNITS[units])
    assert np.diff(port.accepted).tolist() == [1] * 19
    assert np.diff(sink.emitted).tolist() == [1] * (CONFIG.chunk // units - 1)


def test_model():
    tensor = np.random.default_rng(204).integers(-128, 128, (5, 3, 4))
    assert GlobalSum.model(tensor).tolist() == [sum(map_.ravel().tolist()) for map_ in tensor]
