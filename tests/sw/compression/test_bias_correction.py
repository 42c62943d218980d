"""Offsets after rounding: that sums keep their means, and outputs come closer."""

import copy

import pytest
import torch

from sw.compression.bias_correction import correct_biases
from sw.compression.grids import calibrate
from sw.compression.quantisation import quantised_network
from sw.compression.requantisation import IntegerLimits
from sw.compression.side_by_side import side_by_side
from sw.layers import ConvolutionLayer
from tests.sw.compression.networks import NORMALISED, PLAIN, images, ternary

#: Weights of three bits or so.
COARSE = IntegerLimits(accumulator_bits=14, multiplier_bits=16)


def shifts(network, twin, batch):
    """Of the means of each layer's sums, in units of its grid, by name of layer."""
    found = {}
    with torch.no_grad():
        for layer, real, rounded in side_by_side(network, twin, batch):
            if isinstance(layer, ConvolutionLayer) and not layer.fixed:
                unit, made = network.unit(layer.name), twin.unit(layer.name)
                wanted = unit.sums(*real).mean((0, 2, 3)) / made.grid.scale
                found[layer.name] = (made.sums_in_units(*rounded).mean((0, 2, 3)) - wanted).abs().max()
    return found


@pytest.mark.parametrize("pixels", [PLAIN, NORMALISED], ids=["plain", "normalised"])
def test_sums_keep_their_means(pixels):
    network, batch = ternary(pixels=pixels), images(32, pixels)
    before = copy.deepcopy(network.state_dict())
    twin = quantised_network(network, calibrate(network, batch), COARSE)
    shifted = shifts(network, twin, batch)
    assert correct_biases(twin, network, batch) is twin
    left = shifts(network, twin, batch)
    assert max(shifted.values()) > 3 and max(left.values()) < 0.1, (shifted, left)
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


def test_logits_come_closer_on_other_images():
    network = ternary()
    twin = quantised_network(network, calibrate(network, images(32)), COARSE)
    others = images(32, seed=9)
    with torch.no_grad():
        answers = network(others)
        before = (twin(others) - answers).square().mean()
        after = (correct_biases(twin, network, images(32))(others) - answers).square().mean()
    assert after < 0.8 * before, (before, after)
