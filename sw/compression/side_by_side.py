"""Two networks of the same layers on the same images, layer after layer, while one of them is being made."""

from ..layers import layer_inputs
from ..network import INPUT

__all__ = ["side_by_side"]


def side_by_side(network, made, images):
    """For each layer, in order, the layer and two lists: the tensors that it reads in ``network``, and in ``made``.

    What the layer computes is computed when the next one is asked for: what was done to ``made`` in between counts.

    Parameters
    ----------
    network, made : sw.model.Network
        Of the same layers; put into inference mode.
    images : Tensor [n, C, H, W]
        Pixels from 0 to 255, float.
    """
    network.eval(), made.eval()
    first, second = {INPUT: network.read(images)}, {INPUT: made.read(images)}
    needed = network.last_readers()
    for index, layer in enumerate(network.layers):
        names = layer_inputs(layer)
        before, now = ([tensors[name] for name in names] for tensors in (first, second))
        yield layer, before, now
        first[layer.name], second[layer.name] = network.compute(layer, before), made.compute(layer, now)
        for name in set(names):
            if needed[name] == index:
                del first[name], second[name]
