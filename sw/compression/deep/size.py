"""What a network with shared weights takes, to the bit, step by step as in the paper.

Of a layer with n weights, of which m are stored (fillers among them) in b bits, gaps in g, and k centroids:

* pruned: ``m * (32 + g)``, gaps for 32-bit weights;
* shared: ``m * (b + g) + 32 * k``;
* coded: codes and gaps each by a canonical Huffman code with its table, or as they are where that is less; a bit says which.

Gains and offsets of the output channels take 32 bits each, where they are not 1 and 0, before compression and after.
"""

from dataclasses import dataclass

from ...model import Affine
from .huffman import coded_bits
from .relative import to_relative
from .shared import shared_units

__all__ = ["LayerSize", "code_size", "layer_sizes", "total_size"]

_FLOAT = 32


@dataclass(frozen=True, kw_only=True)
class LayerSize:
    """Bits of one layer, or of several."""

    #: Weights, and those that are not zero.
    weights: int = 0
    nonzero: int = 0
    #: Zeros that are stored because a gap is longer than its bits can say.
    fillers: int = 0
    #: Gains and offsets.
    scales: int = 0
    codebook: int = 0
    #: Codes and gaps in their fixed widths.
    codes: int = 0
    gaps: int = 0
    #: The same as they are stored, tables and the bits that say which way included.
    coded_codes: int = 0
    coded_gaps: int = 0

    @property
    def dense(self):
        """Before compression."""
        return _FLOAT * self.weights + self.scales

    @property
    def pruned(self):
        """With 32-bit weights, zeros left out."""
        return _FLOAT * (self.nonzero + self.fillers) + self.gaps + self.scales

    @property
    def shared(self):
        """With codes instead of weights."""
        return self.codebook + self.codes + self.gaps + self.scales

    @property
    def coded(self):
        """All that is stored."""
        return self.codebook + self.coded_codes + self.coded_gaps + self.scales

    @property
    def ratio(self):
        """Of the bits before compression to those after."""
        return self.dense / self.coded

    def __add__(self, other):
        return LayerSize(
            **{name: getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__}
        )


def layer_sizes(network):
    """``{name: LayerSize}`` of every layer of a ``sw.model.Network`` with shared weights."""
    return {layer.name: _size(unit) for layer, unit in shared_units(network)}


def total_size(network):
    """``LayerSize`` of all layers with shared weights together."""
    return sum(layer_sizes(network).values(), LayerSize())


def code_size(codes, *, bits, gap_bits, centroids, scales):
    """``LayerSize`` of a layer.

    Parameters
    ----------
    codes : array
        uint8 [n], 0 for no weight.
    bits, gap_bits : int
        Of a code and of a gap.
    centroids : int
        Of the codebook, 0 not among them.
    scales : int
        Bits of gains and offsets.
    """
    stored, gaps = to_relative(codes, gap_bits)
    nonzero = int((codes != 0).sum())
    return LayerSize(
        weights=codes.size,
        nonzero=nonzero,
        fillers=len(stored) - nonzero,
        scales=scales,
        codebook=_FLOAT * centroids,
        codes=bits * len(stored),
        gaps=gap_bits * len(gaps),
        coded_codes=1 + min(bits * len(stored), sum(coded_bits(stored, 1 << bits))),
        coded_gaps=1 + min(gap_bits * len(gaps), sum(coded_bits(gaps, 1 << gap_bits))),
    )


def _size(unit):
    return code_size(
        unit.codes.flatten().cpu().numpy(),
        bits=unit.bits,
        gap_bits=unit.gap_bits,
        centroids=len(unit.centroids),
        scales=_scales(unit.normalise),
    )


def _scales(normalise):
    if isinstance(normalise, Affine):
        stored = [bool((normalise.gain != 1).any()), bool((normalise.offset != 0).any())]
        return _FLOAT * len(normalise.gain) * sum(stored)
    # A batch norm is a gain and an offset in inference.
    return _FLOAT * 2 * normalise.num_features
