"""What becomes of every channel of a network: whether it is a constant, and whether a result depends on it."""

from dataclasses import dataclass, field

import torch

from ..layers import ConvolutionLayer, layer_inputs
from ..model import activate, gain_and_offset
from ..network import INPUT, Concatenation

__all__ = ["ChannelFlow", "Reading", "follow_channels"]


@dataclass(frozen=True, eq=False)
class Reading:
    """How a convolution reads its input, all of float64 or bool, C counting within a group."""

    #: [K, C / groups]: what a constant 1 adds to a sum, in the mean over all windows: the weights, each times the share of windows
    #: in which it is inside of the map.
    mean: torch.Tensor
    #: [K, C / groups]: whether anything but zeros meets the input.
    used: torch.Tensor
    #: [K, C / groups]: whether a weight other than 0 is inside of the map for some windows and outside for others.
    border: torch.Tensor


@dataclass(frozen=True, eq=False)
class ChannelFlow:
    """Channels of every tensor, by its name."""

    #: float64 [C]: the value that a channel has in every pixel of every image; NaN where it varies.
    constants: dict
    #: bool [C]: whether a reader needs the channel as a tensor. A constant that can be added to what follows is not needed.
    needed: dict
    #: By name of the convolution.
    readings: dict
    #: Constants other than 0 that do not add the same to a padded convolution everywhere: (tensor, channel, convolution).
    uneven: list = field(default_factory=list)


@torch.no_grad()
def follow_channels(network, exact=True):
    """``ChannelFlow`` of a ``sw.model.Network`` as it is in inference.

    Constants are followed forward, from kernels of zeros and gains of 0; then needs backward, from the last layer, all
    of whose channels are needed. Unless ``exact``, a constant counts as if it added its mean everywhere.
    """
    readings = {layer.name: _reading(layer, unit, network.shapes) for layer, unit in network.units()}
    constants = {INPUT: torch.full((network.pixels.channels,), torch.nan, dtype=torch.float64)}
    for layer in network.layers:
        sources = [constants[name] for name in layer_inputs(layer)]
        if isinstance(layer, ConvolutionLayer):
            unit, reading = network.unit(layer.name), readings[layer.name]
            constants[layer.name] = _constants(layer, unit, reading, exact, *sources)
        else:
            # Maxima and averages of a constant are that constant.
            constants[layer.name] = torch.cat(sources)
    needed = {name: torch.zeros(len(values), dtype=torch.bool) for name, values in constants.items()}
    needed[network.layers[-1].name][:] = True
    flow = ChannelFlow(constants=constants, needed=needed, readings=readings)
    for layer in reversed(network.layers):
        _need(layer, flow, exact)
    flow.uneven.reverse()
    return flow


def _reading(layer, unit, shapes):
    kernel = unit.kernel().detach().double().cpu()
    gain, _ = gain_and_offset(unit.normalise)
    # What a gain of 0 multiplies does not count.
    kernel = kernel * (gain.detach().cpu() != 0)[:, None, None, None]
    inside = [
        _inside(extent, steps, taps, before, layer.stride)
        for extent, steps, taps, before in zip(
            shapes[layer.input][1:], shapes[layer.name][1:], layer.kernel, layer.padding[:2], strict=True
        )
    ]
    share = torch.outer(*(along.double().mean(0) for along in inside))
    return Reading(
        mean=(kernel * share).sum((2, 3)),
        used=(kernel * share).ne(0).any(3).any(2),
        border=(kernel * (share < 1) * share).ne(0).any(3).any(2),
    )


def _inside(extent, steps, taps, before, stride):
    """Whether each tap of each window lies in the map, along one axis: bool [steps, taps]."""
    places = torch.arange(steps)[:, None] * stride + torch.arange(taps) - before
    return (places >= 0) & (places < extent)


def of_groups(layer, values):
    """Values [C] of the channels of a convolution's input as each output channel meets them: [K, C / groups]."""
    return values.reshape(layer.groups, -1).repeat_interleave(layer.outputs // layer.groups, 0)


def _constants(layer, unit, reading, exact, source, residual=None):
    met = of_groups(layer, source)
    nothing = ~reading.used | (met == 0)
    foldable = ~met.isnan() & ~(reading.border & exact)
    sums = torch.where(nothing, 0.0, met * reading.mean).sum(1)
    gain, offset = (numbers.detach().double().cpu() for numbers in gain_and_offset(unit.normalise))
    total = offset + gain * sums
    if residual is not None:
        total = total + residual
    constant = (nothing | foldable).all(1) & ~total.isnan()
    # Not every function leaves NaN as it is.
    return torch.where(constant, activate(layer.activation, total), torch.nan)


def _need(layer, flow, exact):
    """Mark what the channels of ``layer`` that are needed, and no constants, need of its inputs."""
    rows = flow.needed[layer.name] & flow.constants[layer.name].isnan()
    if isinstance(layer, Concatenation):
        parts = rows.split([len(flow.needed[name]) for name in layer.inputs])
        for name, part in zip(layer.inputs, parts, strict=True):
            flow.needed[name] |= part
    elif isinstance(layer, ConvolutionLayer):
        _need_of_convolution(layer, flow, rows, exact)
    else:
        flow.needed[layer.input] |= rows


def _need_of_convolution(layer, flow, rows, exact):
    reading, source = flow.readings[layer.name], flow.constants[layer.input]
    met = of_groups(layer, source)
    # Rows that are constants themselves have uneven ones only where these count as even.
    followed = rows | ~flow.constants[layer.name].isnan()
    uneven = reading.border & (met != 0) & ~met.isnan() & followed[:, None]
    reads = reading.used & met.isnan() & rows[:, None]
    if exact:
        reads |= uneven
    flow.needed[layer.input] |= _of_inputs(layer, reads)
    if layer.residual is not None:
        flow.needed[layer.residual] |= rows
    for channel in torch.flatten(torch.nonzero(_of_inputs(layer, uneven))).tolist():
        flow.uneven.append((layer.input, channel, layer.name))


def _of_inputs(layer, reads):
    """Input channels [C] for which any output channel has a mark in ``reads`` [K, C / groups]."""
    return reads.reshape(layer.groups, -1, reads.shape[1]).any(1).flatten()
