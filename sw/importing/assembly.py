"""The network that a pass over operations puts together: names, shapes, order."""

import numpy as np
from torch import nn

from ..layers import IDENTITY, ConvolutionLayer, layer_inputs
from ..model import Network
from ..network import INPUT, MaxPool
from .drafts import Draft
from .places import ZERO

__all__ = ["Assembly"]


class Assembly:
    """Layers and drafts by name, in the order in which they were begun.

    Parameters
    ----------
    pixels : Pixels
    """

    def __init__(self, pixels):
        self.pixels = pixels
        #: C, H and W of every tensor.
        self.shapes = {INPUT: pixels.shape}
        self._parts = {}
        self._keys = set()

    def add(self, part, shape):
        """Puts in a layer or a ``Draft`` that makes a tensor of ``shape``; its name."""
        name = part.layer.name if isinstance(part, Draft) else part.name
        self._parts[name] = part
        self.shapes[name] = tuple(shape)
        return name

    def part(self, name):
        """The layer or draft that makes a tensor, ``None`` for the input."""
        return self._parts.get(name)

    def draft(self, name):
        """The draft that makes a tensor, or ``None``."""
        part = self._parts.get(name)
        return part if isinstance(part, Draft) else None

    def position(self, name):
        """How many parts were begun before the one that makes a tensor."""
        return list(self._parts).index(name)

    def free_name(self, wanted):
        """``wanted``, or with a number if that is taken or cannot be a module's name."""
        name, number = wanted, 2
        while name == INPUT or Network.key(name) in self._keys or hasattr(nn.ModuleDict, Network.key(name)):
            name, number = f"{wanted}_{number}", number + 1
        self._keys.add(Network.key(name))
        return name

    def copy(self, name, source):
        """Begins a draft that repeats the tensor ``source``; its name."""
        shape = self.shapes[source]
        return self.add(Draft.copy(self.free_name(name), source, shape[0]), shape)

    def select(self, name, source, selection):
        """Puts in what takes channels and steps of ``selection``, without its padding; the tensor's name."""
        channels, height, width = self.shapes[source]
        straight = selection.channels == tuple(range(channels))
        if straight and selection.step == 1:
            return source
        if straight or selection.step > 2:
            # Places between the steps are left out by a maximum over one place.
            pool = MaxPool(name=self.free_name(name), input=source, window=(1, 1), stride=selection.step)
            height, width = (-(-extent // selection.step) for extent in (height, width))
            source, step = self.add(pool, (channels, height, width)), 1
        else:
            step = selection.step
        return source if straight else self._select_channels(name, source, selection.channels, step)

    def _select_channels(self, name, source, channels, step):
        inputs, height, width = self.shapes[source]
        weight = np.zeros((len(channels), inputs, 1, 1))
        for output, channel in enumerate(channels):
            if channel != ZERO:
                weight[output, channel] = 1
        layer = ConvolutionLayer(
            name=self.free_name(name),
            input=source,
            inputs=inputs,
            outputs=len(channels),
            kernel=(1, 1),
            stride=step,
            activation=IDENTITY,
            batch_norm=False,
            fixed=True,
        )
        return self.add(Draft.of(layer, weight), (len(channels), -(-height // step), -(-width // step)))

    def network(self, output):
        """The network, in evaluation mode; ``output`` is the tensor that every other leads to.

        Raises
        ------
        ValueError
            If no layer has weights, or one of them is no finite number.
        """
        waiting = {
            name: part.layer if isinstance(part, Draft) else part for name, part in self._parts.items()
        }
        made, order = {INPUT}, []
        while output not in made:
            # The first that was begun of those that can run: residuals may have been begun late.
            name = next(name for name, layer in waiting.items() if made.issuperset(layer_inputs(layer)))
            order.append(waiting.pop(name))
            made.add(name)
        units = {name: part.unit() for name, part in self._parts.items() if isinstance(part, Draft)}
        if not units:
            raise ValueError(
                "expected a convolution or a fully connected layer, got none: there is nothing to compress"
            )
        _require_finite(units)
        return Network(self.pixels, order, units).eval()


def _require_finite(units):
    for name, unit in units.items():
        for part, numbers in unit.state_dict().items():
            wrong = int((~numbers.isfinite()).sum())
            if wrong:
                raise ValueError(
                    f"layer {name}: expected finite numbers, got NaN or infinity in {wrong} of {numbers.numel()} of {part}; "
                    "take the weights from before their training diverged"
                )
