"""In which order the channels of every tensor lie in memory: the order in which the PEs make them.

Slot ``s`` of a tensor is lane ``s % N`` of chunk ``s // N``; PE ``p`` makes slot ``pass * pes + p``. The slowest PE of a pass
sets its time, so channels of similar work share a pass. An order says which channel each slot holds.
"""

import dataclasses

import numpy as np

from .network import INPUT, Convolution, IntegerNetwork
from .schedule import channel_efforts

__all__ = ["choose_orders", "inverse_orders", "reorder"]


def choose_orders(network, config):
    """An order for every tensor, the same for the same arguments.

    The network's input keeps its order. Pooling keeps that of its input, and tensors that are added have one order:
    that of the least steps among the ones that suit the summed work, the work of one convolution, and no change.

    Returns
    -------
    dict of str to tuple of int
        The channel in each slot, by name of the tensor.
    """
    tensors, layers = network.tensors(), {layer.name: layer for layer in network.layers}
    orders = {}
    for names in _tied(network):
        order = tuple(range(tensors[names[0]].channels))
        if INPUT not in names:
            made = [layers[name] for name in names if isinstance(layers[name], Convolution)]
            efforts = [_efforts(layer, tensors, orders.get(layer.input), config) for layer in made]
            order = _best(efforts, order, config.pes)
        orders.update(dict.fromkeys(names, order))
    return orders


def inverse_orders(orders):
    """Orders that undo ``orders``; raises ``ValueError`` if one does not name each channel once."""
    for name, order in orders.items():
        if sorted(order) != list(range(len(order))):
            raise ValueError(f"tensor {name}: expected each of {len(order)} channels once, got {order}")
    return {name: tuple(np.argsort(order).tolist()) for name, order in orders.items()}


def reorder(network, orders):
    """The same network with channel ``orders[name][slot]`` of every tensor in place ``slot``.

    Raises
    ------
    ValueError
        If an order does not name each channel once, or tensors that must have the same order have not.
    """
    for name, info in network.tensors().items():
        if len(orders[name]) != info.channels or set(orders[name]) != set(range(info.channels)):
            raise ValueError(
                f"tensor {name}: expected each of {info.channels} channels once, got {orders[name]}"
            )
    for first, *others in _tied(network):
        for name in others:
            if orders[name] != orders[first]:
                raise ValueError(f"tensor {name}: expected the order of {first}, got {orders[name]}")
    layers = [
        _reordered(layer, list(orders[layer.input]), list(orders[layer.name]))
        if isinstance(layer, Convolution)
        else layer
        for layer in network.layers
    ]
    return IntegerNetwork(
        name=network.name, input=network.input, input_scale=network.input_scale, layers=tuple(layers)
    )


def _reordered(layer, inputs, outputs):
    return dataclasses.replace(
        layer,
        coefficients=layer.coefficients[np.ix_(outputs, inputs)],
        bases=layer.bases[outputs] if layer.own_bases else layer.bases,
        # Groups are runs of channels, which another order takes apart.
        groups=1,
        multiplier=layer.multiplier[outputs],
        bias=layer.bias[outputs],
    )


def _tied(network):
    """Lists of the tensors that must have the same order, each list and all of them as the layers come."""
    lists = {INPUT: [INPUT]}
    for layer in network.layers:
        tie = layer.residual if isinstance(layer, Convolution) else layer.input
        lists[layer.name] = [] if tie is None else lists[tie]
        lists[layer.name].append(layer.name)
    return list({id(names): names for names in lists.values()}.values())


def _efforts(layer, tensors, order, config):
    """Steps of every channel for the whole map, and its words; the input's order is ``None`` if it is not chosen yet."""
    coefficients = layer.coefficients if order is None else layer.coefficients[:, list(order)]
    steps, words = channel_efforts(coefficients, config)
    # A 1x1 kernel is fed only the positions that it keeps.
    fed = tensors[layer.name if layer.kernel == (1, 1) else layer.input]
    return steps * fed.height * fed.width, words


def _best(efforts, natural, pes):
    steps = [steps for steps, _ in efforts]
    words = np.sum([words for _, words in efforts], axis=0)
    keys = [np.sum(steps, axis=0), *(steps if len(steps) > 1 else ())]
    candidates = [*(_by_work(key, words, pes) for key in keys), natural]

    def cost(order):
        """Steps of all passes; then words of the fullest PE."""
        order = list(order)
        passes = range(0, len(order), pes)
        slowest = sum(each[order][first : first + pes].max() for each in steps for first in passes)
        fullest = sum(max(each[order][pe::pes].sum() for pe in range(pes)) for _, each in efforts)
        return int(slowest), int(fullest)

    return min(candidates, key=cost)


def _by_work(steps, words, pes):
    """Most steps first; within a pass the emptiest PE takes the channel of the most words."""
    ranking = sorted(range(len(steps)), key=lambda channel: (-steps[channel], channel))
    filled, order = [0] * pes, []
    for first in range(0, len(ranking), pes):
        together = sorted(ranking[first : first + pes], key=lambda channel: (-words[channel], channel))
        # The last pass may have fewer channels than PEs: slots without a channel come last.
        homes = sorted(range(len(together)), key=lambda pe: filled[pe])
        for pe, channel in zip(homes, together, strict=True):
            filled[pe] += int(words[channel])
        order += [channel for _, channel in sorted(zip(homes, together, strict=True))]
    return tuple(order)
