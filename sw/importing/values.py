"""Tensors of the source as tensors of the network: how layers read them, and the operations that only move numbers."""

from dataclasses import dataclass, replace

import numpy as np

from ..network import INPUT
from .assembly import Assembly
from .operations import refuse
from .places import LOWEST, ZERO, find_axes, find_selection, straight

__all__ = ["Value", "Values"]


@dataclass(frozen=True, eq=False)
class Value:
    """What a tensor of the source is of the network."""

    #: Name of the network's tensor.
    tensor: str
    #: Where its numbers stand, as in ``sw.importing.places``; ``None`` is where they are, as [C, H, W].
    places: np.ndarray | None = None
    #: Whether more than one operation reads the network's tensor.
    shared: bool = False


class Values:
    """The values of a graph's tensors as far as they are known; a method for each operation that makes no layer.

    Parameters
    ----------
    graph : Graph
    pixels : Pixels
    """

    def __init__(self, graph, pixels):
        self.uses = graph.uses()
        self.assembly = Assembly(pixels)
        self.values = {}
        #: Tensors that do not depend on the image.
        self.constants = {}
        self.keep(graph.input, _input(graph.shape, pixels))

    def keep(self, tensor, value):
        """Notes what a tensor of the source is."""
        self.values[tensor] = replace(value, shared=value.shared or self.uses[tensor] > 1)

    def places(self, value):
        """Where the numbers of a value stand, as an array."""
        return straight(self.assembly.shapes[value.tensor]) if value.places is None else value.places

    def padded_map(self, operation, name):
        """Value of a tensor [C, H, W] that a layer can read, the padding that the layer has to do, and what it pads with."""
        value = self.values[name]
        if value.places is None:
            return value, (0, 0, 0, 0), ZERO
        selection = None
        if value.places.ndim == 3:
            selection = find_selection(value.places, self.assembly.shapes[value.tensor])
        if selection is None:
            raise refuse(
                operation,
                f"expected a map [channels, height, width] as input, got {value.places.shape} in an order that no layer reads",
                "reshape, transpose, crop or flip nothing but channels between layers, and flatten before fully connected ones",
            )
        tensor = self.assembly.select(f"{operation.layer}.select", value.tensor, selection)
        if tensor == value.tensor:
            return replace(value, places=None), selection.padding, selection.fill
        made = Value(tensor, shared=self.uses[name] > 1)
        top, left, bottom, right = selection.padding
        amounts = ((0, 0), (top, bottom), (left, right))
        # The next reader of the same tensor finds the layer.
        self.values[name] = replace(
            made, places=np.pad(self.places(made), amounts, constant_values=selection.fill)
        )
        return made, selection.padding, selection.fill

    def map(self, operation, name):
        """Value of a tensor [C, H, W] that a layer can read as it is."""
        value, padding, _ = self.padded_map(operation, name)
        if any(padding):
            raise refuse(
                operation,
                "expected its input as it is, got a padded one",
                "pad only right before a convolution or a max pooling",
            )
        return value

    def whole(self, operation, name):
        """The value if it holds every number of a tensor once, in whatever order; else as a map."""
        value = self.values[name]
        if value.places is None:
            return value
        size = np.prod(self.assembly.shapes[value.tensor])
        if np.array_equal(np.sort(value.places.ravel()), np.arange(size)):
            return value
        return self.map(operation, name)

    def changed(self, operation, value, change):
        """The value after ``change``, a method of a draft: of the one that makes the tensor, or of a new one."""
        draft = None if value.shared else self.assembly.draft(value.tensor)
        if draft is not None and change(draft):
            return value
        name = self.assembly.copy(operation.layer, value.tensor)
        if not change(self.assembly.draft(name)):
            raise AssertionError(f"layer {name}: a new layer could not take in {operation.kind}")
        return Value(name, value.places)

    def reshape(self, operation):
        """The same numbers in another shape."""
        value = self.values[operation.inputs[0]]
        places = self.places(value)
        if places.size != np.prod(operation.shape):
            raise refuse(
                operation,
                f"expected as many numbers an image as before, {places.size}, got {operation.shape}",
                "keep the batch as the first axis",
            )
        places = places.reshape(operation.shape)
        is_map = operation.shape == self.assembly.shapes[value.tensor] and value.places is None
        return replace(value, places=None if is_map else places)

    def transpose(self, operation):
        """Axes in another order."""
        value = self.values[operation.inputs[0]]
        places = self.places(value).transpose(operation.attributes["order"])
        is_map = places.ndim == 3 and find_axes(places, self.assembly.shapes[value.tensor]) == (0, 1, 2)
        return replace(value, places=None if is_map else places)

    def slice(self, operation):
        """Some of an axis."""
        value, attributes = self.values[operation.inputs[0]], operation.attributes
        cut = slice(attributes["start"], attributes["stop"], attributes["step"])
        index = (slice(None),) * attributes["axis"] + (cut,)
        return replace(value, places=self.places(value)[index])

    def pad(self, operation):
        """Zeros, or less than any number, around; a negative amount cuts."""
        value, fill = self.values[operation.inputs[0]], operation.attributes["value"]
        if fill != 0 and fill > _LOWEST:
            raise refuse(operation, f"expected padding with 0 or minus infinity, got {fill}", "pad with 0")
        places, amounts = self.places(value), operation.attributes["amounts"]
        kept = tuple(
            slice(max(0, -before), extent - max(0, -after))
            for (before, after), extent in zip(amounts, places.shape, strict=True)
        )
        amounts = [(max(0, before), max(0, after)) for before, after in amounts]
        return replace(value, places=np.pad(places[kept], amounts, constant_values=LOWEST if fill else ZERO))

    def constant(self, operation):
        """Numbers that do not depend on the image."""
        self.constants[operation.output] = operation.parameters["value"]


#: What files write for minus infinity is below this.
_LOWEST = -1e30


def _input(shape, pixels):
    channels, height, width = pixels.shape
    if shape == (channels, height, width):
        return Value(INPUT)
    if shape == (height, width, channels):
        return Value(INPUT, straight(pixels.shape).transpose(1, 2, 0))
    raise ValueError(
        f"expected pixels of the network's input, {'x'.join(map(str, shape))}, got {channels} channels of "
        f"{height}x{width}; give the pixels that it was trained with"
    )
