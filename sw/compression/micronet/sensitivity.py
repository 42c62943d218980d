"""How much accuracy each layer of a network costs when it alone is pruned, without retraining.

Source: P. Wang et al., MicroNet Challenge 2019; the same analysis as in S. Han et al., NeurIPS 2015.
"""

from dataclasses import dataclass

from ...training import accuracy
from ..masked import MaskedConvolution, prunable_units

__all__ = ["SHARES", "LayerSensitivity", "Sensitivity", "scan"]

#: Shares of zeros that are tried.
SHARES = tuple(tenths / 10 for tenths in range(1, 10))


@dataclass(frozen=True, kw_only=True)
class LayerSensitivity:
    """One layer."""

    name: str
    weights: int
    #: Positions of the output: multiply-adds of one weight.
    places: int
    #: For each share of zeros, accuracy with the least weights of this layer zero.
    accuracies: tuple


@dataclass(frozen=True, kw_only=True)
class Sensitivity:
    """A scan."""

    shares: tuple
    #: Before anything is pruned.
    accuracy: float
    #: That accuracies were measured on.
    images: int
    layers: tuple


def scan(network, images, labels, shares=SHARES, progress=None):
    """Accuracy of ``network`` for each layer and each share of zeros in that layer alone.

    Parameters
    ----------
    network : sw.model.Network
        Stays as it is.
    images, labels
        uint8 [n, C, H, W] and int64 [n]; what is chosen by the result should be tested on others.
    shares : sequence of float
        Above 0 and below 1, rising.
    progress : callable or None
        Called with the share that is done and the name of the layer.

    Returns
    -------
    Sensitivity

    Raises
    ------
    ValueError
        If no layer has weights of its own, or shares are out of range or order.
    """
    shares = tuple(shares)
    if not shares or not all(0 < share < 1 for share in shares) or list(shares) != sorted(set(shares)):
        raise ValueError(
            f"expected rising shares of zeros above 0 and below 1, got {', '.join(f'{share:g}' for share in shares) or 'none'}"
        )
    units = prunable_units(network)
    layers = []
    for number, (layer, unit) in enumerate(units):
        found = []
        for share in shares:
            if progress is not None:
                progress((number + len(found) / len(shares)) / len(units), layer.name)
            pruned = MaskedConvolution.of(unit)
            pruned.prune(share)
            found.append(accuracy(network.replaced({layer.name: pruned}), images, labels))
        _, height, width = network.shapes[layer.name]
        layers.append(
            LayerSensitivity(
                name=layer.name, weights=unit.weight.numel(), places=height * width, accuracies=tuple(found)
            )
        )
    return Sensitivity(
        shares=shares,
        accuracy=accuracy(network, images, labels),
        images=len(images),
        layers=tuple(layers),
    )
