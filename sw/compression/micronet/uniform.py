"""Uniform quantisation with scales that are solved once and then frozen: the network that is fine-tuned on its integers.

Weights have a scale for each 3-D kernel, activations one for each layer. What is solved is in ``scales``.
"""

import copy

import torch
from torch import nn

from ...layers import ConvolutionLayer
from ...model import ConvolutionUnit
from ...narrowing import put
from ..grids import calibrate
from ..requantisation import round_half_up
from ..ternary import straight_through
from .scales import kernel_scales, tensor_scale, weight_range

__all__ = ["FrozenScaleConvolution", "hold", "uniform_network", "uniform_units"]


class FrozenScaleConvolution(ConvolutionUnit):
    """A convolution with weights ``scale[k] * integer`` and, with a grid, an output of such integers too.

    Weights are trained straight through the rounding; weights that are zero when it is made stay zero.

    Parameters
    ----------
    unit : ConvolutionUnit
        Whose kernel it starts from; it stays as it is.
    bits : int
        Of a weight, 2 to 8; ``None`` keeps the real weights, as a selection's.
    grid : sw.compression.grids.Grid or None
        Of the output, its scale frozen.
    """

    per_channel = ("weight", "kept")

    def __init__(self, unit, bits, grid):
        super().__init__(unit.layer, copy.deepcopy(unit.normalise))
        weight = unit.kernel().detach().clone()
        self.weight = nn.Parameter(weight, requires_grad=not unit.layer.fixed)
        self.register_buffer("kept", weight != 0)
        self.bits, self.grid = bits, grid
        scale = torch.ones(len(weight)) if bits is None else kernel_scales(weight, bits).float()
        self.register_buffer("scale", scale)

    def integers(self):
        """Weights as integers [K, C / groups, R, S]; real ones where there are no bits."""
        if self.bits is None:
            return self.weight
        scaled = self.weight / self.scale[:, None, None, None]
        exact = torch.floor(scaled + 0.5).clamp(*weight_range(self.bits)) * self.kept
        return straight_through(exact, scaled * self.kept)

    def kernel(self):
        return self.integers() * self.scale[:, None, None, None]

    def sparse_numbers(self):
        return None if self.bits is None else self.integers()

    def narrowed(self, outputs, inputs, layer):
        """As for every unit, with the scales of the channels that stay."""
        unit = super().narrowed(outputs, inputs, layer)
        put(unit, "scale", self.scale[outputs])
        return unit

    def forward(self, images, residual=None):
        return on_grid(super().forward(images, residual), self.grid)

    @torch.no_grad()
    def hold(self):
        """Bring weights back that training moved beyond the grid's ends: out there nothing would pull them."""
        if self.bits is None:
            return
        low, high = (end * self.scale[:, None, None, None] for end in weight_range(self.bits))
        self.weight.copy_(torch.minimum(torch.maximum(self.weight, low), high))


def on_grid(numbers, grid):
    """``numbers`` at the nearest places of ``grid``, with a gradient within its ends; as they are without a grid."""
    if grid is None:
        return numbers
    return round_half_up((numbers / grid.scale).clamp(grid.low, grid.high)) * grid.scale


def uniform_units(network):
    """Layers and units whose scales are frozen, in order."""
    return [(layer, unit) for layer, unit in network.units() if isinstance(unit, FrozenScaleConvolution)]


def uniform_network(network, images, *, weight_bits=4, activation_bits=7):
    """``network`` with all scales solved, and the grid of every tensor.

    The logits stay real numbers, the image is read as it is.

    Parameters
    ----------
    network : sw.model.Network
        Stays as it is.
    images : Tensor [n, C, H, W]
        Training images that activations are taken from.
    weight_bits : int or dict
        2 to 8, of every layer or by layer name.
    activation_bits : int
        2 to 8.

    Returns
    -------
    Network
    dict
        ``Grid`` by tensor name, as for ``sw.compression.quantisation.quantised_network``: a network of integers can be read out.

    Raises
    ------
    ValueError
        If bits are out of range, a layer has none, or a tensor is zero on all images.
    """
    if not 2 <= activation_bits <= 8:
        raise ValueError(f"expected activations of 2 to 8 bits, got {activation_bits}")
    names = [layer.name for layer in network.layers if isinstance(layer, ConvolutionLayer)]
    if not isinstance(weight_bits, dict):
        weight_bits = dict.fromkeys(names, weight_bits)
    missing = [
        layer.name for layer, _ in network.units() if not layer.fixed and layer.name not in weight_bits
    ]
    if missing:
        raise ValueError(f"expected bits for the weights of every layer, got none for {missing[0]}")
    grids = calibrate(network, images, bits=activation_bits, choose=tensor_scale)
    for grid in grids.values():
        grid.exponent.requires_grad_(False)
    units = {
        layer.name: FrozenScaleConvolution(
            unit,
            None if layer.fixed else weight_bits[layer.name],
            None if layer is network.layers[-1] else grids[layer.name],
        )
        for layer, unit in network.units()
    }
    return network.replaced(units), grids


def hold(network, fraction=1.0):
    """``FrozenScaleConvolution.hold`` of every unit; as ``on_step`` of a training."""
    for _, unit in uniform_units(network):
        unit.hold()
