"""Which channels leave a network together: one of each convolution that a residual sum, a copy, pooling or concatenation joins.

The joins are those that shrinking goes by, channel by channel: a shortcut of option A joins nothing to what it copies from. Dependency graphs of layers
give the same groups (G. Fang et al., "DepGraph: Towards Any Structural Pruning", CVPR 2023).
"""

from dataclasses import dataclass

import torch

from ...network import INPUT
from ..joins import joined_channels
from ..shares import layer_shares

__all__ = ["ChannelGroup", "channel_groups", "group_shares"]


@dataclass(frozen=True, kw_only=True, eq=False)
class ChannelGroup:
    """Channels that can leave one by one, each from all ``layers`` at once."""

    count: int
    #: Names of the convolutions that make them, in order; of a fixed one that copies them, too.
    layers: tuple
    #: By name of each tensor that has some: which of the group each of its channels is, int64 [C]; -1 is none.
    places: dict

    def stays(self, tensor, kept):
        """Channels of a tensor that stay, bool [C], where of the group those of ``kept``, bool [count], do."""
        places = self.places[tensor]
        return kept[places] | (places < 0)

    def gathered(self, tensor, values):
        """Sums of ``values`` [..., C] of the channels of a tensor over each channel of the group, [..., count]."""
        places = self.places[tensor]
        sums = values.new_zeros(*values.shape[:-1], self.count)
        return sums.index_add(-1, places[places >= 0], values[..., places >= 0])


def channel_groups(network):
    """Every ``ChannelGroup`` of a network, by order of their first convolutions.

    Pixels and the outputs of the last layer stay, and so do channels that leave only several at a time: those around a convolution in
    groups, unless it is depthwise.

    Raises
    ------
    ValueError
        If there is none.
    """
    joined = joined_channels(network)
    stay = [joined[INPUT], joined[network.layers[-1].name]]
    makers = {}
    for layer, _ in network.units():
        if layer.groups == 1:
            makers[layer.name] = layer.fixed
        elif not layer.depthwise:
            stay += [joined[layer.name], joined[layer.input]]
    stay, tensors = set(torch.cat(stay).tolist()), {}
    for name, joins in joined.items():
        for join in dict.fromkeys(joins.tolist()):
            tensors.setdefault(join, []).append(name)
    groups = {}
    for join, names in tensors.items():
        layers = tuple(name for name in makers if name in names)
        if join not in stay and not all(makers[name] for name in layers):
            groups.setdefault(layers, []).append(join)
    if not groups:
        raise ValueError("expected a layer whose channels can leave, got none")
    order = list(makers)
    return [
        _group(layers, groups[layers], joined)
        for layers in sorted(groups, key=lambda names: [order.index(name) for name in names])
    ]


def _group(layers, joins, joined):
    number = {join: place for place, join in enumerate(joins)}
    places = {
        name: torch.tensor([number.get(join, -1) for join in channels.tolist()])
        for name, channels in joined.items()
    }
    return ChannelGroup(
        count=len(joins),
        layers=layers,
        places={name: found for name, found in places.items() if (found >= 0).any()},
    )


def group_shares(groups, share, layers):
    """The share of each of ``groups`` that goes, in their order.

    Parameters
    ----------
    share : float
        Of those that ``layers`` says nothing about.
    layers : dict
        Shares by the name of any convolution of a group.

    Raises
    ------
    ValueError
        If ``layers`` has one that is in none, or two of one group differ.
    """
    names = dict.fromkeys(name for group in groups for name in group.layers)
    layer_shares(names, share, layers)
    shares = []
    for group in groups:
        said = {name: layers[name] for name in group.layers if name in layers}
        if len(set(said.values())) > 1:
            raise ValueError(
                f"expected one share for layers whose channels leave together, got {', '.join(f'{number} of {name}' for name, number in said.items())}"
            )
        shares.append(next(iter(said.values()), share))
    return shares
