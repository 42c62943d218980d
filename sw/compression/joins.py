"""Which channels of a network stay or leave together: those that a residual sum, a copy, pooling or concatenation joins."""

import torch

from ..layers import ConvolutionLayer
from ..network import Concatenation

__all__ = ["joined_channels"]


def joined_channels(network):
    """For each channel of every tensor the number of its join, int64 [C] by name of the tensor; of a group of a convolution all channels are one."""
    starts, total = {}, 0
    for name, shape in network.shapes.items():
        starts[name] = total
        total += shape[0]
    leaders = list(range(total))

    def leader(channel):
        while leaders[channel] != channel:
            leaders[channel] = leaders[leaders[channel]]
            channel = leaders[channel]
        return channel

    def join(first, second):
        for one, other in zip(first, second, strict=True):
            leaders[leader(one)] = leader(other)

    channels = {name: range(start, start + network.shapes[name][0]) for name, start in starts.items()}
    for layer in network.layers:
        own = channels[layer.name]
        if isinstance(layer, Concatenation):
            join(own, [channel for name in layer.inputs for channel in channels[name]])
        elif not isinstance(layer, ConvolutionLayer):
            join(own, channels[layer.input])
        else:
            if layer.groups > 1:
                # All channels of a group with its first input.
                firsts = channels[layer.input][:: layer.inputs // layer.groups]
                for part in (own, channels[layer.input]):
                    join(part, [first for first in firsts for _ in range(len(part) // layer.groups)])
            if layer.residual is not None:
                join(own, channels[layer.residual])
    return {name: torch.tensor([leader(channel) for channel in own]) for name, own in channels.items()}
