"""Filter pruning: the filters of a layer whose weights have the least sum of magnitudes go, and with them the channels they make.

Source: H. Li et al., "Pruning Filters for Efficient ConvNets", ICLR 2017. Of a residual block only the first convolutions are pruned, as there.
"""

from dataclasses import dataclass, field

import torch

from ...training import TrainingSettings
from ..shares import check_shares, layer_shares
from .removal import free_layers, without_channels

__all__ = ["FilterSettings", "prune_filters", "strongest", "without_filters"]

_TUNING = TrainingSettings(epochs=40, rate=0.001, schedule="constant", augmentation="crop-flip")


@dataclass(frozen=True, kw_only=True)
class FilterSettings:
    """What filter pruning is told.

    Raises
    ------
    ValueError
        If a number is out of range.
    """

    #: Share of the filters of each layer that go, rounded down; one always stays.
    sparsity: float = 0.5
    #: Shares of single layers instead, by name; 0 leaves a layer alone.
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
    names = [layer.name for layer, _ in free_layers(network)]
    shares = layer_shares(names, settings.sparsity, settings.layers)
    gone = {
        name: min(int(share * network.unit(name).layer.outputs), network.unit(name).layer.outputs - 1)
        for name, share in shares.items()
    }
    if not settings.greedy:
        return without_channels(
            network, {name: strongest(network.unit(name), count) for name, count in gone.items()}
        )
    for name, count in gone.items():
        # What is left of the network has no weights that read what went.
        network = without_channels(network, {name: strongest(network.unit(name), count)})
    return network


def strongest(unit, gone):
    """Filters of a unit, bool [K], without the ``gone`` whose weights have the least sums of magnitudes."""
    norms = unit.kernel().abs().flatten(1).sum(1)
    goes = norms.argsort(stable=True)[:gone]
    kept = torch.ones(len(norms), dtype=torch.bool)
    kept[goes] = False
    return kept
