"""Weights that share values as integers: each is the nearest one to its centroid, at one basis a magnitude."""

import numpy as np
import pytest
import torch

from sw.compression.deep.shared import SharedConvolution
from sw.compression.integer_weights import CodebookWeights, integer_weights
from sw.layers import ConvolutionLayer
from sw.model import DenseConvolution


def shared(kernel=(1, 1), density=0.2, bits=4):
    layer = ConvolutionLayer(
        name="layer", input="input", inputs=24, outputs=10, kernel=kernel, batch_norm=False
    )
    generator = torch.Generator().manual_seed(3)
    weight = torch.randn(layer.weight_shape, generator=generator)
    weight *= torch.rand(weight.shape, generator=generator) < density
    return SharedConvolution.of(DenseConvolution(layer, weight), bits=bits, gap_bits=4)


@pytest.mark.parametrize("density", [0.0, 0.2, 1.0])
def test_every_weight_is_the_integer_nearest_to_its_centroid(density):
    unit = shared(density=density)
    real = unit.kernel().detach()
    weights = integer_weights(unit)
    assert isinstance(weights, CodebookWeights)
    assert ((weights.kernel() * weights.scale - real).abs() <= weights.scale / 2 * (1 + 1e-5)).all()
    coefficients, bases = weights.integers()
    assert coefficients.dtype == bases.dtype == np.int8 and (bases > 0).all() and len(bases) <= 15
    # One basis at most for each weight.
    assert np.abs(coefficients).sum(2).max(initial=0) <= 1
    assert np.count_nonzero(coefficients) == np.count_nonzero(real)
    rebuilt = np.tensordot(coefficients.astype(int), bases.astype(int), axes=(2, 0))
    assert (rebuilt == weights.kernel().detach().numpy()).all()


def test_centroids_can_be_trained_through_the_rounding():
    unit = shared()
    weights = integer_weights(unit)
    weights.kernel().sum().backward()
    uses = torch.bincount(unit.codes.flatten().int(), minlength=len(unit.centroids) + 1)[1:]
    assert torch.allclose(unit.centroids.grad, uses / weights.scale)


def test_larger_kernels_are_refused():
    with pytest.raises(
        ValueError, match=r"layer layer: expected a 1x1 kernel, .* got 3x3; make the layer ternary"
    ):
        integer_weights(shared((3, 3)))
