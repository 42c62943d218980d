"""PENNI: decomposition, alternating retraining, pruning and shrinking, in floating point.

Source: S. Li et al., "PENNI: Pruned Kernel Sharing for Efficient CNN Inference", ICML 2020.
"""

from dataclasses import dataclass, replace

import torch

from ..training import TrainingSettings
from .decomposed import coefficient_penalty, decompose_network, decomposed_units
from .plan import plan_layers
from .shrinking import shrink

__all__ = ["PenniSettings", "alternate", "penni", "prune"]

_RETRAINING = TrainingSettings(
    epochs=100, rate=0.01, schedule="step", warm_up=0.0, augmentation="crop-flip", weight_decay=1e-4
)
_TUNING = replace(_RETRAINING, epochs=30)


@dataclass(frozen=True, kw_only=True)
class PenniSettings:
    """What PENNI is told; the defaults are the paper's, and its authors' where the paper is silent.

    Raises
    ------
    ValueError
        If a number is out of range.
    """

    #: M of every layer.
    bases: int = 5
    #: Instead of M: as few bases as keep this share of a layer's squared weights.
    energy: float | None = None
    #: Training of bases and coefficients by turns.
    retraining: TrainingSettings = _RETRAINING
    #: Weight of the sum of all coefficients' magnitudes in the loss.
    penalty: float = 1e-4
    #: Epochs after which bases and coefficients take turns.
    interval: int = 2
    #: Share of all coefficients that become zero; ``None`` prunes below ``deviations`` instead.
    zeros: float | None = None
    #: In each layer coefficients become zero that are below this many standard deviations.
    deviations: float = 1.0
    #: Training with the zeros kept.
    tuning: TrainingSettings = _TUNING

    def __post_init__(self):
        if self.interval < 1:
            raise ValueError(f"expected an interval of at least one epoch, got {self.interval}")
        if self.zeros is not None and not 0 <= self.zeros < 1:
            raise ValueError(f"expected a share of zeros from 0 to below 1, got {self.zeros}")
        if not (self.penalty >= 0 and self.deviations >= 0):
            raise ValueError(
                f"expected penalty and deviations of at least 0, got {self.penalty} and {self.deviations}"
            )


def penni(network, settings, run):
    """Compress a trained ``network`` by all four phases, recorded in ``run``; ``network`` stays as it is.

    Returns
    -------
    Network
        Of decomposed layers; channels that became redundant are gone, exactly.
    """
    plans = plan_layers(network, bases=settings.bases, energy=settings.energy)
    made = run.phase("decompose", decompose_network, network, plans)
    run.train(
        "retrain",
        made,
        settings.retraining,
        later=("zeros", "deviations", "tuning"),
        penalty=lambda trained: settings.penalty * coefficient_penalty(trained),
        on_epoch=lambda trained, epoch: alternate(trained, epoch, settings.interval),
    )
    alternate(made, None, settings.interval)
    made = run.phase("prune", _pruned, made, settings)
    run.train("tune", made, settings.tuning)
    return run.phase("shrink", lambda: shrink(made).network)


def alternate(network, epoch, interval):
    """Let coefficients or bases be trained in ``epoch``, by turns of ``interval`` epochs; ``None`` lets both.

    As in the authors' code the first turn of the coefficients is one epoch short.
    """
    turn = None if epoch is None else (epoch + 1) // interval % 2
    for _, unit in decomposed_units(network):
        unit.coefficients.requires_grad_(turn != 1)
        unit.bases.requires_grad_(turn != 0)


@torch.no_grad()
def prune(network, *, zeros=None, deviations=1.0):
    """Make small coefficients of ``network`` zero for good, in place.

    Parameters
    ----------
    zeros : float or None
        Share of all coefficients, those that are zero already among them. The least go by what they add to their kernel.
    deviations : float
        Without ``zeros``: those of a magnitude below this many standard deviations of their layer's coefficients.
    """
    units = [unit for _, unit in decomposed_units(network)]
    if zeros is None:
        for unit in units:
            coefficients = unit.combination()
            unit.kept &= coefficients.abs() >= deviations * coefficients.std(correction=0)
        return
    importance = [unit.importance() for unit in units]
    every = torch.cat([numbers.flatten() for numbers in importance])
    count = round(zeros * every.numel())
    limit = every.kthvalue(count).values if count else every.new_tensor(-1.0)
    for unit, numbers in zip(units, importance, strict=True):
        unit.kept &= numbers > limit


def _pruned(network, settings):
    prune(network, zeros=settings.zeros, deviations=settings.deviations)
    return network
