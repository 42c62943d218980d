"""Basis MAC against plain convolutions: layer after layer without a reset, and the cycles that they take."""

import numpy as np
import pytest

from hw.mac import BasisMac

from .bench import Bench
from .layers import CONFIGURATIONS, geometry, in_squares, placed_taps, plain_convolution, random_shape
from .streams import TRAFFIC

#: Cycles of ``busy`` around the positions of a layer: the end of the drain, and the pipeline that runs empty.
OVERHEAD = 10


def random_layer(rng, config, shape, passes):
    """Geometry, z of the map [passes, height, width, M], kernels [M, r, s]."""
    z = rng.integers(-3000, 3000, (passes, shape["height"], shape["width"], config.bases))
    z *= rng.random(z.shape) < rng.choice([0.2, 0.6, 1.0])
    kernels = rng.integers(-128, 128, (config.bases, *shape["kernel"]))
    return geometry(config, passes=passes, **shape), z, kernels


def row_streams(rng, config, layer, z):
    """Payloads for each row, which has bases of its own; a zero z travels only where it closes a pixel.

    Also what the rows of each class make of their pixels, as ``BasisMac.model`` takes it.
    """
    classes, streams = config.classes, []
    positions = in_squares(layer, z)
    shares = 4 // classes if layer["squares"] else 1
    made = np.zeros((*positions.shape[:3], classes, shares, config.bases), np.int64)
    owner = rng.integers(0, config.rows, (classes if layer["squares"] else 1, config.bases))
    if layer["squares"]:
        owner = owner // classes * classes + np.arange(classes)[:, None]
        owner = np.where(owner < config.rows, owner, np.arange(classes)[:, None])
    for row in range(config.rows):
        number, stream = row % classes, []
        of_row = np.flatnonzero(owner[number if layer["squares"] else 0] == row)
        first = number ^ (2 * layer["last_upper"] + layer["last_left"]) % classes
        own = positions[:, :, :, first::classes] if layer["squares"] else positions
        made[:, :, :, number, :, of_row] = np.moveaxis(own[..., of_row], -1, 0)
        for pixel in own.reshape(-1, config.bases):
            elements = [(int(pixel[basis]), int(basis)) for basis in rng.permutation(of_row)] or [(0, 0)]
            for index, (value, basis) in enumerate(elements):
                end = int(index == len(elements) - 1)
                if value or end:
                    stream.append({"z": value, "nonzero": int(value != 0), "basis": basis, "end": end})
        streams.append(stream)
    return streams, made


def without_trailing_zeros(stream):
    """The same, with ``end`` on a pixel's last non-zero where there is one."""
    kept = []
    for element in stream:
        if not element["nonzero"] and kept and not kept[-1]["end"]:
            kept[-1] = kept[-1] | {"end": 1}
        else:
            kept.append(element)
    return kept


async def load_bases(bench, dut, bases, *, half):
    for basis, taps in enumerate(bases):
        place = {"pe": 0, "every": 1, "half": half, "basis": basis}
        bench.set(dut.basis.payload, place | {"taps": taps.ravel().tolist()})
        await bench.pulse(dut.basis.valid)


async def tell_loaded(bench, dut, *, half):
    bench.set(dut.loaded.payload, {"half": half})
    await bench.pulse(dut.loaded.valid)


def run_layers(config, layers, seed, **traffic):
    """Results of each layer as arrays, and the cycles for which each kept the MAC busy."""
    dut = BasisMac(config)
    bench = Bench(dut, seed=seed, **traffic)
    sources = [bench.source(port) for port in dut.z]
    sink = bench.sink(dut.o)
    results, busy = [], []

    async def script():
        for layer, streams, kernels in layers:
            bench.set(dut.layer, layer)
            await load_bases(bench, dut, placed_taps(config, kernels, layer), half=0)
            for source, stream in zip(sources, streams, strict=True):
                source.extend(stream)
            await bench.pulse(dut.start)
            await tell_loaded(bench, dut, half=0)
            busy.append(await bench.while_high(dut.busy))
            assert all(source.empty for source in sources)
        await bench.repeat(100)

    bench.run(script)
    for layer, _, _ in layers:
        shape = layer["passes"], layer["output_height"], layer["output_width"]
        given, sink.payloads = sink.payloads[: np.prod(shape)], sink.payloads[np.prod(shape) :]
        results.append(np.array(given).reshape(shape))
    assert sink.payloads == [], "more results than the layers have"
    return results, busy


def check_layers(config, shapes, seed, *, passes=2, **traffic):
    print(f"seed {seed}: {shapes}")
    rng = np.random.default_rng(seed)
    layers = [random_layer(rng, config, shape, passes) for shape in shapes]
    rows = [row_streams(rng, config, layer, z) for layer, z, _ in layers]
    results, _ = run_layers(
        config,
        [(layer, streams, kernels) for (layer, _, kernels), (streams, _) in zip(layers, rows, strict=True)],
        seed,
        **traffic,
    )
    for shape, (layer, z, kernels), (_, made), result in zip(shapes, layers, rows, results, strict=True):
        assert np.array_equal(result, plain_convolution(z, kernels, shape["padding"], shape["stride"]))
        assert np.array_equal(
            result, BasisMac.model(config, made, placed_taps(config, kernels, layer), layer)
        )


def _shape(height, width, kernel, padding, stride, **more):
    return {"height": height, "width": width, "kernel": kernel, "padding": padding, "stride": stride} | more


#: Geometries that have a reason: height, width, kernel, padding (top, bottom, left, right), stride.
SHAPES = {
    "same": [_shape(5, 6, (3, 3), (1, 1, 1, 1), 1)],
    "stride 2, padded before": [_shape(5, 5, (3, 3), (1, 1, 1, 1), 2)],
    "stride 2, padded after": [_shape(6, 6, (3, 3), (0, 1, 0, 1), 2)],
    "valid": [_shape(5, 6, (3, 3), (0, 0, 0, 0), 1)],
    "1x1 kernel": [_shape(3, 5, (1, 1), (0, 0, 0, 0), 1)],
    "1x1 kernel side by side": [_shape(3, 5, (1, 1), (0, 0, 0, 0), 1, side_by_side=1)],
    "1x1 map": [_shape(1, 1, (1, 1), (0, 0, 0, 0), 1)],
    "1x1 map under 3x3": [_shape(1, 1, (3, 3), (1, 1, 1, 1), 1)],
    "2x3 kernel": [_shape(4, 5, (2, 3), (1, 0, 0, 2), 1)],
    "narrow": [_shape(6, 2, (3, 2), (1, 1, 0, 1), 2)],
    "widest": [_shape(2, 16, (3, 3), (1, 1, 1, 1), 1)],
    "off the first place, then narrow": [
        *[_shape(3, 8, (3, 3), (0, 0, 0, 0), 1)] * 3,
        _shape(4, 3, (3, 3), (1, 1, 1, 1), 1),
    ],
    "wide, narrow, middling": [
        _shape(3, 12, (3, 3), (2, 0, 0, 2), 1),
        _shape(4, 3, (3, 3), (1, 1, 1, 1), 1),
        _shape(1, 1, (1, 1), (0, 0, 0, 0), 1),
        _shape(3, 7, (3, 3), (0, 1, 0, 1), 2),
        _shape(3, 7, (1, 1), (0, 0, 0, 0), 1, side_by_side=1),
        _shape(3, 7, (3, 3), (1, 1, 1, 1), 1),
    ],
}


@pytest.mark.parametrize("name", SHAPES)
def test_geometries(name):
    check_layers(CONFIGURATIONS["tiny"], SHAPES[name], seed=111, **TRAFFIC["both"])


@pytest.mark.parametrize("traffic", TRAFFIC)
@pytest.mark.parametrize("name", ["tiny", "three rows", "four rows", "one row", "1x1", "5x5", "7x7", "odd"])
def test_random_layers_without_reset(name, traffic):
    seed = 112
    config = CONFIGURATIONS[name]
    rng = np.random.default_rng(seed)
    shapes = [random_shape(rng, config) for _ in range(3)]
    check_layers(config, shapes, seed, **TRAFFIC[traffic])


def test_many_passes_of_one_pixel():
    """Results of neighbouring passes lie closer together than the pipeline is long."""
    check_layers(
        CONFIGURATIONS["tiny"], [_shape(1, 1, (3, 3), (1, 1, 1, 1), 1)] * 2, 113, passes=9, **TRAFFIC["free"]
    )


def test_back_pressure_for_long():
    """A sink that takes next to nothing: the output FIFO fills and the MAC holds."""
    check_layers(
        CONFIGURATIONS["tiny"], [_shape(4, 8, (1, 1), (0, 0, 0, 0), 1)], 114, idle=0.0, back_pressure=0.93
    )


@pytest.mark.parametrize("traffic", TRAFFIC)
def test_bases_of_their_own(traffic):
    """Each pass has other bases, written into the half of the table that the MAC does not need."""
    seed = 119
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    config, passes = CONFIGURATIONS["tiny"], 5
    shape = _shape(2, 4, (3, 3), (1, 1, 1, 1), 1)
    layer, z, _ = random_layer(rng, config, shape, passes)
    layer["basis_own"] = 1
    kernels = rng.integers(-128, 128, (passes, config.bases, 3, 3))
    streams, _ = row_streams(rng, config, layer, z)
    dut = BasisMac(config)
    bench = Bench(dut, seed=seed, **TRAFFIC[traffic])
    for port, stream in zip(dut.z, streams, strict=True):
        bench.source(port, stream)
    sink = bench.sink(dut.o)

    async def script():
        bench.set(dut.layer, layer)
        await bench.pulse(dut.start)
        for index in range(passes):
            await bench.until(lambda half=index % 2: not bench.get(dut.needed) >> half & 1)
            await load_bases(bench, dut, placed_taps(config, kernels[index], layer), half=index % 2)
            await tell_loaded(bench, dut, half=index % 2)
        await bench.while_high(dut.busy)
        await bench.repeat(100)

    bench.run(script)
    expected = [
        plain_convolution(z[index : index + 1], kernels[index], shape["padding"], shape["stride"])
        for index in range(passes)
    ]
    assert np.array_equal(np.reshape(sink.payloads, (passes, 2, 4)), np.concatenate(expected))


@pytest.mark.parametrize("density", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("name", ["tiny", "three rows", "one row", "5x5", "odd"])
def test_one_nonzero_z_a_cycle(name, density):
    seed = 115
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    config = CONFIGURATIONS[name]
    shape = _shape(5, 6, (3, 3), (1, 1, 1, 1), 1)
    layer, z, kernels = random_layer(rng, config, shape, passes=3)
    z = rng.integers(1, 100, z.shape) * (rng.random(z.shape) < density)
    streams = [without_trailing_zeros(stream) for stream in row_streams(rng, config, layer, z)[0]]
    _, (busy,) = run_layers(config, [(layer, streams, kernels)], seed)
    positions = np.maximum(1, (z != 0).sum(-1)).sum()
    assert busy == positions + layer["drain"] + OVERHEAD


@pytest.mark.parametrize("density", [0.3, 1.0])
@pytest.mark.parametrize("name", ["tiny", "four rows", "one row"])
@pytest.mark.parametrize(
    "shape",
    [_shape(6, 8, (3, 3), (1, 1, 1, 1), 2), _shape(3, 5, (1, 1), (0, 0, 0, 0), 1, side_by_side=1)],
    ids=["stride 2", "1x1"],
)
def test_one_nonzero_z_of_every_class_a_cycle(name, shape, density):
    seed = 120
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    config = CONFIGURATIONS[name]
    layer, z, kernels = random_layer(rng, config, shape, passes=2)
    z = rng.integers(1, 100, z.shape) * (rng.random(z.shape) < density)
    streams, made = row_streams(rng, config, layer, z)
    streams = [without_trailing_zeros(stream) for stream in streams]
    _, (busy,) = run_layers(config, [(layer, streams, kernels)], seed)
    assert config.rows == config.classes
    # A row takes its pixels one after the other; one without a z still takes the cycle in which it ends.
    of_class = np.maximum(1, (made != 0).sum(axis=-1)).sum(axis=-1)
    assert busy == of_class.max(axis=-1).sum() + layer["drain"] + OVERHEAD


def test_narrow_maps_fill_their_line():
    """Positions of a line beyond the map take a cycle each."""
    seed = 116
    rng = np.random.default_rng(seed)
    config = CONFIGURATIONS["tiny"]
    layer, z, kernels = random_layer(rng, config, _shape(5, 1, (3, 1), (1, 1, 0, 0), 1), passes=2)
    streams, _ = row_streams(rng, config, layer, 0 * z)
    _, (busy,) = run_layers(config, [(layer, streams, kernels)], seed)
    assert busy == 2 * 5 * config.line_minimum + layer["drain"] + OVERHEAD


@pytest.mark.parametrize(("name", "cycles"), [("tiny", 2), ("one row", 3)])
def test_a_zero_that_closes_a_pixel_is_free_beside_another_row(name, cycles):
    config = CONFIGURATIONS[name]
    pixels = 12
    layer = geometry(config, passes=1, **_shape(3, 4, (3, 3), (1, 1, 1, 1), 1))
    nonzero, last = {"z": 5, "nonzero": 1, "basis": 0, "end": 0}, {"z": 7, "nonzero": 1, "basis": 1, "end": 1}
    zero = {"z": 0, "nonzero": 0, "basis": 0, "end": 1}
    streams = [[nonzero, zero] * pixels, [last] * pixels]
    if config.rows == 1:
        streams = [[nonzero, nonzero, zero] * pixels]
    kernels = np.ones((config.bases, 3, 3), np.int64)
    _, (busy,) = run_layers(config, [(layer, streams, kernels)], seed=117)
    assert busy == cycles * pixels + layer["drain"] + OVERHEAD


@pytest.mark.parametrize("name", ["tiny", "1x1", "5x5", "odd"])
def test_model(name):
    seed = 118
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    config = CONFIGURATIONS[name]
    for _ in range(40):
        shape = random_shape(rng, config)
        layer, z, kernels = random_layer(rng, config, shape, passes=int(rng.integers(1, 4)))
        _, made = row_streams(rng, config, layer, z)
        expected = plain_convolution(z, kernels, shape["padding"], shape["stride"])
        assert np.array_equal(
            BasisMac.model(config, made, placed_taps(config, kernels, layer), layer), expected
        ), shape
