"""In which order the channels of every tensor lie in memory: the order in which the PEs make them.

Slot ``s`` of a tensor is ``s`` lanes behind its first lane; PE ``p`` makes slot ``pass * pes + p``. The slowest PE of a pass
sets its time, so channels of similar work share a pass. An order says which channel each slot holds, or -1 where it
holds none: a hole. Holes come after the channels of a part of a concatenation, so that the next one begins where it
can be written.
"""

import dataclasses

import numpy as np

from .network import INPUT, AveragePool, Concatenation, Convolution, IntegerNetwork, MaxPool, inputs_of
from .pieces import find_pieces
from .schedule import channel_efforts
from .window import Sharing, sharing_of

__all__ = ["HOLE", "choose_orders", "reorder", "restore", "tied_to"]

#: In an order: a slot without a channel.
HOLE = -1


def choose_orders(network, config):
    """An order for every tensor, the same for the same arguments.

    The network's input keeps its order. Pooling and depthwise convolutions keep that of their input, and tensors that
    are added have one order: that of the least steps among the ones that suit the summed work, the work of one
    convolution, and no change. A concatenation has the orders of its parts one after the other.

    A part fills whole words of ``config.requantisers`` slots, or whole chunks where its own beginning or end, or the
    beginning of what follows, has to be that of a chunk: tensors that are read by themselves or added begin with a
    chunk, and what is pooled, or comes from pooling or the host, is made of whole chunks.

    Returns
    -------
    dict of str to tuple of int
        The channel in each slot, or ``HOLE``, by name of the tensor.

    Raises
    ------
    ValueError
        If a tensor is part of concatenations that cannot lie in one piece of memory.
    """
    tensors, layers = network.tensors(), {layer.name: layer for layer in network.layers}
    ties = _tied(network)
    multiples = _multiples(network, ties, config)
    orders = {}
    for names, multiple in zip(ties, multiples, strict=True):
        root = layers.get(names[0])
        if isinstance(root, Concatenation):
            order = _join(root, orders, {name: info.channels for name, info in tensors.items()})
        else:
            order = tuple(range(tensors[names[0]].channels))
            if INPUT not in names:
                made = [layers[name] for name in names if isinstance(layers[name], Convolution)]
                efforts = [_efforts(layer, tensors, orders.get(layer.input), config) for layer in made]
                order = _best(efforts, order, config.pes)
            order += (HOLE,) * (-len(order) % multiple)
        orders.update(dict.fromkeys(names, order))
    return orders


def reorder(network, orders):
    """The network of slots: channel ``orders[name][slot]`` of every tensor is in place ``slot``.

    A hole is read by nobody: coefficients for it are zero. It is made without coefficients, with multiplier and bias 0.

    Raises
    ------
    ValueError
        If an order does not name each channel once, or does not go with that of another tensor.
    """
    _check(network, orders, {name: info.channels for name, info in network.tensors().items()})
    return _rearranged(network, {name: list(order) for name, order in orders.items()})


def restore(network, orders):
    """Inverse of ``reorder``: the network of channels, from the network of slots and the same ``orders``.

    Raises
    ------
    ValueError
        As ``reorder``, or if an order has not as many slots as its tensor.
    """
    for name, info in network.tensors().items():
        if len(orders[name]) != info.channels:
            raise ValueError(
                f"tensor {name}: expected the channels of {info.channels} slots, got {orders[name]}"
            )
    _check(network, orders, {name: sum(slot != HOLE for slot in order) for name, order in orders.items()})
    slots = {
        name: sorted(
            (slot for slot in range(len(order)) if order[slot] != HOLE), key=lambda slot: order[slot]
        )
        for name, order in orders.items()
    }
    return _rearranged(network, slots)


def tied_to(layer):
    """Name of the tensor whose order the output of a layer has, or ``None``."""
    if isinstance(layer, MaxPool | AveragePool):
        return layer.input
    if isinstance(layer, Convolution):
        if layer.residual is not None:
            return layer.residual
        # Slot s of the output then reads slot s of the input.
        return layer.input if layer.depthwise else None
    return None


def _join(concatenation, orders, channels):
    """Orders of the parts one after the other; ``channels`` of the tensors by name."""
    order, before = [], 0
    for name in concatenation.inputs:
        order += [channel if channel == HOLE else channel + before for channel in orders[name]]
        before += channels[name]
    return tuple(order)


def _multiples(network, ties, config):
    """Of how many slots the order of each list of tied tensors is made."""
    pieces = find_pieces(network)
    tie_of = {name: number for number, names in enumerate(ties) for name in names}
    concatenations = [layer.name for layer in network.layers if isinstance(layer, Concatenation)]
    multiples = [1] * len(ties)
    # So many parts of each piece are made of whole chunks; the part behind them begins with one.
    whole = [0] * len(pieces.parts)

    def begins_with_chunk(name):
        view = pieces.views[name]
        whole[view.piece] = max(whole[view.piece], view.first)

    def has_whole_chunks(name):
        view = pieces.views[name]
        whole[view.piece] = max(whole[view.piece], view.end)

    if pieces.shared(INPUT):
        has_whole_chunks(INPUT)
    for layer in network.layers:
        if isinstance(layer, MaxPool | AveragePool):
            for name in (layer.input, layer.name):
                if pieces.shared(name):
                    has_whole_chunks(name)
        elif isinstance(layer, Convolution):
            for name in inputs_of(layer):
                begins_with_chunk(name)
            if layer.residual is not None:
                begins_with_chunk(layer.name)
    before = None
    while before != (multiples, whole):
        before = list(multiples), list(whole)
        for parts, count in zip(pieces.parts, whole, strict=True):
            for at, part in enumerate(parts):
                least = config.chunk if at < count else config.requantisers if len(parts) > 1 else 1
                multiples[tie_of[part]] = max(multiples[tie_of[part]], least)
        for name in concatenations:
            if multiples[tie_of[name]] == config.chunk:
                has_whole_chunks(name)
    return multiples


def _check(network, orders, channels):
    """Each of ``channels`` once in every order, and orders that go with one another."""
    for name, count in channels.items():
        if sorted(channel for channel in orders[name] if channel != HOLE) != list(range(count)):
            raise ValueError(f"tensor {name}: expected each of {count} channels once, got {orders[name]}")
    for first, *others in _tied(network):
        for name in others:
            if orders[name] != orders[first]:
                raise ValueError(f"tensor {name}: expected the order of {first}, got {orders[name]}")
    for layer in network.layers:
        if isinstance(layer, Concatenation):
            expected = _join(layer, orders, channels)
            if orders[layer.name] != expected:
                raise ValueError(
                    f"tensor {layer.name}: expected the orders of its parts, {expected}, got {orders[layer.name]}"
                )


def _rearranged(network, places):
    """What lies in ``places[name]`` of every tensor, in that order; nothing where a place is ``HOLE``."""
    layers = [
        _reordered(layer, places[layer.input], places[layer.name])
        if isinstance(layer, Convolution)
        else layer
        for layer in network.layers
    ]
    return IntegerNetwork(
        name=network.name,
        input=dataclasses.replace(network.input, channels=len(places[INPUT])),
        input_scale=network.input_scale,
        layers=tuple(layers),
    )


def _reordered(layer, inputs, outputs):
    return dataclasses.replace(
        layer,
        coefficients=_take(_take(layer.coefficients, outputs, 0), inputs, 1),
        bases=_take(layer.bases, outputs, 0) if layer.own_bases else layer.bases,
        # Other groups are runs of channels, which another order takes apart.
        groups=len(outputs) if layer.depthwise and inputs == outputs else 1,
        multiplier=_take(layer.multiplier, outputs, 0),
        bias=_take(layer.bias, outputs, 0),
    )


def _take(array, places, axis):
    """What lies in ``places`` along an axis; zeros for holes."""
    shape = list(array.shape)
    shape[axis] = 1
    # Place -1 is the last.
    return np.take(np.concatenate([array, np.zeros(shape, array.dtype)], axis), places, axis)


def _tied(network):
    """Lists of the tensors that must have the same order, each list and all of them as the layers come."""
    lists = {INPUT: [INPUT]}
    for layer in network.layers:
        tie = tied_to(layer)
        lists[layer.name] = [] if tie is None else lists[tie]
        lists[layer.name].append(layer.name)
    return list({id(names): names for names in lists.values()}.values())


def _efforts(layer, tensors, order, config):
    """Steps of every channel for the whole map, and its words; the input's order is ``None`` if it is not chosen yet."""
    coefficients = layer.coefficients if order is None else _take(layer.coefficients, list(order), 1)
    steps, words = channel_efforts(coefficients, config, sharing_of(layer, config))
    # Positions are those of the input, where they are not those of the output.
    fed = tensors[layer.input if sharing_of(layer, config) is Sharing.TOGETHER else layer.name]
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
