"""Networks on frozen grids: what they compute on, what training may change, the integers that come out."""

import numpy as np
import pytest
import torch

from sim.reference import run
from sw.compression.micronet.uniform import FrozenScaleConvolution, hold, uniform_network, uniform_units
from sw.compression.quantisation import integer_network, quantised_network
from sw.training import TrainingSettings, accuracy, repeatable, train
from tests.sw.compression.networks import NORMALISED, PLAIN, dense, images
from tests.sw.training.patterns import patterns, small_network


def made(pixels=PLAIN, **bits):
    network = dense(pixels=pixels)
    return network, *uniform_network(network, images(pixels=pixels), **bits)


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_weights_and_activations_take_few_values(bits):
    _, network, grids = made(weight_bits=bits, activation_bits=bits)
    with torch.no_grad():
        tensors = network.tensors(images())
    for layer, unit in uniform_units(network):
        if layer.fixed:
            continue
        integers = unit.integers().detach()
        assert integers.min() >= -(2 ** (bits - 1)) and integers.max() <= 2 ** (bits - 1) - 1
        assert torch.equal(unit.kernel(), integers * unit.scale[:, None, None, None]), layer.name
        if layer is not network.layers[-1]:
            grid = grids[layer.name]
            places = tensors[layer.name] / grid.scale
            assert float((places - places.round()).abs().max()) < 1e-3, layer.name
            assert grid.high - grid.low == 2**bits - 1


def test_more_bits_come_closer():
    errors = []
    for bits in (2, 3, 4, 6, 8):
        network, near, _ = made(weight_bits=bits, activation_bits=bits)
        with torch.no_grad():
            wanted = network(images())
            errors.append(float((near(images()) - wanted).norm() / wanted.norm()))
    assert errors == sorted(errors, reverse=True) and errors[-1] < 0.05


def test_layers_may_differ_in_bits():
    network = dense()
    bits = {layer.name: 3 for layer, _ in network.units()} | {"first": 8}
    near, _ = uniform_network(network, images(), weight_bits=bits)
    assert len(near.unit("first").integers()[0].unique()) > 8 >= len(near.unit("down").integers()[0].unique())
    del bits["down"]
    with pytest.raises(ValueError, match="got none for down"):
        uniform_network(network, images(), weight_bits=bits)
    with pytest.raises(ValueError, match="expected activations of 2 to 8 bits, got 9"):
        uniform_network(network, images(), activation_bits=9)


@pytest.mark.slow
def test_training_changes_weights_but_no_scale():
    with repeatable(4):
        network, dataset = small_network(), patterns()
        settings = TrainingSettings(epochs=6, rate=0.02, batch=32, evaluate_every=0)
        train(network, dataset, settings)
        with torch.no_grad():
            unit = network.unit("second")
            unit.weight[unit.weight.abs() < unit.weight.abs().median()] = 0
            left = int(unit.weight.count_nonzero())
        near, _ = uniform_network(
            network, torch.from_numpy(dataset.train_images[:64]).float(), weight_bits=2, activation_bits=3
        )
        before = accuracy(near, dataset.test_images, dataset.test_labels)
        scales = {
            name: value.clone()
            for name, value in near.state_dict().items()
            if name.endswith(("scale", "exponent"))
        }
        first = near.unit("second").integers().detach().clone()
        train(near, dataset, settings, on_step=hold)
    assert len(scales) == 3 + 2
    for name, value in scales.items():
        assert torch.equal(near.state_dict()[name], value), name
    second = near.unit("second")
    assert not torch.equal(second.integers(), first)
    assert int(second.kept.sum()) == left < 300 and not bool(second.integers()[~second.kept].any())
    low, high = (end * second.scale[:, None, None, None] for end in (-2, 1))
    assert bool(((second.weight >= low) & (second.weight <= high)).all())
    after = accuracy(near, dataset.test_images, dataset.test_labels)
    assert after > 0.7 and after >= before


def test_gradients_go_straight_through():
    unit = dense().unit("down")
    frozen = FrozenScaleConvolution(unit, 2, None)
    seen = torch.randn(frozen.weight.shape, generator=torch.Generator().manual_seed(1))
    (frozen.kernel() * seen).sum().backward()
    assert torch.allclose(frozen.weight.grad, seen)


@pytest.mark.parametrize("pixels", [PLAIN, NORMALISED], ids=["plain", "normalised"])
@pytest.mark.parametrize("bits", [3, 8])
def test_integers_come_out(bits, pixels):
    """The integer network has the very weights of the network that was trained."""
    _, network, grids = made(pixels, weight_bits=bits, activation_bits=bits)
    integers = integer_network(quantised_network(network, grids), "made")
    for layer, unit in uniform_units(network):
        made_layer = next(each for each in integers.layers if each.name == layer.name)
        if layer.fixed:
            continue
        kernel = np.einsum(
            "kcm,kmrs->kcrs", made_layer.coefficients.astype(int), made_layer.bases.astype(int)
        )
        assert np.abs(kernel).sum() == np.abs(unit.integers().detach().numpy()).sum()
    batch = images(8, pixels)
    tensors = run(integers, pixels.integers(batch.to(torch.uint8).numpy()))
    with torch.no_grad():
        wanted = network(batch).numpy()
    found = tensors["last"].reshape(len(batch), -1) * float(grids["last"].scale)
    assert np.linalg.norm(found - wanted) < (0.6 if bits == 3 else 0.1) * np.linalg.norm(wanted)


def test_sums_that_do_not_fit_are_refused():
    from sw.compression.requantisation import IntegerLimits

    _, network, grids = made(weight_bits=8, activation_bits=8)
    with pytest.raises(ValueError, match="give its weights fewer bits"):
        quantised_network(network, grids, IntegerLimits(accumulator_bits=14))


def test_channels_can_be_taken_out():
    _, network, _ = made()
    unit = network.unit("down")
    layer = unit.layer.__class__(**{**unit.layer.__dict__, "outputs": 3, "inputs": 2})
    few = unit.narrowed(torch.tensor([0, 4, 7]), torch.tensor([1, 5]), layer)
    assert torch.equal(few.kernel(), unit.kernel()[[0, 4, 7]][:, [1, 5]])
