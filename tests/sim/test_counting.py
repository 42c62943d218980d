"""Counts of work: by hand on a tiny case, by loops on a random one, and as a bound on the real machine."""

import dataclasses

import numpy as np
import pytest

from hw.config import Config
from sim import reference
from sim.counting import compression, count
from sw.compiler import compile_network
from sw.network import AveragePool, Convolution, IntegerNetwork, MaxPool, TensorInfo
from tests.sw.networks import random_convolution

CONFIG = Config.preset("tiny")


def by_hand():
    """Two channels in, three out, one basis of 1x1; a 2x1 map."""
    coefficients = np.array([[[1], [1]], [[1], [-1]], [[0], [0]]], np.int8)
    convolution = Convolution(
        name="convolution",
        input="input",
        coefficients=coefficients,
        bases=np.ones((1, 1, 1), np.int8),
        stride=1,
        padding=(0, 0, 0, 0),
        multiplier=np.ones(3, np.int64),
        bias=np.zeros(3, np.int64),
        shift=1,
        low=0,
        high=255,
    )
    layers = (
        convolution,
        MaxPool(name="pool", input="convolution", window=(2, 2), stride=1),
        AveragePool(
            name="average",
            input="convolution",
            window=(2, 2),
            stride=1,
            multiplier=1,
            shift=1,
            low=0,
            high=255,
        ),
    )
    info = TensorInfo(channels=2, height=2, width=2, signed=False)
    network = IntegerNetwork(name="hand", input=info, input_scale=1.0, layers=layers)
    # Pixels: (5, 5), (3, 0), (0, 0), (1, 2).
    images = np.array([[[[5, 3], [0, 1]], [[5, 0], [0, 2]]], [[[0, 0], [0, 0]], [[0, 0], [0, 7]]]])
    return network, images


def test_by_hand():
    network, images = by_hand()
    convolution, pool, average = count(network, reference.run(network, images[:1]), CONFIG)
    # Five activations are not zero, and each meets the coefficients of two output channels.
    assert convolution.adds == 10
    # z of channel 0: 10, 3, 0, 3; of channel 1: 0, 3, 0, -1; of channel 2 none.
    assert convolution.z_nonzero == convolution.macs == 5
    assert convolution.operations == 15
    assert convolution.dense_macs == 3 * 2 * 4
    # Two PEs: three channels take two passes over four pixels of one chunk.
    # Two results are requantised and written at a time.
    assert convolution.chunks_fed == 8 and convolution.outputs_written == 8
    assert convolution.dense_ideal_cycles == 24 / 18
    assert convolution.bound_cycles == 8
    assert convolution.utilisation(16) == 0.5 and convolution.speedup(4 / 3) == 1
    assert (pool.adds, pool.macs, pool.chunks_fed, pool.outputs_written, pool.bound_cycles) == (0, 0, 4, 1, 4)
    assert (average.dense_macs, average.chunks_fed, average.outputs_written) == (0, 4, 2)


def test_images_add_up():
    network, images = by_hand()
    both = count(network, reference.run(network, images), CONFIG)
    each = [count(network, reference.run(network, images[at : at + 1]), CONFIG) for at in range(2)]
    for together, first, second in zip(both, *each, strict=True):
        assert together.images == 2
        for name in ("adds", "macs", "dense_macs", "chunks_fed", "bound_cycles", "dense_ideal_cycles"):
            assert getattr(together, name) == getattr(first, name) + getattr(second, name)
    assert each[1][0].adds == 2 and each[1][0].z_nonzero == 2


@pytest.mark.parametrize(("kernel", "stride"), [((3, 3), 1), ((3, 3), 2), ((1, 1), 2), ((2, 3), 1)])
def test_by_loops(kernel, stride):
    rng = np.random.default_rng(8)
    source = TensorInfo(channels=6, height=5, width=4, signed=True)
    layer = random_convolution(rng, source=source, outputs=5, bases=3, kernel=kernel, stride=stride)
    network = IntegerNetwork(name="one", input=source, input_scale=1.0, layers=(layer,))
    image = rng.integers(-2, 3, (1, *source.shape))
    (counted,) = count(network, reference.run(network, image), CONFIG)
    step = 2 if kernel == (1, 1) else 1
    adds = z_nonzero = pixels = macs = 0
    for y in range(0, 5, step):
        for x in range(0, 4, step):
            pixels += 1
            for k in range(5):
                for m in range(3):
                    products = [int(layer.coefficients[k, c, m]) * int(image[0, c, y, x]) for c in range(6)]
                    adds += sum(product != 0 for product in products)
                    z_nonzero += sum(products) != 0
                    for r, s in np.ndindex(*kernel):
                        met = (y + layer.padding[0] - r) % stride == (x + layer.padding[1] - s) % stride == 0
                        macs += met and sum(products) != 0
    assert (counted.adds, counted.z_nonzero, counted.macs) == (adds, z_nonzero, macs)
    assert counted.chunks_fed == 3 * pixels * 2
    # Two PEs of two rows: a MAC takes two z at a time where they are for different taps.
    at_once = 1 if stride == 1 and kernel != (1, 1) else 2
    work = (adds / 8, macs / 18, z_nonzero / 2 / at_once)
    assert counted.bound_cycles == max(*work, 6 * pixels, counted.outputs_written)


@pytest.mark.parametrize(("groups", "pes", "chunks"), [(12, 2, 6), (12, 8, 2 + 1), (3, 2, 6), (1, 2, 6 * 3)])
def test_groups_need_their_own_chunks(groups, pes, chunks):
    # 12 channels in chunks of 4. Two PEs: six passes, of which each lies in one chunk, or needs all three.
    size = 12 // groups
    coefficients = np.kron(np.eye(groups, dtype=np.int8), np.ones((size, size), np.int8))[:, :, None]
    source = TensorInfo(channels=12, height=1, width=1, signed=False)
    layer = random_convolution(np.random.default_rng(1), source=source, outputs=12, bases=1, kernel=(1, 1))
    layer = dataclasses.replace(layer, coefficients=coefficients, groups=groups)
    network = IntegerNetwork(name="one", input=source, input_scale=1.0, layers=(layer,))
    tensors = reference.run(network, np.ones((1, 12, 1, 1), int))
    (counted,) = count(network, tensors, CONFIG.replace(pes=pes))
    assert counted.chunks_fed == chunks


@pytest.mark.parametrize(
    ("window", "stride", "chunks"), [(2, 2, 4 * 4), (1, 2, 3 * 3), (3, 1, 5 * 5), (1, 3, 2 * 2)]
)
def test_pooling_needs_what_its_windows_cover(window, stride, chunks):
    info = TensorInfo(channels=5, height=5, width=5, signed=False)
    pool = MaxPool(name="pool", input="input", window=(window, window), stride=stride)
    network = IntegerNetwork(name="pool", input=info, input_scale=1.0, layers=(pool,))
    (counted,) = count(network, reference.run(network, np.zeros((1, 5, 5, 5), int)), CONFIG)
    assert counted.chunks_fed == 2 * chunks


def test_compression_by_hand():
    network, _ = by_hand()
    program = compile_network(network, CONFIG)
    sizes = compression(network, program)
    assert sizes.dense_bits == 32 * (3 * 2 + 3)
    assert sizes.zeros_free_bits == 2 * 4 + 8 * 1 + 3 * (16 + 40)
    assert sizes.image_bits == program.bits
    assert sizes.ratio == 288 / program.bits and sizes.zeros_free_ratio == 288 / 184
