"""The convolution whose weights share a few values."""

import copy

import torch
from torch import nn

from ...model import Affine, ConvolutionUnit
from .clusters import cluster

__all__ = ["SharedConvolution", "shared_units"]


class SharedConvolution(ConvolutionUnit):
    """Convolution with weights from a codebook; 0 is in it, and is not trained.

    The gradient of a centroid is the sum of those of all weights that use it (section 3.3 of the paper).

    Parameters
    ----------
    layer, normalise
        As for ``ConvolutionUnit``.
    centroids : Tensor
        [k], at most ``2**bits - 1``.
    codes : Tensor
        uint8 [K, C / groups, R, S]: 0 for no weight, i for the centroid i - 1.
    bits, gap_bits : int
        Of a code and of the gap before it where they are stored, from 1 to 8.
    """

    per_channel = ("codes",)

    def __init__(self, layer, centroids, codes, normalise, *, bits, gap_bits):
        super().__init__(layer, normalise)
        if isinstance(self.normalise, Affine):
            # Centroids are trained instead.
            self.normalise.gain.requires_grad_(False)
        self.centroids = nn.Parameter(centroids)
        self.register_buffer("codes", codes)
        self.bits, self.gap_bits = bits, gap_bits

    @classmethod
    def of(cls, unit, *, bits, gap_bits, start="linear", seed=0):
        """The closest one to a unit with a real kernel, which stays as it is.

        The weights that are not zero are clustered into ``2**bits - 1`` values, by ``start`` and ``seed`` as for ``cluster``. A gain
        that no batch norm makes becomes part of them.
        """
        kernel, normalise = unit.kernel().detach(), copy.deepcopy(unit.normalise)
        if isinstance(normalise, Affine):
            kernel = kernel * normalise.gain.detach()[:, None, None, None]
            normalise.gain = nn.Parameter(torch.ones_like(normalise.gain))
        kernel = kernel.cpu()
        used = kernel != 0
        centroids, labels = cluster(kernel[used].numpy(), (1 << bits) - 1, start=start, seed=seed)
        codes = torch.zeros(kernel.shape, dtype=torch.uint8)
        codes[used] = torch.from_numpy(labels + 1).to(torch.uint8)
        return cls(unit.layer, torch.from_numpy(centroids), codes, normalise, bits=bits, gap_bits=gap_bits)

    def kernel(self):
        values = torch.cat((self.centroids.new_zeros(1), self.centroids))
        return values.index_select(0, self.codes.flatten().int()).view(self.codes.shape)

    def sparse_numbers(self):
        return self.codes


def shared_units(network):
    """Layers and units of a network whose weights share values, in order."""
    return [(layer, unit) for layer, unit in network.units() if isinstance(unit, SharedConvolution)]
