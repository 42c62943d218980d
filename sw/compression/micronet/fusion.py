"""Batch norm and all scales of quantisation as one Scale layer behind each convolution of integers.

With the scales ``a`` of the input, ``w[k]`` of the weights, ``o`` of the output and ``r`` of a residual, and batch norm as ``gain[k] * x + offset[k]``,
``gain = gamma / sqrt(variance + epsilon)``, ``offset = beta - gain * mean``, the network computes

``o * clip(round((gain[k] * w[k] * a * sum + offset[k] + r * residual) / o))``, and the fused one

``clip(round(factor[k] * sum + bias[k] + residual_factor * residual))`` with ``factor[k] = gain[k] * w[k] * a / o``,
``bias[k] = offset[k] / o``, ``residual_factor = r / o``.

Rounding to integers without a sign is the ReLU. Source: P. Wang et al., MicroNet Challenge 2019.
"""

from dataclasses import dataclass

import torch
from torch import nn

from ...layers import AverageLayer, ConvolutionLayer
from ...model import Network, activate, convolve, gain_and_offset
from ...network import INPUT, Concatenation, MaxPool
from .uniform import FrozenScaleConvolution

__all__ = ["FusedConvolution", "FusedNetwork", "ScaleLayer", "fuse", "scale_layer"]


@dataclass(frozen=True, kw_only=True, eq=False)
class ScaleLayer:
    """``factor[k] * sum + bias[k] + residual_factor * residual``."""

    #: float64 [K].
    factor: torch.Tensor
    bias: torch.Tensor
    residual_factor: float = 0.0

    @property
    def numbers(self):
        """How many of its numbers have to be stored: a bias that is all zero is not."""
        stored = len(self.factor) * (2 if bool(self.bias.any()) else 1)
        return stored + (1 if self.residual_factor else 0)


@torch.no_grad()
def scale_layer(unit, source, residual=None):
    """The ``ScaleLayer`` of a ``FrozenScaleConvolution``.

    Parameters
    ----------
    source, residual : float
        Real values of one unit of what it reads, and adds.
    """
    gain, offset = (numbers.double() for numbers in gain_and_offset(unit.normalise))
    output = 1.0 if unit.grid is None or unit.layer.activation.function else float(unit.grid.scale.double())
    return ScaleLayer(
        factor=gain * unit.scale.double() * source / output,
        bias=offset / output,
        residual_factor=0.0 if residual is None else residual / output,
    )


class FusedConvolution(nn.Module):
    """A convolution of integers and its Scale layer; integers of the output's grid come out, real numbers without a grid.

    Parameters
    ----------
    unit : FrozenScaleConvolution
    scale : ScaleLayer
    """

    def __init__(self, unit, scale):
        super().__init__()
        self.layer, self.scale, self.grid = unit.layer, scale, unit.grid
        self.register_buffer("weight", unit.integers().detach().double())
        self.double()

    def forward(self, images, residual=None):
        total = convolve(images, self.weight, self.layer)
        total = total * self.scale.factor[:, None, None] + self.scale.bias[:, None, None]
        if residual is not None:
            total = total + residual * self.scale.residual_factor
        activation, grid = self.layer.activation, self.grid
        if grid is None:
            return activate(activation, total)
        if activation.function is not None:
            total = activate(activation, total) / grid.scale
            return torch.floor(total + 0.5).clamp(grid.low, grid.high)
        return torch.floor(total + 0.5).clamp(*grid.clamp(activation))


class FusedNetwork(Network):
    """Network whose tensors are integers, or averages of integers; the image and the logits are real. Computed in float64."""

    def read(self, images):
        return super().read(images.double())


def fuse(network):
    """The ``FusedNetwork`` of a network of ``FrozenScaleConvolution``, and the scale of every tensor by name.

    Raises
    ------
    ValueError
        Naming the layer, if one is of another kind, or joins tensors of different scales.
    """
    units, scales = {}, {INPUT: 1.0}
    for layer in network.layers:
        if not isinstance(layer, ConvolutionLayer):
            scales[layer.name] = _joined_scale(layer, scales)
            continue
        unit = network.unit(layer.name)
        if not isinstance(unit, FrozenScaleConvolution):
            raise ValueError(
                f"layer {layer.name}: expected solved scales to fuse, got {type(unit).__name__}; quantise it uniformly first"
            )
        residual = None if layer.residual is None else scales[layer.residual]
        units[layer.name] = FusedConvolution(unit, scale_layer(unit, scales[layer.input], residual))
        scales[layer.name] = 1.0 if unit.grid is None else float(unit.grid.scale.double())
    return FusedNetwork(network.pixels, network.layers, units), scales


def _joined_scale(layer, scales):
    assert isinstance(layer, AverageLayer | Concatenation | MaxPool)
    sources = layer.inputs if isinstance(layer, Concatenation) else (layer.input,)
    found = {scales[name] for name in sources}
    if len(found) > 1:
        raise ValueError(
            f"layer {layer.name}: expected tensors of one scale, got {', '.join(f'{scale:g}' for scale in sorted(found))}"
        )
    return found.pop()
