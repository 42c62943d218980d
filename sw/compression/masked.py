"""Convolutions of which some weights are zero for good."""

import copy

import torch

from ..model import DenseConvolution

__all__ = ["MaskedConvolution", "masked_network", "prunable_units", "restored_network"]


class MaskedConvolution(DenseConvolution):
    """An ordinary convolution in which only some weights are used and trained.

    Parameters
    ----------
    layer, weight, normalise
        As for ``DenseConvolution``.
    kept : Tensor
        bool [K, C / groups, R, S]: the others are zero, and stay so in training.
    """

    per_channel = (*DenseConvolution.per_channel, "kept")

    def __init__(self, layer, weight, normalise, kept):
        super().__init__(layer, weight * kept, normalise)
        self.register_buffer("kept", kept.clone())

    @classmethod
    def of(cls, unit):
        """A ``DenseConvolution``, which stays as it is, with the weights that it has; those of a masked one stay masked."""
        weight = unit.weight.detach()
        kept = unit.kept if isinstance(unit, cls) else torch.ones_like(weight, dtype=torch.bool)
        return cls(unit.layer, weight, copy.deepcopy(unit.normalise), kept)

    def kernel(self):
        return self.weight * self.kept

    def sparse_numbers(self):
        return self.kernel()

    @torch.no_grad()
    def prune(self, share):
        """Make the least weights zero, so that ``share`` of all of them, rounded to whole weights, is."""
        # What is zero for good goes before what happens to be zero.
        magnitude = torch.where(self.kept, self.weight.abs(), -1.0).flatten()
        least = magnitude.argsort(stable=True)[: round(share * magnitude.numel())]
        self.kept.view(-1)[least] = False
        self.weight *= self.kept


def prunable_units(network):
    """Layers and units whose weights can be pruned one by one: convolutions with weights of their own that are trained.

    Raises
    ------
    ValueError
        If there is none.
    """
    units = [
        (layer, unit)
        for layer, unit in network.units()
        if isinstance(unit, DenseConvolution) and not layer.fixed
    ]
    if not units:
        raise ValueError("expected a layer with weights of its own, got none; prune before decomposing")
    return units


def masked_network(network):
    """``network`` with a mask on every layer that has weights of its own, which keeps all; other units are copied."""
    return _remade(network, MaskedConvolution.of)


def restored_network(network):
    """``network`` without masks: weights that were pruned start again from zero."""
    return _remade(
        network,
        lambda unit: DenseConvolution(
            unit.layer, unit.kernel().detach().clone(), copy.deepcopy(unit.normalise)
        ),
    )


def _remade(network, make):
    prunable = {layer.name for layer, _ in prunable_units(network)}
    return network.replaced(
        {
            layer.name: make(unit) if layer.name in prunable else copy.deepcopy(unit)
            for layer, unit in network.units()
        }
    )
