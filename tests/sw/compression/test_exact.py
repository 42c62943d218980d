"""Logits in float64 against the network reference in integers."""

import numpy as np
import pytest

from hw.config import Config
from sim.reference import accuracy, run
from sw.compression.exact import integer_accuracy, integer_logits
from sw.compression.grids import calibrate
from sw.compression.quantisation import integer_network, quantised_network
from sw.compression.requantisation import IntegerLimits
from tests.sw.compression.networks import NORMALISED, PLAIN, images, ternary
from tests.sw.networks import random_input, random_network


@pytest.mark.parametrize("seed", range(30))
def test_logits_equal_the_reference_on_random_networks(seed):
    network = random_network(seed, Config.preset("tiny"), layers=8, size=12)
    batch = np.stack([random_input(image, network, zeros=0.3) for image in range(3)])
    expected = run(network, batch)[network.layers[-1].name]
    assert np.array_equal(integer_logits(network, batch, batch=2), expected.reshape(3, -1))


@pytest.mark.parametrize("pixels", [PLAIN, NORMALISED], ids=["plain", "normalised"])
def test_logits_equal_the_reference_on_every_kind_of_layer(pixels):
    made = ternary(pixels=pixels)
    twin = quantised_network(made, calibrate(made, images(pixels=pixels)), IntegerLimits.of())
    network = integer_network(twin, "made")
    batch = images(7, pixels).numpy().astype(np.uint8)
    integers = pixels.integers(batch)
    assert np.array_equal(
        integer_logits(network, batch, batch=3), run(network, integers)["last"].reshape(7, -1)
    )
    labels = np.arange(7) % 5
    assert integer_accuracy(network, batch, labels) == accuracy(network, integers, labels)
