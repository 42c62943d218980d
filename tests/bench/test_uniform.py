"""The uniformly quantised alternative: its grid, its size, its cycles, and that it learns."""

import dataclasses

import pytest
import torch

from bench.uniform import UniformConvolution, uniform_bits, uniform_cycles, uniform_network
from sw.compression.run import calibration_images
from sw.training import TrainingSettings, accuracy, repeatable, train
from tests.sw.compression.networks import dense, images
from tests.sw.training.patterns import patterns, small_network

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_weights_take_no_more_values_than_their_bits(bits):
    network = uniform_network(dense(), bits, images(10))
    network(images())
    for layer, unit in network.units():
        if not isinstance(unit, UniformConvolution):
            continue
        wanted = 8 if layer.name in ("first", "last") else bits
        for kernel in unit.kernel().detach():
            assert len(kernel.unique()) <= 2**wanted - 1, layer.name


def test_more_bits_come_closer():
    network, errors = dense(), []
    with torch.no_grad():
        for bits in (2, 4, 8):
            made = uniform_network(network, bits, images(40))
            errors.append(float((made(images()) - network(images())).norm() / network(images()).norm()))
    assert errors[2] < errors[1] < errors[0]


def test_weights_of_its_first_steps_can_be_read():
    made, other = (uniform_network(dense(), 3, images(10)) for _ in range(2))
    made.train()
    made(images())
    made.eval()
    other.load_state_dict(made.state_dict())
    assert torch.equal(made(images()), other.eval()(images()))


def test_size_and_cycles_are_those_of_the_weights():
    network = uniform_network(small_network(), 4, torch.rand(10, 3, 8, 8))
    assert uniform_bits(network) == 8 * (8 * 27) + 4 * (8 * 72) + 8 * 32 + (8 + 8 + 4) * 44
    assert uniform_cycles(network, 10) == 8 * 27 * 64 / 10 + 8 * 72 * 16 / 20 + 32 / 10


def test_it_learns():
    with repeatable(4):
        network, dataset = small_network(), patterns()
        settings = TrainingSettings(epochs=12, rate=0.02, batch=32, evaluate_every=0)
        train(network, dataset, settings)
        before = accuracy(network, dataset.test_images, dataset.test_labels)
        made = uniform_network(network, 3, calibration_images(dataset, 100))
        train(made, dataset, dataclasses.replace(settings, epochs=6))
    assert accuracy(made, dataset.test_images, dataset.test_labels) >= before - 0.1 > 0.7
