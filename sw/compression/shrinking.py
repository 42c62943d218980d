"""PENNI's fourth phase: channels that pruning made redundant leave the network, which computes what it did before.

Source: S. Li et al., "PENNI: Pruned Kernel Sharing for Efficient CNN Inference", ICML 2020. There a channel without
coefficients goes whatever its batch norm makes of it; here the constant that it leaves is added to what follows.
"""

import dataclasses
from dataclasses import dataclass

import torch

from ..layers import ConvolutionLayer
from ..model import Affine, Network
from ..network import INPUT
from .channels import follow_channels, of_groups
from .joins import joined_channels

__all__ = ["ShrinkResult", "UnevenConstant", "shrink"]


@dataclass(frozen=True, kw_only=True)
class UnevenConstant:
    """A channel that is the same everywhere, and not 0, where a padded convolution reads it: at the border, zeros stand beside it."""

    #: The tensor, and the channel's number in it before shrinking.
    tensor: str
    channel: int
    value: float
    #: The convolution.
    reader: str


@dataclass(frozen=True, kw_only=True)
class ShrinkResult:
    """A network of new units, and what it lost."""

    network: Network
    #: Output channels that went, of every convolution that lost some.
    removed: dict[str, int]
    #: Bases that no coefficient used, of every decomposed convolution that lost some.
    removed_bases: dict[str, int]
    #: Those that stayed.
    kept_constants: list[UnevenConstant]
    #: Those that went, and left their mean; none if the shrinking was exact.
    averaged_constants: list[UnevenConstant]


@torch.no_grad()
def shrink(network, *, exact=True):
    """Remove every channel, group and basis without which the network computes the same in inference.

    A channel goes if no reader needs it: all its weights there are zero, or it is a constant that can be added to the
    batch norm or offset of the reader. Channels that are joined go together or stay: those of a residual sum, of pooling,
    of a copy, all of a group. Every tensor keeps at least one channel; pixels and the last layer's outputs keep all.

    Parameters
    ----------
    network : sw.model.Network
        Stays as it is.
    exact : bool
        Otherwise a constant that padded convolutions read goes too, and what it added to a sum in the mean over the map stays:
        only results beside the border change, which training that follows makes good.

    Returns
    -------
    ShrinkResult
    """
    numbers = {name: torch.arange(shape[0]) for name, shape in network.shapes.items()}
    small, averaged = network, []
    # A layer of which one group is left is a plain convolution, which may lose single channels.
    while True:
        flow = follow_channels(small, exact)
        kept = _kept_channels(small, flow)
        small = _narrowed(small, flow, kept)
        uneven = [(place, _uneven(flow, numbers, *place)) for place in flow.uneven]
        averaged += [constant for (tensor, channel, _), constant in uneven if not kept[tensor][channel]]
        numbers = {name: channels[kept[name]] for name, channels in numbers.items()}
        if all(channels.all() for channels in kept.values()):
            break
    return ShrinkResult(
        network=small,
        removed=_losses(network, small, lambda layer, _: layer.outputs),
        removed_bases=_losses(network, small, lambda _, unit: len(getattr(unit, "bases", ()))),
        kept_constants=[constant for _, constant in uneven],
        averaged_constants=averaged,
    )


def _uneven(flow, numbers, tensor, channel, reader):
    return UnevenConstant(
        tensor=tensor,
        channel=int(numbers[tensor][channel]),
        value=float(flow.constants[tensor][channel]),
        reader=reader,
    )


def _losses(before, after, size):
    """How much less ``size(layer, unit)`` is, of every convolution of which it is less."""
    losses = {
        layer.name: size(layer, unit) - size(small_layer, small)
        for (layer, unit), (small_layer, small) in zip(before.units(), after.units(), strict=True)
    }
    return {name: loss for name, loss in losses.items() if loss}


def _narrowed(network, flow, kept):
    """``network`` with only the channels of ``kept``, all its units new."""
    layers, units = [], {}
    for layer in network.layers:
        if isinstance(layer, ConvolutionLayer):
            outputs, inputs = (torch.flatten(torch.nonzero(kept[name])) for name in (layer.name, layer.input))
            unit = network.unit(layer.name)
            layer_left = dataclasses.replace(
                layer,
                inputs=len(inputs),
                outputs=len(outputs),
                # A group stays with all its channels.
                groups=max(1, layer.groups * len(outputs) // layer.outputs),
            )
            units[layer.name] = unit.narrowed(outputs, inputs, layer_left)
            _add(units[layer.name].normalise, _left_behind(layer, flow, kept)[outputs])
            layer = layer_left
        layers.append(layer)
    narrowed = Network(network.pixels, layers, units).to(network.pixel_offset.device)
    return narrowed.train(network.training)


def _left_behind(layer, flow, kept):
    """What the constants that go from a convolution's input added to each of its sums, in the mean: float64 [K]."""
    reading = flow.readings[layer.name]
    constants = flow.constants[layer.input]
    gone = ~kept[layer.input] & ~constants.isnan()
    return (of_groups(layer, torch.where(gone, constants, 0.0)) * reading.mean).sum(1)


def _add(normalise, sums):
    """Let a batch norm or an ``Affine`` of inference do to a sum what it did to the sum and ``sums`` [K] before."""
    if isinstance(normalise, Affine):
        normalise.offset += (normalise.gain * sums.to(normalise.gain)).to(normalise.offset)
    else:
        normalise.running_mean -= sums.to(normalise.running_mean)


def _kept_channels(network, flow):
    """Channels that stay, ``{tensor: bool [C]}``."""
    joined = joined_channels(network)
    needed = dict(flow.needed)
    needed[INPUT] = torch.ones_like(needed[INPUT])
    every = torch.cat([joined[name][channels] for name, channels in needed.items()])
    for name in needed:
        if not torch.isin(joined[name], every).any():
            every = torch.cat((every, joined[name][:1]))
    return {name: torch.isin(channels, every) for name, channels in joined.items()}
