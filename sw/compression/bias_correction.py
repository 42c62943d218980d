"""Offsets that make up for what rounding does to means.

Source: M. Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", ICCV 2019; here with images. Activations
are seldom negative, so an error of a weight is one of the mean of the sums too. Few bits of an accumulator leave few to weights.
"""

import torch

from ..layers import ConvolutionLayer
from .side_by_side import side_by_side

__all__ = ["correct_biases"]


@torch.no_grad()
def correct_biases(twin, network, images):
    """Change the offsets of ``twin`` so that sums have the means that they have in ``network``.

    Layers are corrected in order, each for what it reads after those before it were.

    Parameters
    ----------
    twin : QuantisedNetwork
        Changed in place.
    network : sw.model.Network
        That it was made of; stays as it is.
    images : Tensor [n, C, H, W]
        Pixels from 0 to 255, float.

    Returns
    -------
    QuantisedNetwork
        ``twin``, for inference.
    """
    for layer, real, rounded in side_by_side(network, twin, images):
        if isinstance(layer, ConvolutionLayer) and not layer.fixed:
            unit, made = network.unit(layer.name), twin.unit(layer.name)
            means = made.sums_in_units(*rounded).mean((0, 2, 3)) * made.grid.scale
            made.offset += unit.sums(*real).mean((0, 2, 3)) - means
    return twin
