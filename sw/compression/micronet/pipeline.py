"""The winner's pipeline as methods of a recipe: zeros by sensitivity, then uniform quantisation, each with its fine-tuning.

Source: P. Wang et al., MicroNet Challenge 2019, who chose the zeros by hand; ours are in ``budget``.
"""

from dataclasses import dataclass, field

from ...network import INPUT
from ...training import TrainingSettings
from ..masked import prunable_units
from ..quantisation import quantised_network
from ..requantisation import IntegerLimits
from ..run import calibration_images
from .budget import COSTS, budget_of, choose, prune_to
from .sensitivity import scan
from .uniform import hold, uniform_network

__all__ = ["SensitivitySettings", "UniformSettings", "prune_by_sensitivity", "quantise_uniformly"]

_TUNING = TrainingSettings(epochs=10, rate=0.005, augmentation="crop-flip")


@dataclass(frozen=True, kw_only=True)
class SensitivitySettings:
    """What pruning by sensitivity is told.

    Raises
    ------
    ValueError
        If a number is out of range, or there is no such cost.
    """

    #: Share of the weights, or of their multiply-adds, that is saved.
    sparsity: float = 0.6
    #: Which: ``"parameters"`` or ``"operations"``.
    cost: str = "parameters"
    #: Of the training part, that the scan measures accuracy on.
    images: int = 1000
    #: Training with the zeros kept.
    tuning: TrainingSettings = _TUNING

    def __post_init__(self):
        if not 0 <= self.sparsity < 1:
            raise ValueError(f"expected a sparsity from 0 to below 1, got {self.sparsity}")
        if self.cost not in COSTS:
            raise ValueError(f"expected a cost of {' or '.join(COSTS)}, got {self.cost!r}")
        if self.images < 1:
            raise ValueError(f"expected at least one image to scan on, got {self.images}")


@dataclass(frozen=True, kw_only=True)
class UniformSettings:
    """What uniform quantisation is told; bits are from 2 to 8.

    Raises
    ------
    ValueError
        If bits are out of range.
    """

    #: Of weights; of those of the layers that read the image, and of the last one.
    weight_bits: int = 4
    end_bits: int = 8
    #: Of weights of single layers instead, by name.
    layers: dict[str, int] = field(default_factory=dict)
    activation_bits: int = 7
    #: Of the training part, that activations are taken from.
    images: int = 512
    #: Training with all scales frozen.
    tuning: TrainingSettings = _TUNING
    #: Widths that the integers must fit; ``None`` is those of ``IntegerLimits.of()``.
    limits: IntegerLimits | None = None

    def __post_init__(self):
        every = {"weights": self.weight_bits, "the ends": self.end_bits, "activations": self.activation_bits}
        for name, bits in {**every, **self.layers}.items():
            if not 2 <= bits <= 8:
                raise ValueError(f"expected 2 to 8 bits, got {bits} of {name}")
        if self.images < 1:
            raise ValueError(f"expected at least one image to solve scales on, got {self.images}")


def prune_by_sensitivity(network, settings, run):
    """Prune ``network``, which stays as it is, where it bears it; recorded in ``run``. Gives a network of ``MaskedConvolution``."""

    def pruned():
        images = run.dataset.train_images
        every = slice(None, None, max(1, len(images) // settings.images))
        found = scan(network, images[every], run.dataset.train_labels[every])
        zeros = choose(found, budget_of(found, 1 - settings.sparsity, settings.cost), settings.cost).zeros
        return prune_to(network, zeros)

    made = run.phase("sensitivity", pruned)
    return run.train("sensitivity-tune", made, settings.tuning)


def quantise_uniformly(network, settings, run):
    """Quantise ``network``, which stays as it is; recorded in ``run``.

    Returns
    -------
    QuantisedNetwork
        Integers can be read out of it with ``integer_network``.

    Raises
    ------
    ValueError
        If bits are given for a layer that is not there, or a sum does not fit.
    """
    names = [layer.name for layer, _ in prunable_units(network)]
    unknown = [name for name in settings.layers if name not in names]
    if unknown:
        raise ValueError(f"expected bits of layers from {', '.join(names)}, got {unknown[0]!r}")
    ends = {layer.name for layer, _ in prunable_units(network) if layer.input == INPUT} | {names[-1]}
    bits = {name: settings.end_bits if name in ends else settings.weight_bits for name in names}
    images = calibration_images(run.dataset, settings.images)
    grids = {}

    def quantised():
        made, found = uniform_network(
            network, images, weight_bits=bits | settings.layers, activation_bits=settings.activation_bits
        )
        grids.update(found)
        return made

    made = run.train("uniform-tune", run.phase("uniform", quantised), settings.tuning, on_step=hold)
    limits = settings.limits or IntegerLimits.of()
    return run.phase("uniform-integers", quantised_network, made, grids, limits)
