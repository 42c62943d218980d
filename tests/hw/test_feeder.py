"""Feeder: the map in raster order, once a pass, with steps between pixels, and lanes beyond its channels zero."""

import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import connect, flipped

from hw.feeder import Feeder

from .bench import Bench
from .layers import CONFIGURATIONS, layer_fields
from .streams import TRAFFIC

CONFIG = CONFIGURATIONS["tiny"]


class _FeederAtRing(wiring.Component):
    """A feeder whose chunks have arrived when they leave."""

    def __init__(self, config):
        self._feeder = Feeder(config)
        ports = {name: member for name, member in self._feeder.signature.members.items() if name != "arrived"}
        super().__init__(ports)

    def elaborate(self, platform):
        m = Module()
        m.submodules.feeder = feeder = self._feeder
        connect(m, request=feeder.request, memory=flipped(self.request))
        connect(m, memory=flipped(self.response), response=feeder.response)
        connect(m, chunks=feeder.o, ring=flipped(self.o))
        m.d.comb += [
            feeder.layer.eq(self.layer),
            feeder.start.eq(self.start),
            feeder.arrived.eq(self.o.valid & self.o.ready),
            self.busy.eq(feeder.busy),
        ]
        return m


def random_layer(rng, *, passes, step=1, **fields):
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
        **fields,
    )


def random_squares(rng, *, passes):
    """A map that is fed in squares, of which passes see different chunks."""
    height, width = (int(size) for size in rng.integers(1, 6, 2))
    chunks = int(rng.integers(1, CONFIG.chunks + 1))
    fed = int(rng.integers(1, chunks + 1))
    return layer_fields(
        input_bank=int(rng.integers(3)),
        input_base=int(rng.integers(60)),
        input_row=width * chunks,
        input_pixel=chunks,
        input_chunks=fed,
        input_pass=int(rng.integers(0, chunks - fed + 1)) // passes,
        input_repeat=int(rng.integers(1, passes + 1)),
        input_lanes=int(rng.integers(1, CONFIG.chunk + 1)),
        map_height=height,
        map_width=width,
        squares=1,
        height=(height + 1) // 2,
        width=(width + 1) // 2,
        passes=passes,
    )


def plain_map(memory, layer):
    """Chunks fed, one after the other."""
    fed = []
    for number in range(layer["passes"]):
        base = layer["input_base"] + number // layer["input_repeat"] * layer["input_pass"]
        for row, column in pixels(layer):
            inside = not layer["squares"] or (row < layer["map_height"] and column < layer["map_width"])
            for chunk in range(layer["input_chunks"]):
                address = base + row * layer["input_row"] + column * layer["input_pixel"] + chunk
                values = memory[layer["input_bank"], address].tolist() if inside else [0] * CONFIG.chunk
                if chunk == layer["input_chunks"] - 1:
                    used = layer["input_lanes"]
                    values = values[:used] + [0] * (CONFIG.chunk - used)
                fed.append(values)
    return fed


def pixels(layer):
    """Row and column of every pixel of a pass, in the order in which they are fed."""
    for row in range(layer["height"]):
        for column in range(layer["width"]):
            if not layer["squares"]:
                yield row, column
                continue
            for down in range(2):
                for right in range(2):
                    yield 2 * row + down, 2 * column + right


def feed(memory, layers, seed, **traffic):
    """The sink that took the maps of all layers, and the memory port."""
    dut = _FeederAtRing(CONFIG)
    bench = Bench(dut, seed=seed, **traffic)
    port = bench.memory(
        dut.request,
        dut.response,
        # What lies beyond the map is asked for, wherever that is.
        lambda request: memory[request["bank"], request["address"] % memory.shape[1]].tolist(),
    )
    sink = bench.sink(dut.o)

    async def script():
        chunks = 0
        for layer in layers:
            bench.set(dut.layer, layer)
            await bench.repeat(2)
            await bench.pulse(dut.start)
            positions = layer["height"] * layer["width"] * (4 if layer["squares"] else 1)
            chunks += layer["passes"] * positions * layer["input_chunks"]
            await bench.while_high(dut.busy)
            assert len(sink.payloads) == chunks, "busy until the last chunk has arrived"
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


@pytest.mark.parametrize("traffic", TRAFFIC)
def test_squares(traffic):
    seed = 185
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    memory = rng.integers(0, 256, (3, CONFIG.activation_words, CONFIG.chunk))
    layers = [random_squares(rng, passes=passes) for passes in (1, 3, 2, 4)]
    sink, _ = feed(memory, layers, seed, **TRAFFIC[traffic])
    assert sink.payloads == [chunk for layer in layers for chunk in plain_map(memory, layer)]
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
