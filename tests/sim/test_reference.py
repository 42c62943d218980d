"""The network reference against naive loops in the hardware's order of computation."""

import dataclasses
import time

import numpy as np
import pytest

from sim.reference import _exact_product, accuracy, kernels, run
from sw.network import AveragePool, Concatenation, Convolution, IntegerNetwork, MaxPool, TensorInfo


def convolution(rng, name, source, channels, outputs, **changes):
    size = changes.pop("size", 3)
    bases = changes.pop("bases", 3)
    values = {
        "coefficients": rng.integers(-1, 2, (outputs, channels, bases)).astype(np.int8),
        "bases": rng.integers(-128, 128, (bases, size, size)).astype(np.int8),
        "stride": 1,
        "padding": (size // 2,) * 4,
        "multiplier": rng.integers(-300, 300, outputs),
        "bias": rng.integers(-(1 << 20), 1 << 20, outputs),
        "shift": 17,
        "low": 0,
        "high": 255,
    }
    return Convolution(name=name, input=source, **(values | changes))


def naive_convolution(layer, source, residual):
    """Loops over every index; channel accumulation first, then the bases, as the accelerator does."""
    outputs, channels, bases = layer.coefficients.shape
    kernel_height, kernel_width = layer.kernel
    _, height, width = source.shape
    top, left, bottom, right = layer.padding
    z = {}
    for k in range(outputs):
        for m in range(bases):
            for y in range(height):
                for x in range(width):
                    z[k, m, y, x] = sum(
                        int(layer.coefficients[k, c, m]) * int(source[c, y, x]) for c in range(channels)
                    )
    rows = (height + top + bottom - kernel_height) // layer.stride + 1
    columns = (width + left + right - kernel_width) // layer.stride + 1
    result = np.zeros((outputs, rows, columns), np.int64)
    for k in range(outputs):
        for y in range(rows):
            for x in range(columns):
                total = 0
                for m in range(bases):
                    for r in range(kernel_height):
                        for s in range(kernel_width):
                            at = k, m, y * layer.stride + r - top, x * layer.stride + s - left
                            tap = layer.bases[k, m, r, s] if layer.own_bases else layer.bases[m, r, s]
                            total += int(tap) * z.get(at, 0)
                total = total * int(layer.multiplier[k]) + int(layer.bias[k]) + (1 << (layer.shift - 1))
                if residual is not None:
                    total += layer.residual_multiplier * int(residual[k, y, x])
                result[k, y, x] = min(max(total >> layer.shift, layer.low), layer.high)
    return result


CASES = {
    "plain": {},
    "stride 2, padding at the end": {"stride": 2, "padding": (0, 0, 1, 1)},
    "stride 2, padding everywhere": {"stride": 2},
    "no padding": {"padding": (0, 0, 0, 0)},
    "lopsided padding": {"padding": (2, 0, 1, 2)},
    "pointwise": {"size": 1},
    "pointwise, stride 2": {"size": 1, "stride": 2},
    "five by five": {"size": 5},
    "signed output": {"low": -128, "high": 127},
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("signed", [False, True])
def test_convolution(case, signed):
    rng = np.random.default_rng(1)
    info = TensorInfo(channels=3, height=6, width=5, signed=signed)
    layer = convolution(rng, "layer", "input", 3, 4, **CASES[case])
    network = IntegerNetwork(name="one", input=info, input_scale=1.0, layers=(layer,))
    images = rng.integers(info.low, info.high + 1, (2, *info.shape))
    result = run(network, images)["layer"]
    assert result.dtype == np.int64
    expected = np.stack([naive_convolution(layer, image, None) for image in images])
    np.testing.assert_array_equal(result, expected)
    assert len(np.unique(expected)) > 10, "the case is too tame to tell right from wrong"


def test_dense_and_depthwise():
    """With bases of their own, output channels can have any 8-bit kernel, and each its own input channel."""
    rng = np.random.default_rng(4)
    info = TensorInfo(channels=4, height=6, width=5, signed=False)
    plain = convolution(rng, "layer", "input", 4, 4)
    every = np.broadcast_to(np.eye(4, dtype=np.int8), (4, 4, 4)).copy()
    weights = rng.integers(-128, 128, (4, 4, 3, 3)).astype(np.int8)
    one = np.eye(4, dtype=np.int8)[:, :, None]
    images = rng.integers(0, 256, (2, *info.shape))
    for coefficients, bases, groups in ((every, weights, 1), (one, weights[:, :1], 4)):
        layer = dataclasses.replace(plain, coefficients=coefficients, bases=bases, groups=groups)
        network = IntegerNetwork(name="one", input=info, input_scale=1.0, layers=(layer,))
        expected = np.stack([naive_convolution(layer, image, None) for image in images])
        np.testing.assert_array_equal(run(network, images)["layer"], expected)
        assert layer.dense_weights == 4 * 4 * 9 // groups
    with pytest.raises(ValueError, match="no coefficients between 4 groups"):
        layer = dataclasses.replace(plain, coefficients=every, bases=weights, groups=4)
        IntegerNetwork(name="one", input=info, input_scale=1.0, layers=(layer,))


def test_whole_network():
    rng = np.random.default_rng(2)
    info = TensorInfo(channels=2, height=8, width=8, signed=True)
    layers = (
        convolution(rng, "a", "input", 2, 3),
        convolution(rng, "b", "a", 3, 3, residual="a", residual_multiplier=1000, low=-128, high=127),
        MaxPool(name="c", input="b", window=(3, 3), stride=2),
        AveragePool(
            name="d", input="c", window=(3, 3), stride=1, multiplier=777, shift=10, low=-128, high=127
        ),
        convolution(rng, "e", "d", 3, 5, size=1, low=-128, high=127, shift=6),
    )
    network = IntegerNetwork(name="five", input=info, input_scale=1.0, layers=layers)
    image = rng.integers(-128, 128, info.shape)
    tensors = run(network, image[None])
    assert list(tensors) == list(network.tensors())
    for name, expected in network.tensors().items():
        assert tensors[name].shape == (1, *expected.shape)
        assert tensors[name].min() >= expected.low and tensors[name].max() <= expected.high
    a = naive_convolution(layers[0], image, None)
    b = naive_convolution(layers[1], a, a)
    c = np.zeros((3, 3, 3), np.int64)
    for k, y, x in np.ndindex(c.shape):
        c[k, y, x] = max(int(b[k, 2 * y + r, 2 * x + s]) for r in range(3) for s in range(3))
    d = np.zeros((3, 1, 1), np.int64)
    for k in range(3):
        total = sum(int(value) for value in c[k].flat)
        d[k, 0, 0] = min(max((total * 777 + 512) >> 10, -128), 127)
    e = naive_convolution(layers[4], d, None)
    for name, expected in zip("abcde", (a, b, c, d, e), strict=True):
        np.testing.assert_array_equal(tensors[name][0], expected)


def one(layer, info):
    return IntegerNetwork(name="one", input=info, input_scale=1.0, layers=(layer,))


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize(
    ("window", "stride", "padding"),
    [
        ((2, 2), 2, (0, 0, 0, 0)),
        ((3, 3), 2, (1, 1, 1, 1)),
        ((2, 3), 1, (0, 2, 1, 0)),
        ((5, 1), 3, (4, 0, 4, 0)),
    ],
)
def test_max_pool(window, stride, padding, signed):
    """Places outside of the map are left out, so negative activations win against them."""
    rng = np.random.default_rng(5)
    info = TensorInfo(channels=2, height=6, width=5, signed=signed)
    layer = MaxPool(name="pool", input="input", window=window, stride=stride, padding=padding)
    images = rng.integers(info.low, info.low // 2 + 100, (2, *info.shape))
    result = run(one(layer, info), images)["pool"]
    rows = (6 + padding[0] + padding[2] - window[0]) // stride + 1
    columns = (5 + padding[1] + padding[3] - window[1]) // stride + 1
    assert result.shape == (2, 2, rows, columns)
    for n, c, y, x in np.ndindex(result.shape):
        places = [
            (y * stride + r - padding[0], x * stride + s - padding[1])
            for r in range(window[0])
            for s in range(window[1])
        ]
        inside = [images[n, c, row, column] for row, column in places if 0 <= row < 6 and 0 <= column < 5]
        assert result[n, c, y, x] == max(inside)


@pytest.mark.parametrize(
    ("window", "stride", "low", "high"),
    [((2, 2), 2, 0, 255), ((3, 2), 1, -128, 127), ((6, 5), 1, -3, 40), ((1, 4), 3, 7, 60)],
)
def test_average_pool(window, stride, low, high):
    rng = np.random.default_rng(6)
    info = TensorInfo(channels=2, height=6, width=5, signed=True)
    layer = AveragePool(
        name="pool", input="input", window=window, stride=stride, multiplier=900, shift=11, low=low, high=high
    )
    images = rng.integers(-128, 128, (2, *info.shape))
    result = run(one(layer, info), images)["pool"]
    assert result.shape == (2, 2, (6 - window[0]) // stride + 1, (5 - window[1]) // stride + 1)
    for n, c, y, x in np.ndindex(result.shape):
        total = sum(
            int(images[n, c, y * stride + r, x * stride + s])
            for r in range(window[0])
            for s in range(window[1])
        )
        assert result[n, c, y, x] == min(max((total * 900 + 1024) >> 11, low), high)


@pytest.mark.parametrize("low", [-128, -50, 0, 20])
@pytest.mark.parametrize("table_signed", [False, True])
def test_clamps_and_tables(low, table_signed):
    rng = np.random.default_rng(7)
    info = TensorInfo(channels=3, height=4, width=5, signed=False)
    plain = convolution(rng, "layer", "input", 3, 4, low=low, high=100)
    images = rng.integers(0, 256, (2, *info.shape))
    clamped = run(one(plain, info), images)["layer"]
    np.testing.assert_array_equal(
        clamped, np.stack([naive_convolution(plain, image, None) for image in images])
    )
    assert clamped.min() == low and clamped.max() == 100
    table = rng.integers(-128, 128, 256) if table_signed else rng.integers(0, 256, 256)
    network = one(dataclasses.replace(plain, table=table, table_signed=table_signed), info)
    assert network.tensors()["layer"].signed == table_signed
    expected = [
        [[[table[value % 256] for value in row] for row in plane] for plane in image] for image in clamped
    ]
    np.testing.assert_array_equal(run(network, images)["layer"], expected)


def test_concatenation():
    rng = np.random.default_rng(8)
    info = TensorInfo(channels=2, height=4, width=4, signed=False)
    layers = (
        convolution(rng, "a", "input", 2, 3),
        Concatenation(name="b", inputs=("a", "input")),
        convolution(rng, "c", "b", 5, 4),
        Concatenation(name="d", inputs=("b", "c", "a")),
    )
    network = IntegerNetwork(name="dense", input=info, input_scale=1.0, layers=layers)
    assert [tensor.channels for tensor in network.tensors().values()] == [2, 3, 5, 4, 12]
    images = rng.integers(0, 256, (2, *info.shape))
    tensors = run(network, images)
    for name, parts in (("b", ("a", "input")), ("d", ("a", "input", "c", "a"))):
        joined = [[plane for part in parts for plane in tensors[part][image]] for image in range(2)]
        np.testing.assert_array_equal(tensors[name], joined)
    np.testing.assert_array_equal(
        tensors["c"], [naive_convolution(layers[2], image, None) for image in tensors["b"]]
    )


def test_extremes_are_exact():
    """The greatest values that the formats allow, where 32-bit sums would have wrapped."""
    info = TensorInfo(channels=64, height=3, width=3, signed=False)
    layer = Convolution(
        name="layer",
        input="input",
        coefficients=np.ones((1, 64, 128), np.int8),
        bases=np.full((128, 3, 3), 127, np.int8),
        stride=1,
        padding=(0, 0, 0, 0),
        multiplier=np.array([32767]),
        bias=np.array([(1 << 39) - 1]),
        shift=31,
        low=0,
        high=255,
    )
    network = IntegerNetwork(name="greatest", input=info, input_scale=1.0, layers=(layer,))
    total = 64 * 128 * 127 * 9 * 255 * 32767 + (1 << 39) - 1
    assert total > 1 << 46
    result = run(network, np.full((1, *info.shape), 255))["layer"]
    assert result.tolist() == [[[[min((total + (1 << 30)) >> 31, 255)]]]]
    np.testing.assert_array_equal(kernels(layer), np.full((1, 64, 3, 3), 128 * 127))


def test_sums_beyond_a_double_are_exact():
    left, right = np.array([[1 << 40, 1]]), np.array([[1 << 20], [1]])
    assert _exact_product(left, right, 1 << 61).tolist() == [[(1 << 60) + 1]]


def test_images_are_checked():
    rng = np.random.default_rng(3)
    info = TensorInfo(channels=2, height=4, width=4, signed=False)
    network = IntegerNetwork(
        name="one", input=info, input_scale=1.0, layers=(convolution(rng, "layer", "input", 2, 2),)
    )
    with pytest.raises(ValueError, match=r"expected images of shape \(n, 2, 4, 4\), got \(2, 4, 4\)"):
        run(network, np.zeros((2, 4, 4), int))
    with pytest.raises(ValueError, match="expected images from 0 to 255, got -1 to 0"):
        run(network, np.array([[[[-1] + [0] * 3] + [[0] * 4] * 3, [[0] * 4] * 4]]))
    with pytest.raises(ValueError, match="expected images of integers, got float64"):
        run(network, np.zeros((1, 2, 4, 4)))
    with pytest.raises(ValueError, match="one label for each image, got 1 images, 2 labels"):
        accuracy(network, np.zeros((1, 2, 4, 4), int), [0, 1])


def test_accuracy_is_fast_enough():
    """A thousand 28 x 28 images through about 1.3 million multiply-adds each."""
    rng = np.random.default_rng(4)
    info = TensorInfo(channels=1, height=28, width=28, signed=False)
    layers = (
        convolution(rng, "a", "input", 1, 16, stride=2),
        convolution(rng, "b", "a", 16, 32, stride=2),
        convolution(rng, "c", "b", 32, 32, stride=2),
        convolution(rng, "d", "c", 32, 32),
        AveragePool(name="e", input="d", window=(4, 4), stride=1, multiplier=4096, shift=16, low=0, high=255),
        convolution(rng, "f", "e", 32, 10, size=1, low=-128, high=127),
    )
    network = IntegerNetwork(name="digits", input=info, input_scale=1 / 255, layers=layers)
    images = rng.integers(0, 256, (1000, *info.shape))
    labels = run(network, images[:100])["f"].reshape(100, -1).argmax(axis=1)
    start = time.monotonic()
    share = accuracy(network, images, np.concatenate([labels, np.full(900, -1)]))
    seconds = time.monotonic() - start
    assert share == 0.1
    assert seconds < 20, f"1,000 images took {seconds:.1f} s"
