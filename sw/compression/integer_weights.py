"""Weights of a convolution as integers, with a gradient to the numbers that they come from.

Five kinds: ternary combinations of 8-bit bases that all output channels share, weights that share the values of a codebook, 8-bit kernels of each output
channel's own, the same with scales that were solved before, and fixed selections.
"""

import numpy as np
import torch
from torch import nn

from ..model import DenseConvolution
from .decomposition import rebuild
from .deep.shared import SharedConvolution
from .micronet.uniform import FrozenScaleConvolution
from .requantisation import round_half_up
from .ternary import TernaryConvolution

__all__ = [
    "CodebookWeights",
    "FixedWeights",
    "FrozenWeights",
    "OwnWeights",
    "SharedWeights",
    "integer_weights",
]

_HIGH = 127
#: Share of the accumulator that weights may fill before retraining moves them.
_HEADROOM = 0.75


class _Weights(nn.Module):
    """Integer weights times ``scale``, a scalar or [K], are the real ones.

    Members
    -------
    kernel() : Tensor [K, C / groups, R, S]
        Integers.
    integers() : int8 arrays
        Coefficients [K, C, M] and bases [M, R, S] or [K, M, R, S], for ``sw.network.Convolution``.
    """

    #: Whether integers follow ``scale``.
    adjustable = True

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    @torch.no_grad()
    def reach(self, low, high):
        """Largest magnitude of the sum of each output channel, [K], for inputs from ``low`` to ``high``."""
        kernel = self.kernel().double().flatten(1)
        positive, negative = kernel.clamp(min=0).sum(1), kernel.clamp(max=0).sum(1)
        return torch.maximum(positive * high + negative * low, -(positive * low + negative * high))

    def fit(self, low, high, limit):
        """Make ``scale`` coarser until sums of inputs from ``low`` to ``high`` stay below ``limit``, with room for training."""
        share = (self.reach(low, high) / (limit * _HEADROOM)).max()
        if share > 1:
            self.scale *= float(share)

    def _spread(self, coefficients):
        """Coefficients [K, C / groups, M] among all input channels, [K, C, M]."""
        outputs, channels, bases = coefficients.shape
        spread = np.zeros((outputs, self.layer.inputs, bases), np.int8)
        for output in range(outputs):
            first = output * self.layer.groups // outputs * channels
            spread[output, first : first + channels] = coefficients[output]
        return spread


class SharedWeights(_Weights):
    """Of a ``TernaryConvolution``: one scale for all bases of the layer, so that their sum keeps its meaning."""

    def __init__(self, unit):
        super().__init__(unit.layer)
        self.unit = unit
        unit.normalise = None
        self.register_buffer("scale", unit.bases.detach().abs().max().clamp(min=1e-12) / _HIGH)

    def integer_bases(self):
        """Bases [M, R, S] in -127..127."""
        return round_half_up((self.unit.bases / self.scale).clamp(-_HIGH, _HIGH))

    def kernel(self):
        return rebuild(self.unit.combination(), self.integer_bases())

    @torch.no_grad()
    def integers(self):
        coefficients = self.unit.combination().cpu().numpy().astype(np.int8)
        return self._spread(coefficients), self.integer_bases().cpu().numpy().astype(np.int8)


class CodebookWeights(_Weights):
    """Of a ``SharedConvolution`` of 1x1: its centroids as 8-bit integers, a basis for each magnitude that is there; weights are where it is used, and the sign.

    All inputs with one weight are added first, and multiplied once.

    Raises
    ------
    ValueError
        If the kernel is larger.
    """

    def __init__(self, unit):
        super().__init__(unit.layer)
        if unit.layer.kernel != (1, 1):
            raise ValueError(
                f"layer {unit.layer.name}: expected a 1x1 kernel, as fully connected layers have, where weights share values, "
                f"got {unit.layer.kernel[0]}x{unit.layer.kernel[1]}; make the layer ternary"
            )
        self.unit = unit
        unit.normalise = None
        peak = max((float(value) for value in unit.centroids.detach().abs()), default=1.0)
        self.register_buffer("scale", torch.tensor(max(peak, 1e-12) / _HIGH))

    def kernel(self):
        centroids = round_half_up((self.unit.centroids / self.scale).clamp(-_HIGH, _HIGH))
        values = torch.cat((centroids.new_zeros(1), centroids))
        return values.index_select(0, self.unit.codes.flatten().int()).view(self.unit.codes.shape)

    @torch.no_grad()
    def integers(self):
        kernel = self.kernel()[:, :, 0, 0].cpu().numpy().astype(np.int8)
        magnitudes = np.unique(np.abs(kernel[kernel != 0]))
        if not len(magnitudes):
            magnitudes = np.ones(1, np.int8)
        used = np.abs(kernel)[..., None] == magnitudes
        return self._spread(np.sign(kernel)[..., None] * used), magnitudes[:, None, None]


class OwnWeights(_Weights):
    """Of a ``DenseConvolution``: a scale for each output channel; every input channel of its group has a basis."""

    def __init__(self, unit):
        super().__init__(unit.layer)
        self.weight = nn.Parameter(unit.weight.detach().clone(), requires_grad=not unit.layer.fixed)
        peak = self.weight.detach().abs().flatten(1).amax(1)
        self.register_buffer("scale", peak.clamp(min=1e-12) / _HIGH)

    def kernel(self):
        return round_half_up((self.weight / self.scale[:, None, None, None]).clamp(-_HIGH, _HIGH))

    @torch.no_grad()
    def integers(self):
        outputs, channels = self.weight.shape[:2]
        each = np.broadcast_to(np.eye(channels, dtype=np.int8), (outputs, channels, channels))
        return self._spread(each), self.kernel().cpu().numpy().astype(np.int8)


class FrozenWeights(OwnWeights):
    """Of a ``FrozenScaleConvolution``: its own integers at its own scales."""

    adjustable = False

    def __init__(self, unit):
        _Weights.__init__(self, unit.layer)
        self.unit = unit
        unit.normalise = None
        self.register_buffer("scale", unit.scale.clone())

    @property
    def weight(self):
        """Real numbers behind the integers."""
        return self.unit.weight

    def fit(self, low, high, limit):
        """Scales are frozen: raises ``ValueError`` where sums do not stay below ``limit``."""
        reach = int(self.reach(low, high).max())
        if reach >= limit:
            raise ValueError(
                f"layer {self.layer.name}: expected sums below {limit}, got {reach}; give its weights fewer bits"
            )

    def kernel(self):
        return self.unit.integers()


class FixedWeights(_Weights):
    """Of a fixed 1x1 convolution of -1, 0 and +1: the coefficients themselves, and the basis 1."""

    adjustable = False

    def __init__(self, unit):
        super().__init__(unit.layer)
        self.register_buffer("weight", unit.weight.detach().clone())
        self.register_buffer("scale", torch.ones(()))

    def fit(self, low, high, limit):
        """Nothing is to be done: one activation or a few are added."""

    def kernel(self):
        return self.weight

    def integers(self):
        coefficients = self.weight[:, :, 0, 0, None].cpu().numpy().astype(np.int8)
        return self._spread(coefficients), np.ones((1, 1, 1), np.int8)


def integer_weights(unit):
    """The weights of a unit as integers.

    Raises
    ------
    ValueError
        If its coefficients are real numbers, which the accelerator does not have.
    """
    if isinstance(unit, TernaryConvolution):
        return SharedWeights(unit)
    if isinstance(unit, SharedConvolution):
        return CodebookWeights(unit)
    if isinstance(unit, FrozenScaleConvolution) and unit.bits is not None:
        return FrozenWeights(unit)
    if not isinstance(unit, DenseConvolution | FrozenScaleConvolution):
        raise ValueError(
            f"layer {unit.layer.name}: expected ternary coefficients or 8-bit weights, got {type(unit).__name__}; make it ternary"
        )
    ternary = bool((unit.weight.abs() - unit.weight.abs().round() == 0).all()) and bool(
        (unit.weight.abs() <= 1).all()
    )
    if unit.layer.fixed and ternary and unit.layer.kernel == (1, 1):
        return FixedWeights(unit)
    return OwnWeights(unit)
