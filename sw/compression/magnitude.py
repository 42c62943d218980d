"""Pruning by magnitude: the least weights become zero, the others are trained on, in rounds.

Sources: S. Han et al., "Learning both Weights and Connections for Efficient Neural Networks", NeurIPS 2015; the training without masks
that follows in ``RestoreSettings``: S. Han et al., "DSD: Dense-Sparse-Dense Training for Deep Neural Networks", ICLR 2017.
"""

from dataclasses import dataclass, field

import torch

from ..training import TrainingSettings
from .masked import masked_network, prunable_units, restored_network
from .shares import check_shares, layer_shares

__all__ = ["MagnitudeSettings", "RestoreSettings", "prune_by_magnitude", "prune_least", "restore"]

_TUNING = TrainingSettings(epochs=10, rate=0.01, augmentation="crop-flip")
#: A tenth of the rate that the pruned network was trained with, as in the paper.
_RESTORING = TrainingSettings(epochs=10, rate=0.001, augmentation="crop-flip")


@dataclass(frozen=True, kw_only=True)
class MagnitudeSettings:
    """What pruning by magnitude is told.

    Raises
    ------
    ValueError
        If a number is out of range, or there is no such scope.
    """

    #: Share of weights that is zero in the end.
    sparsity: float = 0.8
    #: Shares of single layers instead, by name; 0 leaves a layer alone.
    layers: dict[str, float] = field(default_factory=dict)
    #: ``"layer"``: the share of each layer; ``"network"``: of all weights together, the least anywhere going first.
    scope: str = "layer"
    #: Of pruning and training; each leaves the same share of what the one before left.
    rounds: int = 3
    #: Training of each round, with the zeros kept.
    tuning: TrainingSettings = _TUNING

    def __post_init__(self):
        check_shares("zeros", self.sparsity, self.layers)
        if self.scope not in ("layer", "network"):
            raise ValueError(f"expected a scope of layer or network, got {self.scope!r}")
        if self.scope == "network" and self.layers:
            raise ValueError(
                f"expected shares of single layers with the scope layer, got {', '.join(self.layers)}; leave them out"
            )
        if self.rounds < 1:
            raise ValueError(f"expected at least one round, got {self.rounds}")


@dataclass(frozen=True, kw_only=True)
class RestoreSettings:
    """How a network is trained on when its pruned weights may come back: the last step of dense-sparse-dense training."""

    training: TrainingSettings = _RESTORING


def prune_by_magnitude(network, settings, run):
    """Prune a trained ``network`` in rounds that are recorded in ``run``; ``network`` stays as it is.

    Returns
    -------
    Network
        Of ``MaskedConvolution``.

    Raises
    ------
    ValueError
        If a layer that a share is given for has no weights that can be pruned.
    """
    made = network
    for number in range(1, settings.rounds + 1):
        suffix = f"-{number}" if settings.rounds > 1 else ""
        part = number / settings.rounds
        made = run.phase(f"magnitude{suffix}", prune_least, made, settings, part)
        run.train(f"magnitude-tune{suffix}", made, settings.tuning)
    return made


def prune_least(network, settings, part=1.0):
    """``network`` with masks, of which as many weights are zero as ``settings`` ask for after the ``part`` 0 to 1 of all rounds."""
    made = masked_network(network)
    units = prunable_units(made)
    by_name = layer_shares((layer.name for layer, _ in units), settings.sparsity, settings.layers)
    if settings.scope == "network":
        shares = _network_shares(units, _after(settings.sparsity, part))
    else:
        shares = [_after(share, part) for share in by_name.values()]
    for (_, unit), share in zip(units, shares, strict=True):
        unit.prune(share)
    return made


def restore(network, settings, run):
    """Train ``network``, which stays as it is, without the masks that it has; recorded in ``run``."""
    made = run.phase("restore", restored_network, network)
    return run.train("restore-tune", made, settings.training)


def _after(share, part):
    return 1 - (1 - share) ** part


def _network_shares(units, share):
    """Share of each unit when the least ``share`` of all weights goes, wherever it is."""
    magnitudes = [torch.where(unit.kept, unit.weight.detach().abs(), -1.0).flatten() for _, unit in units]
    every = torch.cat(magnitudes)
    least = every.argsort(stable=True)[: round(share * every.numel())]
    goes = torch.zeros_like(every, dtype=torch.bool)
    goes[least] = True
    return [float(part.double().mean()) for part in goes.split([len(part) for part in magnitudes])]
