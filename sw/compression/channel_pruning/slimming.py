"""Network slimming: training makes gains of batch norms small; channels with the smallest go, wherever in the network they are.

Source: Z. Liu et al., "Learning Efficient Convolutional Networks through Network Slimming", ICCV 2017. There a channel goes with whatever its
batch norm adds, and a layer may lose all; here the constant is added to what follows, and every layer keeps some. Channels of layers that a
residual sum joins go together, by the mean of their gains.
"""

import copy
from dataclasses import dataclass

import torch
from torch import nn

from ...training import TrainingSettings
from .groups import channel_groups
from .removal import without_channels

__all__ = ["SlimmingSettings", "gain_sum", "normalised_groups", "slim", "without_small_gains"]

_TRAINING = TrainingSettings(
    epochs=160, rate=0.1, batch=64, schedule="step", warm_up=0.0, augmentation="crop-flip"
)


@dataclass(frozen=True, kw_only=True)
class SlimmingSettings:
    """What network slimming is told; trainings and penalty are those of the paper for VGG on CIFAR.

    Raises
    ------
    ValueError
        If a number is out of range.
    """

    #: Weight of the sum of the gains' magnitudes in the loss. Gains shrink by about this times the sum of the rates of all steps over
    #: 1 - momentum: a short training needs a larger one.
    penalty: float = 1e-4
    #: Training in which gains shrink.
    sparsifying: TrainingSettings = _TRAINING
    #: Share of the channels of all groups together that go.
    sparsity: float = 0.5
    #: Channels that every group of layers keeps.
    least: int = 1
    #: Training of what is left.
    tuning: TrainingSettings = _TRAINING

    def __post_init__(self):
        if not 0 <= self.sparsity < 1:
            raise ValueError(f"expected a share of channels from 0 to below 1, got {self.sparsity}")
        if not self.penalty >= 0:
            raise ValueError(f"expected a penalty of at least 0, got {self.penalty}")
        if self.least < 1:
            raise ValueError(f"expected layers to keep at least one channel, got {self.least}")


def slim(network, settings, run):
    """Slim a ``network``, which stays as it is, by phases recorded in ``run``.

    Raises
    ------
    ValueError
        If there are no layers with batch norms whose channels can go.
    """
    made = copy.deepcopy(network)
    run.train(
        "slim",
        made,
        settings.sparsifying,
        later=("sparsity", "least", "tuning"),
        penalty=lambda trained: settings.penalty * gain_sum(trained),
    )
    made = run.phase("slim-prune", without_small_gains, made, settings)
    return run.train("slim-tune", made, settings.tuning)


@torch.no_grad()
def without_small_gains(network, settings):
    """``network`` without the channels whose gains are smallest."""
    groups = normalised_groups(network)
    worth = _worth(network, groups)
    every = torch.cat(worth)
    goes = torch.zeros(len(every), dtype=torch.bool)
    goes[every.argsort(stable=True)[: round(settings.sparsity * len(every))]] = True
    kept = []
    for group, numbers, part in zip(groups, worth, goes.split([len(n) for n in worth]), strict=True):
        stays = ~part
        stays[numbers.argsort(descending=True, stable=True)[: settings.least]] = True
        kept.append((group, stays))
    return without_channels(network, kept, constants=True)


def normalised_groups(network):
    """Every ``ChannelGroup`` of a network whose layers, but for fixed ones, all have batch norms.

    Raises
    ------
    ValueError
        If there is none.
    """
    found = [
        group
        for group in channel_groups(network)
        if all(
            layer.fixed or isinstance(unit.normalise, nn.BatchNorm2d)
            for layer, unit in _units(network, group)
        )
    ]
    if not found:
        raise ValueError("expected layers with batch norms whose channels can leave, got none")
    return found


def _units(network, group):
    return [(network.unit(name).layer, network.unit(name)) for name in group.layers]


def gain_sum(network):
    """Sum of the magnitudes of all gains that slimming makes small, which it adds to the loss."""
    names = {name for group in normalised_groups(network) for name in group.layers}
    units = [unit for layer, unit in network.units() if layer.name in names and not layer.fixed]
    return sum(unit.normalise.weight.abs().sum() for unit in units)


def _worth(network, groups):
    """What each channel of each group is worth, [count]: the mean of its gains in all layers; what is copied is worth what it is a copy of."""
    own, tensors = [], {name: torch.ones(shape[0]) for name, shape in network.shapes.items()}
    for group in groups:
        gains = [
            group.gathered(layer.name, unit.normalise.weight.abs().float().cpu())
            for layer, unit in _units(network, group)
            if not layer.fixed
        ]
        own.append(gains)
        for name, places in group.places.items():
            tensors[name][places >= 0] = torch.stack(gains).mean(0)[places[places >= 0]]
    copies = [
        [
            group.gathered(layer.name, unit.kernel().abs().flatten(1).float().cpu() @ tensors[layer.input])
            for layer, unit in _units(network, group)
            if layer.fixed
        ]
        for group in groups
    ]
    return [torch.stack(gains + copied).mean(0) for gains, copied in zip(own, copies, strict=True)]
