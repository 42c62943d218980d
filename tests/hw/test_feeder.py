"""Feeder: the map in raster order, once a pass, with steps between pixels, and lanes beyond its channels zero."""

import numpy as np
import pytest

from hw.feeder import Feeder

from .bench import Bench
from .layers import CONFIGURATIONS, layer_fields
from .streams import TRAFFIC

CONFIG = CONFIGURATIONS["tiny"]


def random_layer(rng, *, passes, step=1):
    """A map somewhere in memory, of which every ``step``-th pixel and row is fed."""
    height, width = (int(size) for size in rng.integers(1, 5, 2))
    chunks = int(rng.integers(1, CONFIG.chunks + 1))
    stored_width = (width - 1) * step + int(rng.integers(1, step + 1))
    return layer_fields(
        input_bank=int(rng.integers(3)),
        input_base=int(rng.integers(60)),
        input_row=stored_width * chunks * step,
        input_pixel=chunks * step,
        input_chunks=chunks,
        input_lanes=int(rng.integers(1, CONFIG.chunk + 1)),
        height=height,
        width=width,
        passes=passes,
    )


def plain_map(memory, layer):
    """Chunks fed, one after the other."""
    fed = []
    for _ in range(layer["passes"]):
        for row in range(layer["height"]):
            for column in range(layer["width"]):
                for chunk in range(layer["input_chunks"]):
                    address = row * layer["input_row"] + column * layer["input_pixel"] + chunk
                    values = memory[layer["input_bank"], layer["input_base"] + address].tolist()
                    if chunk == layer["input_chunks"] - 1:
                        used = layer["input_lanes"]
                        values = values[:used] + [0] * (CONFIG.chunk - used)
                    fed.append(values)
    return fed


def feed(memory, layers, seed, **traffic):
    """The sink that took the maps of all layers, and the memory port."""
    dut = Feeder(CONFIG)
    bench = Bench(dut, seed=seed, **traffic)
    port = bench.memory(
        dut.request, dut.response, lambda request: memory[request["bank"], request["address"]].tolist()
    )
    sink = bench.sink(dut.o)

    async def script():
        chunks = 0
        for layer in layers:
            bench.set(dut.layer, layer)
            await bench.pulse(dut.start)
            chunks += layer["passes"] * layer["height"] * layer["width"] * layer["input_chunks"]
            await bench.take(sink, chunks)
        await bench.repeat(20)

    bench.run(script)
    return sink, port


@pytest.mark.parametrize("traffic", TRAFFIC)
@pytest.mark.parametrize("step", [1, 2, 3])
def test_layers_one_after_the_other(step, traffic):
    seed = 180 + step
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    memory = rng.integers(0, 256, (3, 1024, CONFIG.chunk))
    layers = [random_layer(rng, passes=passes, step=step) for passes in (1, 3, 2)]
    sink, port = feed(memory, layers, seed, **TRAFFIC[traffic])
    assert sink.payloads == [chunk for layer in layers for chunk in plain_map(memory, layer)]
    assert len(port.requests) == len(sink.payloads), "asked for more than it fed"
    modelled = [Feeder.model(memory[layer["input_bank"]], layer) for layer in layers]
    assert sink.payloads == np.concatenate(modelled).tolist()


def test_one_chunk_a_cycle():
    """Across rows, passes and chunks alike."""
    memory = np.zeros((3, CONFIG.activation_words, CONFIG.chunk), np.int64)
    layer = layer_fields(
        input_row=6, input_pixel=2, input_chunks=2, input_lanes=1, height=4, width=3, passes=3
    )
    sink, port = feed(memory, [layer], 184)
    assert np.diff(port.accepted).tolist() == [1] * (3 * 4 * 3 * 2 - 1)
    assert np.diff(sink.emitted).tolist() == [1] * (3 * 4 * 3 * 2 - 1)
