"""Filter pruning: the filters of a layer whose weights have the least sum of magnitudes go, and with them the channels they make.

Source: H. Li et al., "Pruning Filters for Efficient ConvNets", ICLR 2017. There the filters behind a residual sum stay, or follow those of its shortcut; here
all layers of a group decide together.
"""

from dataclasses import dataclass, field

import torch

from ...training import TrainingSettings
from ..shares import check_shares
from .groups import channel_groups, group_shares
from .removal import without_channels

__all__ = ["FilterSettings", "prune_filters", "strongest", "without_filters", "without_weakest"]

_TUNING = TrainingSettings(epochs=40, rate=0.001, schedule="constant", augmentation="crop-flip")


@dataclass(frozen=True, kw_only=True)
class FilterSettings:
    """What filter pruning is told.

    Raises
    ------
    ValueError
        If a number is out of range.
    """

    #: Share of the filters of each group of layers that go, rounded down; one always stays.
    sparsity: float = 0.5
    #: Shares of single groups instead, by the name of any layer; 0 leaves a group alone.
    layers: dict[str, float] = field(default_factory=dict)
    #: Whether weights that read channels which went before still count for a filter (``False``), or not (``True``).
    greedy: bool = False
    #: Training of what is left.
    tuning: TrainingSettings = _TUNING

    def __post_init__(self):
        check_shares("filters", self.sparsity, self.layers)


def prune_filters(network, settings, run):
    """Prune filters of a trained ``network``, which stays as it is, and train what is left; recorded in ``run``."""
    made = run.phase("filters", without_filters, network, settings)
    return run.train("filters-tune", made, settings.tuning)


@torch.no_grad()
def without_filters(network, settings):
    """``network`` without the filters that ``settings`` ask for.

    Raises
    ------
    ValueError
        If a share is given for a layer that cannot lose channels.
    """
    groups = channel_groups(network)
    if not settings.greedy:
        return without_weakest(network, groups, settings.sparsity, settings.layers)
    shares = group_shares(groups, settings.sparsity, settings.layers)
    for place, share in enumerate(shares):
        # What is left of the network has no weights that read what went.
        group = channel_groups(network)[place]
        network = without_channels(network, [(group, strongest(network, group, int(share * group.count)))])
    return network


def without_weakest(network, groups, share, layers):
    """``network`` without a share of each of ``groups``, as ``group_shares`` says it: those of ``strongest`` stay."""
    shares = group_shares(groups, share, layers)
    return without_channels(
        network,
        [
            (group, strongest(network, group, int(share * group.count)))
            for group, share in zip(groups, shares, strict=True)
        ],
    )


def strongest(network, group, gone):
    """Channels of a group, bool [count], without the ``gone`` whose filters have the least sums of magnitudes; one always stays.

    Each layer of the group counts as much: its sums are divided by their mean.
    """
    norms = torch.zeros(group.count)
    for name in group.layers:
        sums = group.gathered(name, network.unit(name).kernel().detach().abs().flatten(1).sum(1).cpu())
        norms += sums / sums.mean().clamp(min=torch.finfo(sums.dtype).tiny)
    kept = torch.ones(group.count, dtype=torch.bool)
    kept[norms.argsort(stable=True)[: min(gone, group.count - 1)]] = False
    return kept
