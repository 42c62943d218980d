"""Which layers can lose output channels, and the removal of some."""

import copy

import torch

from ...layers import ConvolutionLayer, layer_inputs
from ...model import Affine
from ..shrinking import shrink

__all__ = ["free_layers", "offsets_of", "without_channels"]


def free_layers(network):
    """Convolutions and their units, in order, whose output channels can go one by one.

    Those are all but the last one, those in groups and fixed ones, and those that take part in a residual sum, also behind pooling,
    concatenation or a depthwise convolution.

    Raises
    ------
    ValueError
        If there is none.
    """
    free = [
        (layer, unit)
        for layer, unit in network.units()
        if layer.groups == 1 and not layer.fixed and not _bound(network, layer)
    ]
    if not free:
        raise ValueError("expected a layer whose channels can leave, got residual sums alone")
    return free


def _bound(network, layer):
    """Whether the channels of a layer's output must stay, or go with those of others."""
    if layer is network.layers[-1] or getattr(layer, "residual", None) is not None:
        return True
    for reader in network.layers:
        if layer.name not in layer_inputs(reader):
            continue
        if isinstance(reader, ConvolutionLayer):
            if reader.residual == layer.name:
                return True
            if reader.groups == 1:
                continue
            if not reader.depthwise:
                return True
        # Pooling, concatenation and depthwise convolutions hand channels on.
        if _bound(network, reader):
            return True
    return False


def offsets_of(normalise):
    """Gains and offsets of a unit, parameters [K]."""
    if isinstance(normalise, Affine):
        return normalise.gain, normalise.offset
    return normalise.weight, normalise.bias


@torch.no_grad()
def without_channels(network, kept, *, constants=False):
    """A network without some output channels of some layers; ``network`` stays as it is.

    Parameters
    ----------
    kept : dict
        bool [K] by name of the layer, of ``free_layers``.
    constants : bool
        Whether what a batch norm makes of nothing, for a channel that goes, is added to what follows: exactly, but for sums beside the
        border of a padded convolution, which get its mean. Otherwise the channel was 0.
    """
    silent = copy.deepcopy(network)
    for name, stays in kept.items():
        gain, offset = offsets_of(silent.unit(name).normalise)
        gain[~stays] = 0
        if not constants:
            offset[~stays] = 0
            if not isinstance(silent.unit(name).normalise, Affine):
                silent.unit(name).normalise.running_mean[~stays] = 0
    return shrink(silent, exact=False).network
