"""What the agent sees of a layer: the eleven numbers of the paper."""

import math

import numpy as np

__all__ = ["STATE", "StateEmbedding"]

#: Entries in order: the layer's number t, output channels n, input channels c, height h and width w of the input, stride, kernel k, its
#: operations, those taken from layers before it, those of layers after it, and the action of the layer before it.
STATE = (
    "t",
    "n",
    "c",
    "h",
    "w",
    "stride",
    "k",
    "operations",
    "reduced",
    "rest",
    "before",
)


class StateEmbedding:
    """States of the layers of a space, every entry from 0 to 1.

    The first eight are scaled from their least to their greatest over all layers (0 where they are the same), ``reduced`` and
    ``rest`` by the operations of the whole network. ``k`` is the side of a square of as many places as the kernel has.
    """

    def __init__(self, space):
        self._space = space
        operations = space.layer_operations()
        self._after = np.cumsum([0, *operations[:0:-1]])[::-1]
        self._whole = space.work(space.gone).operations
        numbers = []
        for place, layer in enumerate(space.layers):
            _, height, width = space.shapes[layer.input]
            side = math.sqrt(math.prod(layer.kernel))
            numbers.append(
                (
                    *(place, layer.outputs, layer.inputs, height, width),
                    *(layer.stride, side, operations[place]),
                )
            )
        numbers = np.array(numbers, np.float64)
        low, extent = numbers.min(0), np.ptp(numbers, 0)
        self._fixed = np.where(extent > 0, (numbers - low) / np.where(extent > 0, extent, 1), 0.0)

    def state(self, place, removed, before):
        """Float32 [11] of layer number ``place``.

        Parameters
        ----------
        removed : sequence of int
            What is gone of every layer so far; of those from ``place`` on what was gone at first.
        before : float
            Action of the layer before, 0 of the first.
        """
        reduced = self._whole - self._space.work(tuple(removed)).operations
        moving = np.array([reduced, self._after[place]]) / self._whole
        return np.array([*self._fixed[place], *moving, before], np.float32)
