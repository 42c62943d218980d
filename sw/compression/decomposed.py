"""The convolution that PENNI trains: real coefficients of a few shared basis kernels."""

import copy

import torch
from torch import nn

from ..model import ConvolutionUnit, DenseConvolution
from ..narrowing import put
from .decomposition import decompose, rebuild

__all__ = [
    "DecomposedConvolution",
    "coefficient_penalty",
    "decompose_network",
    "decomposed_units",
]


class DecomposedConvolution(ConvolutionUnit):
    """Convolution with the kernel ``sum_m q[k, c, m] * B[m]``.

    Parameters
    ----------
    layer, normalise
        As for ``ConvolutionUnit``.
    coefficients : Tensor [K, C / groups, M]
    bases : Tensor [M, R, S]
    kept : Tensor or None
        bool, of the shape of ``coefficients``: the others stay zero. ``None`` keeps all.
    """

    per_channel = ("coefficients", "kept")
    #: Names of all its parameters and buffers [..., M].
    per_coefficient = ("coefficients", "kept")
    #: The same for [M, ...].
    per_basis = ("bases",)

    def __init__(self, layer, coefficients, bases, normalise, kept=None):
        super().__init__(layer, normalise)
        self.coefficients, self.bases = nn.Parameter(coefficients), nn.Parameter(bases)
        kept = torch.ones_like(coefficients, dtype=torch.bool) if kept is None else kept
        self.register_buffer("kept", kept.clone())

    @classmethod
    def of(cls, unit, bases):
        """The closest one to a ``DenseConvolution``, which stays as it is.

        Raises
        ------
        ValueError
            If more bases are asked for than the R * S there are.
        """
        coefficients, kernels = decompose(unit.weight, bases)
        return cls(unit.layer, coefficients, kernels, copy.deepcopy(unit.normalise))

    def combination(self):
        """Coefficients [K, C / groups, M] as the convolution uses them."""
        return self.coefficients * self.kept

    def kernel(self):
        return rebuild(self.combination(), self.bases)

    def sparse_numbers(self):
        return self.combination()

    def narrowed(self, outputs, inputs, layer):
        """As for every unit; a basis that no coefficient is left for goes too, unless it is the last."""
        unit = super().narrowed(outputs, inputs, layer)
        used = unit.combination().detach().ne(0).any(1).any(0)
        used[0] |= not used.any()
        for name in self.per_coefficient:
            put(unit, name, getattr(unit, name).detach()[..., used])
        for name in self.per_basis:
            put(unit, name, getattr(unit, name).detach()[used])
        return unit

    def importance(self):
        """What each coefficient adds to the kernel: its magnitude times the norm of its basis, [K, C / groups, M]."""
        return (self.combination().abs() * self.bases.flatten(1).norm(dim=1)).detach()


def decomposed_units(network):
    """Layers and units of a network that are decomposed, in order."""
    return [(layer, unit) for layer, unit in network.units() if isinstance(unit, DecomposedConvolution)]


def decompose_network(network, plans):
    """``network`` with every layer decomposed that ``plans``, ``{name: LayerPlan}``, says so; other units are copied."""
    units = {}
    for layer, unit in network.units():
        plan = plans[layer.name]
        if isinstance(unit, DenseConvolution) and plan.decomposed:
            # The planes of a 1x1 layer come with its ternary numbers.
            places = layer.kernel[0] * layer.kernel[1]
            units[layer.name] = DecomposedConvolution.of(unit, min(plan.bases, places))
        else:
            units[layer.name] = copy.deepcopy(unit)
    return network.replaced(units)


def coefficient_penalty(network):
    """Sum of the magnitudes of all coefficients: the penalty of PENNI."""
    return sum(unit.combination().abs().sum() for _, unit in decomposed_units(network))
