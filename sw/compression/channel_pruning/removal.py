"""The removal of channels, from all convolutions of their group at once."""

import copy

import torch

from ...model import Affine
from ..shrinking import shrink

__all__ = ["silenced", "without_channels"]


@torch.no_grad()
def without_channels(network, kept, *, constants=False):
    """A network that computes what ``silenced`` computes, without the channels; ``network`` stays as it is.

    Constants that reach a padded convolution are the exception: they add their mean to its sums, also beside the border.

    Parameters
    ----------
    kept, constants
        As for ``silenced``.
    """
    return shrink(silenced(network, kept, constants=constants), exact=False).network


@torch.no_grad()
def silenced(network, kept, *, constants=False):
    """A copy of ``network`` in which some channels are the same for every image.

    Parameters
    ----------
    kept : list
        Pairs of a ``ChannelGroup`` and those of its channels that stay, bool [count].
    constants : bool
        Whether batch norms still make of nothing what they make of it, for a channel that goes. Otherwise it is 0.
    """
    silent = copy.deepcopy(network)
    for group, stays in kept:
        for name in group.layers:
            gone, normalise = ~group.stays(name, stays), silent.unit(name).normalise
            if isinstance(normalise, Affine):
                gain, offset = normalise.gain, normalise.offset
            else:
                gain, offset = normalise.weight, normalise.bias
            gain[gone] = 0
            if not constants:
                offset[gone] = 0
                if not isinstance(normalise, Affine):
                    normalise.running_mean[gone] = 0
    return silent
