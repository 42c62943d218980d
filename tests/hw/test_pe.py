"""A PE on the input ring against plain convolutions with the rebuilt kernel, layer after layer."""

import numpy as np
import pytest
from amaranth.hdl import Module, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hw.bases import basis_write_layout, loaded_layout
from hw.coefficients import coefficient_write_layout
from hw.formats import Layer, ring_layout
from hw.pe import ProcessingElement
from hw.ring import InputRing
from hw.sparsemap import ring_chunks

from .bench import Bench
from .layers import (
    CONFIGURATIONS,
    coefficient_writes,
    geometry,
    in_squares,
    placed_taps,
    plain_convolution,
    plain_z,
    random_chunks,
    random_lists,
    random_shape,
    ring_pixels,
)
from .streams import TRAFFIC


class _ElementOnRing(wiring.Component):
    """One PE and the ring that its rows read."""

    def __init__(self, config):
        self._config = config
        super().__init__(
            {
                "layer": In(Layer),
                "start": In(1),
                "busy": Out(1),
                "i": In(stream.Signature(ring_layout(config))),
                "coefficients": In(stream.Signature(coefficient_write_layout(config))).array(config.rows),
                "basis": In(stream.Signature(basis_write_layout(config))),
                "loaded": In(stream.Signature(loaded_layout)),
                "o": Out(stream.Signature(signed(config.accumulator_bits))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.ring = ring = InputRing(self._config, readers=self._config.rows)
        m.submodules.element = element = ProcessingElement(self._config)
        m.d.comb += [
            ring.start.eq(self.start),
            ring.pixel_chunks.eq(self.layer.input_chunks),
            ring.squares.eq(self.layer.squares),
            ring.last_upper.eq(self.layer.last_upper),
            ring.last_left.eq(self.layer.last_left),
            element.layer.eq(self.layer),
            element.start.eq(self.start),
            self.busy.eq(element.busy),
        ]
        connect(m, chunks=flipped(self.i), ring=ring.i)
        connect(m, basis=flipped(self.basis), element=element.basis)
        connect(m, loaded=flipped(self.loaded), element=element.loaded)
        connect(m, element=element.o, results=flipped(self.o))
        for row in range(self._config.rows):
            connect(m, element=element.readers[row], ring=ring.readers[row])
            connect(m, coefficients=flipped(self.coefficients[row]), element=element.coefficients[row])
        return m


class _Layer:
    """A random layer for one PE, and its results by plain convolution."""

    def __init__(self, rng, config, base, *, passes=2, signed=0, **shape):
        shape = shape or random_shape(rng, config)
        chunks = int(rng.integers(1, config.chunks + 1))
        self.fields = geometry(
            config,
            passes=passes,
            input_chunks=chunks,
            input_signed=signed,
            coefficient_base=base,
            **shape,
        )
        height, width, squares = shape["height"], shape["width"], self.fields["squares"]
        dense, _ = random_chunks(rng, config, height * width, chunks)
        fed = in_squares(self.fields, dense.reshape(1, height, width, chunks, -1))
        self.chunks = ring_chunks(config, fed.reshape(-1, *dense.shape[1:]))
        self.lists = [random_lists(rng, config, passes, chunks, most=4) for _ in range(config.rows)]
        # Rows of one class make the same z of their pixels, whichever class it is.
        classes = config.classes if squares else 1
        if squares:
            self.lists = [self.lists[row // classes * classes] for row in range(config.rows)]
            if config.rows % classes:
                idle = [
                    {name: field[:1] * 0 + (name == "last") for name, field in words.items()}
                    for words in self.lists[0]
                ]
                self.lists[classes:] = [idle] * (config.rows - classes)
        kernels = rng.integers(-128, 128, (config.bases, *shape["kernel"]))
        self.bases = placed_taps(config, kernels, self.fields)
        z = np.zeros((passes * height * width, config.bases), np.int64)
        for row_lists in self.lists[::classes]:
            for place, elements in enumerate(plain_z(config, dense, row_lists, signed)):
                for value, basis in elements:
                    z[place, basis] += value
        z = z.reshape(passes, height, width, config.bases)
        self.results = plain_convolution(z, kernels, shape["padding"], shape["stride"])


def run_layers(config, layers, seed, **traffic):
    """Results of all layers, one after the other."""
    dut = _ElementOnRing(config)
    bench = Bench(dut, seed=seed, **traffic)
    writers = [bench.source(port) for port in dut.coefficients]
    source, sink = bench.source(dut.i), bench.sink(dut.o)

    async def script():
        for layer in layers:
            for writer, lists in zip(writers, layer.lists, strict=True):
                writer.extend(coefficient_writes(config, lists, layer.fields["coefficient_base"]))
        await bench.until(lambda: all(writer.empty for writer in writers))
        for layer in layers:
            bench.set(dut.layer, layer.fields)
            for basis, taps in enumerate(layer.bases):
                place = {"pe": 0, "every": 1, "half": 0, "basis": basis}
                bench.set(dut.basis.payload, place | {"taps": taps.ravel().tolist()})
                await bench.pulse(dut.basis.valid)
            pixels = ring_pixels(ring_layout(config), layer.chunks) * layer.fields["passes"]
            await bench.pulse(dut.start)
            bench.set(dut.loaded.payload, {"half": 0})
            await bench.pulse(dut.loaded.valid)
            source.extend(chunk for pixel in pixels for chunk in pixel)
            await bench.while_high(dut.busy)
            assert source.empty
        await bench.repeat(100)

    bench.run(script)
    return sink.payloads


@pytest.mark.parametrize(
    ("name", "traffic"),
    [("tiny", traffic) for traffic in TRAFFIC]
    + [(name, "both") for name in ("three rows", "four rows", "1x1", "5x5", "lanes of a chunk", "odd")],
)
def test_random_layers_without_reset(name, traffic):
    seed = 151
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    config = CONFIGURATIONS[name]
    layers = [_Layer(rng, config, base, signed=base // 40 % 2) for base in (5, 40, 80)]
    results = run_layers(config, layers, seed, **TRAFFIC[traffic])
    expected = np.concatenate([layer.results.ravel() for layer in layers])
    assert results == expected.tolist()


def test_wide_map_then_narrow_map():
    seed = 152
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    config = CONFIGURATIONS["tiny"]
    same = {"kernel": (3, 3), "padding": (1, 1, 1, 1), "stride": 1}
    layers = [
        _Layer(rng, config, base, signed=1, height=height, width=width, **same)
        for base, height, width in ((0, 2, 13), (40, 5, 3), (80, 3, 6))
    ]
    results = run_layers(config, layers, seed)
    assert results == np.concatenate([layer.results.ravel() for layer in layers]).tolist()


@pytest.mark.parametrize("name", ["tiny", "three rows", "four rows", "1x1", "5x5", "odd"])
def test_model(name):
    seed = 153
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    config = CONFIGURATIONS[name]
    for index in range(16):
        layer = _Layer(rng, config, 0, signed=index % 2, passes=3)
        made = ProcessingElement.model(config, layer.chunks, layer.lists, layer.bases, layer.fields)
        assert np.array_equal(made, layer.results)
