"""Network slimming: training makes gains of batch norms small; channels with the smallest go, wherever in the network they are.

Source: Z. Liu et al., "Learning Efficient Convolutional Networks through Network Slimming", ICCV 2017. There a channel goes with whatever its
batch norm adds, and a layer may lose all; here the constant is added to what follows, and every layer keeps some.
"""

import copy
from dataclasses import dataclass

import torch
from torch import nn

from ...training import TrainingSettings
from .removal import free_layers, without_channels

__all__ = ["SlimmingSettings", "slim", "without_small_gains"]

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
    #: Share of the channels of all layers together that go.
    sparsity: float = 0.5
    #: Channels that every layer keeps.
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
        If no layer whose channels can go has a batch norm.
    """
    made = copy.deepcopy(network)
    run.train("slim", made, settings.sparsifying, penalty=lambda trained: settings.penalty * _gains(trained))
    made = run.phase("slim-prune", without_small_gains, made, settings)
    return run.train("slim-tune", made, settings.tuning)


@torch.no_grad()
def without_small_gains(network, settings):
    """``network`` without the channels whose gains are smallest."""
    gains = {layer.name: unit.normalise.weight.abs() for layer, unit in _normalised(network)}
    every = torch.cat(list(gains.values()))
    order = every.argsort(stable=True)
    goes = torch.zeros(len(every), dtype=torch.bool)
    goes[order[: round(settings.sparsity * len(every))]] = True
    kept = {}
    for (name, numbers), part in zip(
        gains.items(), goes.split([len(numbers) for numbers in gains.values()]), strict=True
    ):
        kept[name] = ~part
        kept[name][numbers.argsort(descending=True, stable=True)[: settings.least]] = True
    return without_channels(network, kept, constants=True)


def _gains(network):
    return sum(unit.normalise.weight.abs().sum() for _, unit in _normalised(network))


def _normalised(network):
    found = [
        (layer, unit) for layer, unit in free_layers(network) if isinstance(unit.normalise, nn.BatchNorm2d)
    ]
    if not found:
        raise ValueError("expected a layer with a batch norm whose channels can leave, got none")
    return found
