"""Fused networks compute what the quantised ones do: the same integers, the same logits but for rounding of floats."""

import pytest
import torch

from sw.compression.micronet.fusion import fuse, scale_layer
from sw.compression.micronet.uniform import uniform_network
from sw.layers import IDENTITY, RELU, ConvolutionLayer
from sw.model import new_network
from sw.network import INPUT, Concatenation
from tests.sw.compression.networks import AROUND, EVERY_KIND, NORMALISED, PLAIN, dense, images, settled

#: Batch norm and ReLU before convolutions, whose outputs are concatenated: a block as in DenseNet.
PRE_ACTIVATION = (
    ConvolutionLayer(
        name="stem", input=INPUT, inputs=2, outputs=6, padding=AROUND, batch_norm=False, activation=IDENTITY
    ),
    ConvolutionLayer(
        name="norm", input="stem", inputs=6, outputs=6, kernel=(1, 1), groups=6, fixed=True, activation=RELU
    ),
    ConvolutionLayer(name="narrow", input="norm", inputs=6, outputs=8, kernel=(1, 1)),
    ConvolutionLayer(
        name="grow",
        input="narrow",
        inputs=8,
        outputs=4,
        padding=AROUND,
        batch_norm=False,
        activation=IDENTITY,
    ),
    Concatenation(name="both", inputs=("stem", "grow")),
    ConvolutionLayer(
        name="last",
        input="both",
        inputs=10,
        outputs=5,
        kernel=(12, 12),
        batch_norm=False,
        activation=IDENTITY,
    ),
)


def quantised(layers, pixels, **bits):
    network = dense(layers, pixels)
    return uniform_network(network, images(pixels=pixels), **bits)[0].double()


@pytest.mark.parametrize(
    "bits", [{"weight_bits": 4, "activation_bits": 4}, {"weight_bits": 8, "activation_bits": 7}]
)
@pytest.mark.parametrize("pixels", [PLAIN, NORMALISED], ids=["plain", "normalised"])
@pytest.mark.parametrize("layers", [EVERY_KIND, PRE_ACTIVATION], ids=["every kind", "pre-activation"])
def test_the_same_integers_and_logits(layers, pixels, bits):
    network = quantised(layers, pixels, **bits)
    fused, scales = fuse(network)
    batch = images(24, pixels, seed=5).double()
    with torch.no_grad():
        wanted, found = network.tensors(batch), fused.tensors(batch)
    assert list(wanted) == list(found) == list(scales)
    for layer, unit in fused.units():
        tensor = found[layer.name]
        if unit.grid is not None:
            assert torch.equal(tensor, tensor.round())
            # Equal as integers: not one is off.
            assert torch.equal(tensor, (wanted[layer.name] / scales[layer.name]).round()), layer.name
            assert len(tensor.unique()) > 3
    for name, tensor in found.items():
        error = float((tensor * scales[name] - wanted[name]).abs().max())
        assert error <= 1e-12 * float(wanted[name].abs().max()), name


def test_a_scale_layer_is_the_formula():
    network = quantised(EVERY_KIND, PLAIN)
    unit = network.unit("add")
    with torch.no_grad():
        scale = scale_layer(unit, 0.5, 0.25)
        norm, grid = unit.normalise, float(unit.grid.scale)
        deviation = torch.sqrt(norm.running_var + norm.eps)
        assert torch.allclose(scale.factor, norm.weight * 0.5 * unit.scale / (grid * deviation), rtol=1e-14)
        assert torch.allclose(
            scale.bias, (norm.bias - norm.weight * norm.running_mean / deviation) / grid, rtol=1e-12
        )
    assert scale.residual_factor == 0.25 / grid
    assert scale.numbers == 2 * 12 + 1


def test_a_bias_of_zeros_is_not_stored():
    network = quantised(PRE_ACTIVATION, PLAIN)
    scale = scale_layer(network.unit("grow"), 1.0)
    assert not scale.bias.any() and scale.numbers == 4


def test_networks_without_solved_scales_are_refused():
    with pytest.raises(ValueError, match="layer first: expected solved scales to fuse, got DenseConvolution"):
        fuse(dense())


def test_an_untrained_network_is_fused_too():
    torch.manual_seed(1)
    network = settled(new_network(PLAIN, PRE_ACTIVATION), PLAIN)
    fused, _ = fuse(uniform_network(network, images())[0])
    assert fused(images(2)).shape == (2, 5)
