"""Weight sharing as a step of a compression: clusters of each layer's weights, then training of their centroids."""

import copy
from dataclasses import dataclass

from ...training import TrainingSettings
from ..masked import prunable_units
from .clusters import STARTS
from .shared import SharedConvolution

__all__ = ["SharingSettings", "share_network", "share_weights"]

_TUNING = TrainingSettings(epochs=5, rate=0.001, augmentation="crop-flip")


@dataclass(frozen=True, kw_only=True)
class SharingSettings:
    """What weight sharing is told; bits are those of the networks that the authors published.

    Raises
    ------
    ValueError
        If a number is out of range, or there is no such start.
    """

    #: Of a code: ``2**bits - 1`` values beside 0.
    bits: int = 8
    #: The same of fully connected layers.
    connected_bits: int = 4
    #: Of the zeros before a weight, as they are stored.
    gap_bits: int = 4
    #: Where clusters start: ``"linear"``, ``"density"`` or ``"random"``.
    start: str = "linear"
    #: Of ``"random"``.
    seed: int = 0
    #: Training of the centroids; which weight uses which stays.
    tuning: TrainingSettings = _TUNING

    def __post_init__(self):
        for name in ("bits", "connected_bits", "gap_bits"):
            if not 1 <= getattr(self, name) <= 8:
                raise ValueError(f"expected {name} from 1 to 8, got {getattr(self, name)}")
        if self.start not in STARTS:
            raise ValueError(f"expected a start from {', '.join(STARTS)}, got {self.start!r}")


def share_weights(network, settings, run):
    """Let the weights of each layer of a trained ``network``, which stays as it is, share values; recorded in ``run``.

    Returns
    -------
    Network
        Of ``SharedConvolution``; ``sw.compression.deep.size`` counts its bits.
    """
    made = run.phase("share", share_network, network, settings)
    return run.train("share-tune", made, settings.tuning)


def share_network(network, settings):
    """``network`` with shared weights in every layer that has weights of its own which are trained; other units are copied."""
    units = {layer.name: copy.deepcopy(unit) for layer, unit in network.units()}
    for layer, unit in prunable_units(network):
        units[layer.name] = SharedConvolution.of(
            unit,
            bits=settings.connected_bits if _fully_connected(layer, network.shapes) else settings.bits,
            gap_bits=settings.gap_bits,
            start=settings.start,
            seed=settings.seed,
        )
    return network.replaced(units)


def _fully_connected(layer, shapes):
    return shapes[layer.name][1:] == (1, 1) and shapes[layer.input][1:] == layer.kernel
