"""What can leave a network, layer by layer, and what is left: numbers one by one, or whole filters.

A space has ``layers``, in order, with ``counts`` of what each has, of which ``gone`` are zero already; a policy is how many of each
layer go, those that are zero counted. It gives the ``Work`` that is left, exactly or no less than it is, and the network.
"""

import copy
import dataclasses
import functools

import numpy as np
import torch

from ...complexity import layer_complexity, network_complexity, stored_numbers, total
from ...layers import ConvolutionLayer, layer_inputs
from ...work import FLOAT32, INTEGERS, Geometry, Work, operations, storage
from ..channel_pruning.filters import strongest
from ..channel_pruning.groups import channel_groups
from ..channel_pruning.removal import without_channels
from ..decomposed import decomposed_units
from ..masked import MaskedConvolution, masked_network, prunable_units
from ..ternary import TernaryConvolution

__all__ = ["ChannelSpace", "NumberSpace", "coefficient_space", "weight_space"]


class _Space:
    #: Estimate of cycles by what is removed of each layer, a function; see ``cycles``.
    cycles = None


class NumberSpace(_Space):
    """Numbers of layers that become zero, the least first.

    Parameters
    ----------
    network : sw.model.Network
        Is changed: policies are tried in it.
    units : list
        Layers and units of it that are searched: masked weights, or coefficients of bases.
    """

    def __init__(self, network, units):
        self._network, self._units = network, [unit for _, unit in units]
        self.layers = tuple(layer for layer, _ in units)
        self.shapes = network.shapes
        ternary = any(isinstance(unit, TernaryConvolution) for unit in self._units)
        self._widths = INTEGERS if ternary else FLOAT32
        importance = [_importance(unit) for unit in self._units]
        self._orders = [numbers.flatten().argsort(stable=True) for numbers in importance]
        self._last = [
            _last_of_pairs(order, numbers) for order, numbers in zip(self._orders, importance, strict=True)
        ]
        self.counts = tuple(len(order) for order in self._orders)
        self.gone = tuple(int((~unit.kept).sum()) for unit in self._units)
        self._stored = [stored_numbers(unit) for unit in self._units]
        names = {layer.name for layer in self.layers}
        rows = network_complexity(network, self._widths)
        self._others = total([row for row in rows if row.name not in names])
        self._layer_work = functools.cache(self._layer_work)

    def work(self, removed):
        """``Work`` of the network without ``removed`` of each layer; traffic of maps is left out."""
        return sum((self._layer_work(place, zeros) for place, zeros in enumerate(removed)), self._others)

    def layer_operations(self):
        """Operations of each layer of which nothing went."""
        return [self._layer_work(place, 0).operations for place in range(len(self.layers))]

    @torch.no_grad()
    def candidate(self, removed):
        """The network of a policy, to be measured before the next one is asked for."""
        for unit, order, zeros in zip(self._units, self._orders, removed, strict=True):
            if isinstance(unit, TernaryConvolution):
                _set_thresholds(unit, order, zeros)
            else:
                unit.kept.copy_(_without(unit.kept, order[:zeros]))
        return self._network

    @torch.no_grad()
    def network(self, removed):
        """The network of a policy, the caller's own."""
        made = copy.deepcopy(self.candidate(removed))
        for unit in made.modules():
            if isinstance(unit, MaskedConvolution):
                unit.weight *= unit.kept
        return made

    def _layer_work(self, place, zeros):
        layer, stored = self.layers[place], self._stored[place]
        changes = {"nonzero": self.counts[place] - zeros}
        if stored.pairs is not None:
            changes["pairs"] = len(self._last[place]) - int(np.searchsorted(self._last[place], zeros))
        stored = dataclasses.replace(stored, **changes)
        geometry = Geometry(
            source=self.shapes[layer.input],
            target=self.shapes[layer.name],
            kernel=layer.kernel,
            stride=layer.stride,
            groups=layer.groups,
            fixed=False,
        )
        return Work(**operations(geometry, stored), **storage(stored, self._widths, None))


def weight_space(network):
    """Weights of ``network``, which stays as it is; those behind a mask stay zero.

    Raises
    ------
    ValueError
        If no layer has weights of its own.
    """
    made = masked_network(network)
    return NumberSpace(made, prunable_units(made))


def coefficient_space(network):
    """Coefficients of the decomposed layers of ``network``, real or ternary; it stays as it is.

    Raises
    ------
    ValueError
        If no layer is decomposed.
    """
    made = copy.deepcopy(network)
    units = decomposed_units(made)
    if not units:
        raise ValueError("expected a layer with coefficients, got none; decompose the network first")
    return NumberSpace(made, units)


class ChannelSpace(_Space):
    """Filters of layers that leave with the channels that they make, those with the least sums of magnitudes first; not those that leave with others.

    Work is counted as if no weight were zero, and as if no channel beside those left.

    Parameters
    ----------
    network : sw.model.Network
        Stays as it is.

    Raises
    ------
    ValueError
        If no layer can lose channels.
    """

    def __init__(self, network):
        self._network = network
        self._groups = [group for group in channel_groups(network) if len(group.layers) == 1]
        if not self._groups:
            raise ValueError(
                "expected a layer whose channels can leave by themselves, got residual sums alone"
            )
        self.layers = tuple(network.unit(group.layers[0]).layer for group in self._groups)
        self.shapes = network.shapes
        self.counts = tuple(group.count for group in self._groups)
        self.gone = (0,) * len(self.layers)
        self.work = functools.lru_cache(4096)(self._work)

    def layer_operations(self):
        """Operations of each layer of which nothing went."""
        rows = {row.name: row for row in layer_complexity(self._network.pixels, self._network.layers)}
        return [rows[layer.name].dense.operations for layer in self.layers]

    @torch.no_grad()
    def candidate(self, removed):
        """The network of a policy."""
        kept = [
            (group, strongest(self._network, group, gone))
            for group, gone in zip(self._groups, removed, strict=True)
        ]
        return without_channels(self._network, kept)

    network = candidate

    def _work(self, removed):
        """``Work`` of the network without ``removed``, a tuple, filters of each layer."""
        left = {layer.name: layer.outputs - gone for layer, gone in zip(self.layers, removed, strict=True)}
        channels, layers = {name: shape[0] for name, shape in self.shapes.items()}, []
        for layer in self._network.layers:
            if isinstance(layer, ConvolutionLayer):
                inputs, outputs, groups = channels[layer.input], left.get(layer.name), layer.groups
                if layer.depthwise:
                    outputs = groups = inputs
                layer = dataclasses.replace(
                    layer, inputs=inputs, outputs=outputs or layer.outputs, groups=groups
                )
                channels[layer.name] = layer.outputs
            else:
                channels[layer.name] = sum(channels[name] for name in layer_inputs(layer))
            layers.append(layer)
        return total(layer_complexity(self._network.pixels, layers), "dense")


def _importance(unit):
    """What numbers are ordered by; what is zero for good comes first."""
    if isinstance(unit, TernaryConvolution):
        return unit.losses()
    found = unit.weight.detach().abs() if isinstance(unit, MaskedConvolution) else unit.importance()
    return torch.where(unit.kept, found, -1.0)


def _last_of_pairs(order, importance):
    """For each pair of output channel and basis the place in ``order`` of its last coefficient, int64 in order: when it is zero, the pair costs nothing."""
    ranks = torch.empty_like(order)
    ranks[order] = torch.arange(len(order))
    return np.sort(ranks.view(importance.shape).amax(1).flatten().numpy())


def _without(kept, places):
    mask = torch.ones(kept.numel(), dtype=torch.bool)
    mask[places] = False
    return mask.view(kept.shape)


def _set_thresholds(unit, order, zeros):
    """Thresholds of a ternary unit, by which ``zeros`` coefficients become zero, or more that are equal."""
    if zeros == 0:
        unit.threshold.zero_()
        return
    ordered = unit.losses().flatten()[order]
    last = ordered[zeros - 1]
    after = ordered[zeros] if zeros < len(ordered) else last
    # Between two, so that rounding takes neither for the other.
    unit.give_up(torch.maximum((last + after) / 2, last + 1e-5 * last.abs().clamp(min=1)))
