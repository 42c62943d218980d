"""ESCALATE: ternary coefficients and 8-bit bases, trained through their rounding, then the integers of the accelerator.

Source: S. Li et al., "ESCALATE: Boosting the Efficiency of Sparse CNN Accelerator with Kernel Decomposition", MICRO 2021. The
paper leaves open how coefficients become ternary and when zeros come; what is done here is ours (``docs/compression.md``).
"""

import copy
from dataclasses import dataclass, field

from ..training import Distillation, TrainingSettings, repeatable
from .amc.cycles import estimate_cycles
from .amc.pipeline import search_policy
from .amc.settings import SearchSettings
from .amc.settling import settled, spread
from .amc.spaces import coefficient_space
from .bias_correction import correct_biases
from .fitting import fit_network
from .grids import calibrate
from .plan import plan_layers
from .quantisation import integer_network, quantised_network
from .requantisation import IntegerLimits
from .run import calibration_images
from .shrinking import shrink
from .ternary import TernaryConvolution, set_sparsity, sparsity, ternary_network, ternary_units

__all__ = [
    "TEACHER",
    "EscalateSettings",
    "SearchedEscalateSettings",
    "first_ternary",
    "pruned_units",
    "train_integers",
    "train_ternary",
]

#: How the network before compression teaches.
TEACHER = Distillation(weight=0.7, temperature=3.0)
_RETRAINING = TrainingSettings(epochs=30, rate=0.02, augmentation="crop-flip", distillation=TEACHER)
_REFINING = TrainingSettings(epochs=5, rate=0.002, augmentation="crop-flip", distillation=TEACHER)


@dataclass(frozen=True, kw_only=True)
class EscalateSettings:
    """What ESCALATE is told.

    Raises
    ------
    ValueError
        If a number is out of range.
    """

    #: M of every layer.
    bases: int = 5
    #: Instead of M: as few bases as keep this share of a layer's squared weights.
    energy: float | None = None
    #: Bases that each output channel keeps of the M; the others cost it no cycle. ``None`` keeps all.
    kept: int | None = 2
    #: Ternary planes of 1x1 layers, and of the last layer.
    planes: int = 2
    last_planes: int = 4
    #: Share of all ternary coefficients that is zero in the end: the knob from accuracy to speed.
    sparsity: float = 0.6
    #: Training images that ternary coefficients and bases are fitted on before they are trained.
    fitting: int = 1000
    #: Shares of the retraining between which ternary coefficients settle, one after the other, at what they usually were; then only all else is trained.
    settle_from: float = 0.4
    settle_until: float = 0.95
    #: Training through the ternary rounding, with the network before compression as teacher.
    retraining: TrainingSettings = _RETRAINING
    #: Training on the grid of integers of all but the ternary coefficients, which stay.
    refining: TrainingSettings = _REFINING
    #: Training images that the scales of activations are chosen on.
    calibration: int = 1000
    #: Widths that the integers must fit; ``None`` is those of ``IntegerLimits.of()``.
    limits: IntegerLimits | None = None

    def __post_init__(self):
        if not 0 <= self.sparsity < 1:
            raise ValueError(f"expected a sparsity from 0 to below 1, got {self.sparsity}")
        for name in ("fitting", "calibration"):
            if getattr(self, name) < 1:
                raise ValueError(f"expected at least 1 image of {name}, got {getattr(self, name)}")
        if not 0 < self.settle_from <= self.settle_until <= 1:
            raise ValueError(
                "expected 0 < settle_from <= settle_until <= 1, "
                f"got settle_from = {self.settle_from} and settle_until = {self.settle_until}"
            )

    def settled(self, fraction):
        """Share of the ternary coefficients that stay as they are when ``fraction`` of the retraining is done, from 0 to 1."""
        if not self.settle_from < fraction < self.settle_until:
            return float(fraction >= self.settle_until)
        return (fraction - self.settle_from) / (self.settle_until - self.settle_from)


@dataclass(frozen=True, kw_only=True)
class SearchedEscalateSettings(EscalateSettings):
    """ESCALATE in which AMC chooses the zeros of each layer, so that ``sparsity`` is the share of what ``search.cost`` counts that is saved.

    Without it one limit of what kernels lose decides for all layers.
    """

    search: SearchSettings = field(default_factory=SearchSettings)


def first_ternary(network, settings):
    """``network`` with ternary coefficients as ``EscalateSettings`` plan them, before they are fitted to anything but its kernels.

    Raises
    ------
    ValueError
        If no layer gets any.
    """
    plans = plan_layers(
        network,
        bases=settings.bases,
        energy=settings.energy,
        kept=settings.kept,
        planes=settings.planes,
        last_planes=settings.last_planes,
    )
    made = ternary_network(network, plans)
    if not ternary_units(made):
        raise ValueError(
            "expected a layer for ternary coefficients, got none: first and depthwise layers, and those of fewer than four channels a group, "
            "keep 8-bit weights; use --recipe micronet"
        )
    return made


def train_ternary(network, settings, run, *, start=None):
    """The first half: ternary coefficients, trained until they have the zeros asked for, by phases recorded in ``run``.

    Parameters
    ----------
    network : sw.model.Network
        Trained; may have been decomposed by PENNI. Stays as it is.
    settings : EscalateSettings
    run : Run
    start : sw.model.Network or None
        What this function gave for the same ``network``: with more zeros, where more are asked for, it is fitted to what it was, and trained on.
        Stays as it is.

    Returns
    -------
    sw.model.Network
    """
    searched, zeros = isinstance(settings, SearchedEscalateSettings), {}
    trained, first = (network, first_ternary(network, settings)) if start is None else (start, start)
    if searched:
        made = run.phase("ternary", _fitted, trained, first, settings, run)
        zeros = _searched(made, settings, run)
        made = run.phase("ternary-zeros", _fitted, trained, first, settings, run, zeros)
    else:
        made = run.phase("ternary", _fitted_with_zeros, trained, first, settings, run)
    return run.train(
        "ternary-retrain",
        made,
        settings.retraining,
        # A search counts the cycles of integers.
        later=("refining", *(() if searched else ("calibration", "limits"))),
        on_step=_keep_zeros(settings, zeros),
    )


def train_integers(ternary, settings, run):
    """The second half: what ``train_ternary`` gave, on grids of integers.

    Returns
    -------
    QuantisedNetwork
        ``sw.compression.quantisation.integer_network`` reads the integers out of it.

    Raises
    ------
    ValueError
        If a layer cannot be expressed in the integers there are.
    """
    made = run.phase("ternary-shrink", lambda: shrink(ternary).network)
    twin = run.phase("quantise", _quantised, made, settings, run)
    # Without the statistics of a batch nothing makes up for a sign that changes, and steps that are right for scales change many.
    for unit in twin.modules():
        if isinstance(unit, TernaryConvolution):
            unit.coefficients.requires_grad_(False)
    return run.train("refine", twin, settings.refining)


def _fitted(trained, first, settings, run, zeros=None):
    """The closest to ``trained`` that the ternary network ``first`` can become without training; ``zeros`` are shares by name of layer."""
    made = copy.deepcopy(first)
    if trained is first and zeros is None:
        return made
    images = calibration_images(run.dataset, settings.fitting)
    with repeatable(settings.retraining.seed):
        return fit_network(trained, made, images, zeros)


def _fitted_with_zeros(trained, first, settings, run):
    """The same with the zeros asked for, where layers lose least by them; what was trained with so many stays as it is."""
    made = _fitted(trained, first, settings, run)
    pruned = pruned_units(made)
    if trained is first and sparsity(pruned) >= settings.sparsity:
        for _, unit in ternary_units(made):
            unit.unsettle()
        return made
    set_sparsity(pruned, settings.sparsity)
    zeros = {layer.name: sparsity([unit]) for layer, unit in ternary_units(made) if unit in pruned}
    run.show(0.5, "fitted; again with zeros")
    return _fitted(trained, first, settings, run, zeros)


def _quantised(network, settings, run):
    images = calibration_images(run.dataset, settings.calibration)
    twin = quantised_network(network, calibrate(network, images), settings.limits or IntegerLimits.of())
    return correct_biases(twin, network, images)


def _searched(network, settings, run):
    """Share of zeros of each layer, by name, that a search chose within a phase of its own."""
    zeros = {}

    def integers(pruned):
        # Retraining will give activations a spread like before. Channels without coefficients stay: how many go hangs on all layers.
        made = settled(pruned, spread(run.dataset.train_images, settings.calibration))
        return integer_network(_quantised(made, settings, run), "estimate")

    def searched():
        space = coefficient_space(network)
        if settings.search.cost == "cycles":
            space.cycles = estimate_cycles(space, integers, run)
        removed = search_policy(network, space, settings.sparsity, settings.search, run)
        for layer, gone, count in zip(space.layers, removed, space.counts, strict=True):
            zeros[layer.name] = gone / count
        return space.network(removed)

    run.phase("ternary-search", searched)
    return zeros


def pruned_units(network):
    """Ternary units of a network that one limit decides the zeros of: all but the last layer, unless it is the only one.

    The last is small and decides most; it has the zeros that are best.
    """
    every = ternary_units(network)
    return [unit for layer, unit in every if layer is not network.layers[-1]] or [every[0][1]]


def _keep_zeros(settings, zeros):
    """After each step as many zeros as asked for, in all layers together or those that ``zeros`` has shares of; in the end coefficients settle."""

    def step(trained, fraction):
        ternary = ternary_units(trained)
        if not any(unit.coefficients.requires_grad for _, unit in ternary):
            return
        if zeros:
            for layer, unit in ternary:
                set_sparsity([unit], zeros[layer.name])
        else:
            set_sparsity(pruned_units(trained), settings.sparsity)
        share = settings.settled(fraction)
        for _, unit in ternary:
            if share > 0:
                unit.settle(share)
            unit.remember()

    return step
