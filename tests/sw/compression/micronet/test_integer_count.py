"""Integer networks by the rules: layers by hand, and what must not matter."""

import dataclasses

import numpy as np
import pytest

from hw.config import Config
from sw.compression.micronet.integer_count import count_integers
from sw.compression.micronet.rules import total, tree_additions
from sw.network import AveragePool, Convolution, IntegerNetwork, MaxPool, TensorInfo
from sw.pixels import Pixels
from tests.sw.networks import random_network

SOURCE = TensorInfo(channels=3, height=4, width=4, signed=False)


def convolution(coefficients, bases, **arguments):
    outputs = len(coefficients)
    options = {
        "name": "layer",
        "input": "input",
        "stride": 1,
        "padding": (0, 0, 0, 0),
        "multiplier": np.ones(outputs, np.int64),
        "bias": np.zeros(outputs, np.int64),
        "shift": 1,
        "low": 0,
        "high": 255,
    } | arguments
    return Convolution(
        coefficients=np.asarray(coefficients, np.int8), bases=np.asarray(bases, np.int8), **options
    )


def counted(*layers, source=SOURCE, pixels=None):
    network = IntegerNetwork(name="net", input=source, input_scale=1.0, layers=layers, pixels=pixels)
    return {tally.name: tally for tally in count_integers(network)}


def test_a_ternary_layer_by_hand():
    # K, C, M = 2, 3, 2; kernels of 2 x 2 on 4 x 4 give 3 x 3.
    coefficients = [[[1, 0], [-1, 0], [1, 0]], [[0, 0], [0, 1], [0, -1]]]
    bases = [[[5, 0], [1, 2]], [[1, 1], [1, -9]]]
    tally = counted(convolution(coefficients, bases))["layer"]
    # Mask and signs, taps, a multiplier and a bias for each channel, a shift: taps down to -9 take 5 bits, and a mask of them
    # would cost more than the 0 among them.
    assert tally.parameters == (12 + 5 + 8 * 5 + 2 * 56 + 5) / 32
    # Signs at 16 positions; z of three 9-bit numbers has 11 bits: 3 and 4 products at 9 positions.
    wide = max(int(max(3 * 8, 2 * 12) * 255).bit_length() + 1 + 16, 40)
    behind = 18 * (max(14, 16) + wide) / 32
    assert tally.multiplications == pytest.approx(5 * 16 / 32 + (3 + 4) * 9 * 11 / 32 + behind)
    most = (24 * 255).bit_length() + 1
    sums = (9 + 10) * 16 / 32 + 9 * 16 / 32
    assert tally.additions == pytest.approx(sums + 9 * tree_additions([3, 4], 16, most) + 18 * wide / 32)
    assert most == 14


def test_ordinary_weights_have_no_coefficients():
    each = np.broadcast_to(np.eye(3, dtype=np.int8), (2, 3, 3))
    bases = np.zeros((2, 3, 1, 1))
    bases[0, :2], bases[1, 2] = 7, -3
    tally = counted(convolution(each, bases))["layer"]
    assert tally.parameters == (6 + 3 * 4 + 2 * 56 + 5) / 32
    # Three products of 4 by 8 bits at 16 positions, one sum of two of 12 bits.
    reach = (14 * 255).bit_length() + 1
    whole = max(reach + 16, 40)
    assert tally.multiplications == pytest.approx(16 * 3 * 8 / 32 + 32 * (16 + whole) / 32)
    assert tally.additions == pytest.approx(16 * 12 / 32 + 32 * whole / 32)


def test_selections_multiply_nothing():
    coefficients = [[[1], [0], [0]], [[0], [0], [1]]]
    tally = counted(convolution(coefficients, [[[1]]], fixed=True))["layer"]
    assert tally.parameters == (6 + 2 + 1 + 2 * 56 + 5) / 32
    assert tally.multiplications == pytest.approx(2 * 16 / 32 + 32 * (16 + 40) / 32)


def test_residuals_and_tables_count():
    plain = convolution(np.ones((3, 3, 1)), [[[4]]])
    alone = counted(plain)["layer"]
    joined = counted(dataclasses.replace(plain, residual="input", residual_multiplier=3))["layer"]
    assert joined.parameters - alone.parameters == 16 / 32
    assert joined.multiplications - alone.multiplications == pytest.approx(48 * 16 / 32)
    assert joined.additions > alone.additions
    table = dataclasses.replace(plain, low=-128, high=127, table=np.zeros(256, np.int64))
    assert counted(table)["layer"].parameters - alone.parameters == 256 * 8 / 32


def test_pools_by_hand():
    maximum = MaxPool(name="max", input="input", window=(2, 2), stride=2)
    average = AveragePool(
        name="mean", input="max", window=(2, 2), stride=1, multiplier=1, shift=2, low=0, high=255
    )
    found = counted(maximum, average)
    assert (found["max"].parameters, found["max"].operations) == (0, 12 * 3 * 8 / 32)
    assert found["mean"].parameters == 21 / 32
    assert found["mean"].additions == 3 * (8 + 8 + 9) / 32
    assert found["mean"].multiplications == 3 * (16 + 26) / 32


def test_narrow_integers_cost_less():
    """4-bit weights and activations, 16 and 15 at most, count as such."""
    first = convolution(np.ones((3, 3, 1)), [[[4]]], name="first", high=15)
    wide, narrow = (
        counted(first, convolution(np.ones((2, 3, 1)), [[[tap]]], input="first"))["layer"] for tap in (100, 7)
    )
    after = 32 * (16 + 40) / 32
    assert wide.parameters - narrow.parameters == (8 - 4) / 32
    # Sums of three of 5 bits, with a sign, have 7; they meet taps of 8 and of 4 bits.
    assert wide.multiplications == pytest.approx(6 * 16 / 32 + 2 * 16 * 8 / 32 + after)
    assert narrow.multiplications == pytest.approx(6 * 16 / 32 + 2 * 16 * 7 / 32 + after)
    assert narrow.additions == pytest.approx(2 * (5 + 6) * 16 / 32 + 32 * 40 / 32)


def test_normalising_an_image_counts():
    signed = dataclasses.replace(SOURCE, signed=True)
    pixels = Pixels(channels=3, height=4, width=4, offset=(1.0, 2.0, 3.0), gain=(0.1, 0.1, 0.1))
    layer = convolution(np.ones((3, 3, 1)), [[[4]]], low=-128, high=127)
    found = counted(layer, source=signed, pixels=pixels)
    assert (found["input"].parameters, found["input"].operations) == (3, 48)
    assert "input" not in counted(convolution(np.ones((3, 3, 1)), [[[4]]]))


@pytest.mark.parametrize("seed", range(4))
def test_zeros_are_free(seed):
    """With coefficients and taps taken away nothing costs more, and something less."""
    network = random_network(seed, Config.preset("small"), layers=6)
    random = np.random.default_rng(seed)
    layers = [
        dataclasses.replace(
            layer, coefficients=layer.coefficients * (random.random(layer.coefficients.shape) < 0.5)
        )
        if isinstance(layer, Convolution) and not layer.own_bases
        else layer
        for layer in network.layers
    ]
    before, after = (
        count_integers(network),
        count_integers(dataclasses.replace(network, layers=tuple(layers))),
    )
    assert [tally.name for tally in before] == [layer.name for layer in network.layers]
    for tally, less in zip(before, after, strict=True):
        assert less.parameters <= tally.parameters and less.operations <= tally.operations
    assert total(after).operations < total(before).operations
