"""Taps of the serial machine against plain convolutions and its model, pass after pass, and the cycles that they take."""

import numpy as np
import pytest

from hw.serial_taps import SerialTaps

from .bench import Bench
from .layers import SERIAL, geometry, placed_taps, plain_convolution, random_shape
from .streams import TRAFFIC, payloads


def _shape(height, width, kernel, padding, stride):
    return {"height": height, "width": width, "kernel": kernel, "padding": padding, "stride": stride}


def serial_shape(rng, config):
    """As ``random_shape``; no 1x1 kernel comes in squares, so a configuration of 1x1 kernels has none."""
    shape = random_shape(rng, config) | {"side_by_side": 0}
    return shape | {"stride": 1} if config.taps == 1 else shape


def random_layer(rng, config, shape, *, passes=1, own=False, density=None, alone=0.3, bases=None):
    """A layer, z of its map [passes, height, width, M], and its kernels [passes or 1, M, r, s], some of which have one tap."""
    count = bases or int(rng.integers(1, config.bases + 1))
    z = rng.integers(-2000, 2000, (passes, shape["height"], shape["width"], count))
    z *= rng.random(z.shape) < (rng.choice([0.2, 0.6, 1.0]) if density is None else density)
    kernels = rng.integers(-128, 128, (passes if own else 1, count, *shape["kernel"]))
    single = rng.random(kernels.shape[:2]) < alone
    last = kernels[:, :, -1, -1].copy()
    kernels[single] = 0
    kernels[:, :, -1, -1] = last
    # Bases of which only one of the other taps is not zero.
    kernels[:, 0] = 0
    kernels[:, 0, 0, 0] = 127
    base = int(rng.integers(config.basis_words - kernels.shape[0] * count + 1))
    layer = geometry(config, **shape, passes=passes, basis_own=own, basis_count=count, basis_base=base)
    if not layer["squares"]:
        # What belongs to squares is not looked at.
        layer |= {"map_height": 1, "map_width": 2, "last_upper": 0, "last_left": int(rng.integers(2))}
    return layer, z, kernels


def pass_payloads(rng, z):
    """Payloads of a pass [height, width, M], the bases of a pixel in any order; a zero travels only where it closes a pixel.

    Also the same as the model takes it.
    """
    made = {"z": [], "nonzero": [], "basis": [], "end": []}
    for pixel in z.reshape(-1, z.shape[-1]).tolist():
        order = rng.permutation(len(pixel))[: max(1, int(np.count_nonzero(pixel) + rng.integers(2)))].tolist()
        # Those that are left out are zero.
        order = [basis for basis in range(len(pixel)) if pixel[basis] and basis not in order] + order
        for index, basis in enumerate(order):
            end = int(index == len(order) - 1)
            if pixel[basis] or end:
                values = pixel[basis], int(pixel[basis] != 0), basis, end
                for name, value in zip(made, values, strict=True):
                    made[name].append(value)
    return {name: np.array(values) for name, values in made.items()}


def all_bases(config, layer, kernels):
    """Taps [all passes * M, R, S] of a layer, at their places of the configuration."""
    return np.concatenate([placed_taps(config, of_pass, layer) for of_pass in kernels])


def run(config, layers, seed, **traffic):
    """Sums of each pass of each layer, the cycles in which its z were taken, and those of ``busy`` after the last one."""
    dut = SerialTaps(config)
    bench = Bench(dut, seed=seed, limit_cycles=200000, **traffic)
    source, store = bench.source(dut.z), bench.source(dut.store)
    plane = bench.plane(dut.position, dut.sum, dut.write, config.plane_words)
    rng = np.random.default_rng(seed)
    found = []

    async def script():
        for layer, z, kernels in layers:
            # What lies beside the bases of the layer is not zero.
            taps = rng.integers(-128, 128, (config.basis_words, config.taps))
            own = all_bases(config, layer, kernels).reshape(-1, config.taps)
            taps[layer["basis_base"] : layer["basis_base"] + len(own)] = own
            store.extend({"address": address, "data": row} for address, row in enumerate(taps.tolist()))
            await bench.until(lambda: store.empty)
            bench.set(dut.layer, layer)
            await bench.cycle()
            await bench.pulse(dut.begin)
            of_layer = []
            for index in range(layer["passes"]):
                plane.sums[:] = [0] * config.plane_words
                given, before = pass_payloads(rng, z[index]), len(source.accepted)
                start, written = bench.cycles, len(plane.cycles)
                await bench.pulse(dut.start)
                source.extend(payloads(dut.z.payload.shape(), given))
                await bench.until(lambda: source.empty)
                busy = await bench.while_high(dut.busy)
                of_layer.append(
                    {
                        "z": given,
                        "sums": np.array(plane.sums),
                        "taken": [cycle - start for cycle in source.accepted[before:]],
                        "written": [cycle - start for cycle in plane.cycles[written:]],
                        "busy": busy,
                    }
                )
            found.append(of_layer)
        done = len(plane.cycles)
        await bench.repeat(20)
        assert len(plane.cycles) == done

    bench.run(script)
    return found


def check(config, shapes, seed, *, passes=2, own=False, traffic=None, **kind):
    print(f"seed {seed}: {shapes}")
    rng = np.random.default_rng(seed)
    layers = [random_layer(rng, config, shape, passes=passes, own=own, **kind) for shape in shapes]
    found = run(config, layers, seed, **traffic or {})
    for shape, (layer, z, kernels), of_layer in zip(shapes, layers, found, strict=True):
        bases = all_bases(config, layer, kernels).reshape(
            len(kernels), -1, config.kernel_height, config.kernel_width
        )
        for index, of_pass in enumerate(of_layer):
            group = index if own else 0
            (expected,) = plain_convolution(
                z[index : index + 1], kernels[group], shape["padding"], shape["stride"]
            )
            assert of_pass["sums"][: expected.size].tolist() == expected.ravel().tolist()
            assert not of_pass["sums"][expected.size :].any()
            assert np.array_equal(SerialTaps.model(config, of_pass["z"], bases[group], layer), expected)
            if traffic is None:
                check_cycles(config, shape, kernels[group], of_pass)
    return found


def check_cycles(config, shape, kernels, of_pass):
    """Cycles of a pass whose z are always there."""
    alone = [not kernel.ravel()[:-1].any() for kernel in kernels]
    taken, after, number, written = [], 1, 0, 0
    for value, basis, end in zip(
        *(of_pass["z"][name].tolist() for name in ("z", "basis", "end")), strict=True
    ):
        taken.append(after)
        if value:
            count, together = taps_looked_at(config, shape, number)
            count, together = (1, False) if alone[basis] else (count, together)
            after += count + (0 if together else 1)
            written = taken[-1] + count + 1
        else:
            after += 1
        number += end
    assert of_pass["taken"] == taken
    # The last cycle of ``busy`` is that of the last write, if there the map is not left.
    assert of_pass["busy"] == max(0, written - taken[-1])
    assert of_pass["written"] == sorted(set(of_pass["written"]))
    assert not of_pass["written"] or of_pass["written"][-1] <= written


def taps_looked_at(config, shape, number):
    """How many taps meet an output that is of this pixel, in the map or beyond it, and whether they are of several rows and columns."""
    counts = []
    sizes = config.kernel_height, config.kernel_width
    sides = zip(sizes, divmod(number, shape["width"]), shape["kernel"], shape["padding"][::2], strict=True)
    for size, place, extent, before in sides:
        # The last tap works for this place of an output, times the stride; the one before it for the next.
        reached = place + before - (extent - 1)
        # Of stride 2 only every other one does.
        counts.append(size if shape["stride"] == 1 else len(range((size - 1 + reached) % 2, size, 2)))
    return counts[0] * counts[1], min(counts) > 1


#: Geometries that have a reason: height, width, kernel, padding (top, bottom, left, right), stride.
SHAPES = {
    "same": [_shape(5, 6, (3, 3), (1, 1, 1, 1), 1)],
    "stride 2, padded before": [_shape(5, 5, (3, 3), (1, 1, 1, 1), 2)],
    "stride 2, padded after": [_shape(6, 6, (3, 3), (0, 1, 0, 1), 2)],
    "stride 2, padded below and at the left": [_shape(4, 5, (3, 3), (0, 1, 1, 0), 2)],
    "stride 2, padded above and at the right": [_shape(5, 4, (3, 3), (1, 0, 0, 1), 2)],
    "valid": [_shape(5, 6, (3, 3), (0, 0, 0, 0), 1)],
    "1x1 kernel": [_shape(3, 5, (1, 1), (0, 0, 0, 0), 1)],
    "1x1 kernel, stride 2": [_shape(3, 6, (1, 1), (0, 0, 0, 0), 2)],
    "1x1 map": [_shape(1, 1, (1, 1), (0, 0, 0, 0), 1)],
    "1x1 map under 3x3": [_shape(1, 1, (3, 3), (1, 1, 1, 1), 1)],
    "one row": [_shape(1, 6, (3, 3), (1, 1, 1, 1), 1), _shape(1, 7, (1, 3), (0, 0, 2, 0), 2)],
    "one column": [_shape(6, 1, (3, 3), (1, 1, 1, 1), 1), _shape(7, 1, (3, 1), (0, 2, 0, 0), 2)],
    "2x3 kernel": [_shape(4, 5, (2, 3), (1, 0, 0, 2), 1)],
    "all of the plane": [_shape(8, 8, (3, 3), (1, 1, 1, 1), 1)],
    "all of the plane, stride 2": [_shape(16, 16, (3, 3), (0, 1, 0, 1), 2)],
    "wide, narrow, middling": [
        _shape(3, 8, (3, 3), (2, 0, 0, 2), 1),
        _shape(4, 3, (3, 3), (1, 1, 1, 1), 1),
        _shape(1, 1, (1, 1), (0, 0, 0, 0), 1),
        _shape(3, 7, (3, 3), (0, 1, 0, 1), 2),
        _shape(3, 7, (3, 3), (1, 1, 1, 1), 1),
    ],
}


@pytest.mark.parametrize("name", SHAPES)
def test_geometries(name):
    """Without gaps, and so as fast as it goes."""
    check(SERIAL["serial"], SHAPES[name], 311, passes=1, bases=3)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("padding", [1, 0])
def test_a_plane_of_another_size(stride, padding):
    """All of a plane whose side is no power of two, and a little less."""
    config, size = SERIAL["odd"], SERIAL["odd"].line * stride
    shape = _shape(size, size, (3, 3), (padding, padding, padding, padding), stride)
    check(config, [shape], 320, passes=1, bases=1, density=0.3)


@pytest.mark.parametrize("name", ["serial", "1x1", "odd"])
def test_largest_products(name):
    config = SERIAL[name]
    most = 1 << config.z_bits - 1
    pairs = [(z, tap) for z in (-most, most - 1) for tap in (-128, 127)]
    layer = geometry(config, **_shape(1, len(pairs), (1, 1), (0, 0, 0, 0), 1), passes=1)
    z = np.zeros((1, 1, len(pairs), 4), np.int64)
    for place, (value, _) in enumerate(pairs):
        z[0, 0, place, place] = value
    kernels = np.reshape([tap for _, tap in pairs], (1, 4, 1, 1))
    ((of_pass,),) = run(config, [(layer, z, kernels)], 321)
    assert of_pass["sums"][:4].tolist() == [value * tap for value, tap in pairs]


@pytest.mark.parametrize("traffic", ["free", "idle"])
@pytest.mark.parametrize("name", ["serial", "1x1", "2x5", "5x5", "odd"])
def test_random_layers_without_reset(name, traffic):
    seed, config = 312, SERIAL[name]
    rng = np.random.default_rng(seed)
    shapes = [serial_shape(rng, config) for _ in range(2 if config.taps > 10 else 5)]
    check(config, shapes, seed, bases=3, traffic=TRAFFIC[traffic] if traffic == "idle" else None)


@pytest.mark.parametrize("stride", [1, 2])
def test_the_largest_kernel(stride):
    check(SERIAL["7x7"], [_shape(4, 3, (7, 7), (3, 3, 3, 3), stride)], 319, passes=1, bases=3)


@pytest.mark.parametrize("traffic", ["free", "idle"])
@pytest.mark.parametrize("name", ["serial", "2x5", "odd"])
def test_bases_of_their_own(name, traffic):
    """Each pass has its bases behind those of the pass before; the next layer has them elsewhere."""
    config = SERIAL[name]
    shapes = [
        _shape(2, 3, (2, 3), (1, 0, 1, 1), 1),
        _shape(3, 2, (2, 2), (0, 1, 1, 0), 2),
    ]
    check(config, shapes, 313, passes=4, own=True, bases=config.bases, traffic=TRAFFIC[traffic])


@pytest.mark.parametrize(
    ("name", "stride"), [("serial", 1), ("serial", 2), ("1x1", 1), ("2x5", 1), ("2x5", 2)]
)
def test_bases_with_only_the_last_tap(name, stride):
    """They take one tap, and the next z comes a cycle after it: both may be of the same output."""
    config = SERIAL[name]
    check(config, [_shape(3, 5, (1, 1), (0, 0, 0, 0), stride)], 314, density=1.0, alone=1.0)
    if name != "1x1":
        check(config, [_shape(3, 5, (2, 3), (1, 0, 1, 1), stride)], 315, density=0.8, alone=0.7)


@pytest.mark.parametrize("idle", [0.0, 0.5])
@pytest.mark.parametrize("name", ["serial", "2x5", "5x5"])
def test_the_sum_of_a_tap_is_there_for_the_next(name, idle):
    """Maps so small that z after z works for the same outputs, with and without gaps."""
    config = SERIAL[name]
    kernel = config.kernel_height, config.kernel_width
    padding = [places for extent in kernel for places in ((extent - 1) // 2, extent - 1)]
    shapes = [
        _shape(*size, kernel, padding, stride)
        for size in ((1, 1), (1, 4), (4, 1), (2, 2))
        for stride in (1, 2)
    ]
    check(config, shapes, 316, density=0.9, bases=3, traffic={"idle": idle} if idle else None)


def test_zeros_that_close_pixels_take_a_cycle():
    config = SERIAL["serial"]
    ((of_pass,),) = check(config, [_shape(4, 4, (3, 3), (1, 1, 1, 1), 1)], 317, passes=1, density=0.0)
    assert of_pass["taken"] == list(range(1, 17))
    assert of_pass["busy"] == 0 and of_pass["written"] == []


@pytest.mark.parametrize("name", ["serial", "1x1", "2x5", "5x5", "7x7", "odd"])
def test_model(name):
    seed, config = 318, SERIAL[name]
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    for _ in range(30):
        shape = serial_shape(rng, config)
        layer, z, kernels = random_layer(rng, config, shape)
        (expected,) = plain_convolution(z, kernels[0], shape["padding"], shape["stride"])
        bases = all_bases(config, layer, kernels)
        assert np.array_equal(SerialTaps.model(config, pass_payloads(rng, z[0]), bases, layer), expected), (
            shape
        )
