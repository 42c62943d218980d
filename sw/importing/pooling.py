"""Pooling and means as layers."""

from dataclasses import replace

import numpy as np

from ..layers import AverageLayer
from ..network import Concatenation, MaxPool
from .operations import refuse
from .places import LOWEST
from .values import Value, Values
from .windows import check_dilation, check_padding, find_stride, padding_of_ceil

__all__ = ["Pooling"]


class Pooling(Values):
    """A method for each kind of operation that pools."""

    def __init__(self, graph, pixels):
        super().__init__(graph, pixels)
        #: Poolings that alone read what they read.
        self.sole_readers = set()

    def max_pool(self, operation):
        """Maximum over windows."""
        attributes = operation.attributes
        window = attributes["window"]
        check_dilation(operation, window)
        value, padding, fill = self.padded_map(operation, operation.inputs[0])
        if any(padding) and fill != LOWEST and not self._at_least_zero(value.tensor):
            raise refuse(
                operation,
                "expected padding that never wins, got zeros around numbers that may be below zero",
                "let the pooling pad, or put ReLU before the padding",
            )
        padding = tuple(map(sum, zip(padding, attributes["padding"], strict=True)))
        return self._max_pool(operation, value, window, attributes["stride"], padding)

    def _max_pool(self, operation, value, window, strides, padding=(0, 0, 0, 0)):
        sizes, extents = operation.shape[1:], self.assembly.shapes[value.tensor][1:]
        if operation.attributes.get("ceil"):
            padding = padding_of_ceil(padding, extents, window, strides, sizes)
        check_padding(operation, padding, window)
        if window == (1, 1):
            return self._stepped(value, strides)
        stride = find_stride(operation, strides, _padded(extents, padding), window, sizes)
        name = self.assembly.free_name(operation.layer)
        if not value.shared:
            self.sole_readers.add(name)
        layer = MaxPool(name=name, input=value.tensor, window=window, stride=stride, padding=padding)
        return Value(self.assembly.add(layer, operation.shape))

    def average_pool(self, operation):
        """Mean over windows."""
        attributes = operation.attributes
        window, sizes = attributes["window"], operation.shape[1:]
        value, padding, _ = self.padded_map(operation, operation.inputs[0])
        padding = tuple(map(sum, zip(padding, attributes["padding"], strict=True)))
        if attributes["ceil"]:
            extents = self.assembly.shapes[value.tensor][1:]
            padding = padding_of_ceil(padding, extents, window, attributes["stride"], sizes)
        if any(padding):
            raise refuse(
                operation,
                f"expected average pooling without padding, got {padding}",
                "pool without padding and without ceil_mode",
            )
        return self._average(operation, value, window, attributes["stride"])

    def _average(self, operation, value, window, strides):
        extents = self.assembly.shapes[value.tensor][1:]
        if window == (1, 1):
            return self._stepped(value, strides)
        stride = find_stride(operation, strides, extents, window, operation.shape[1:])
        layer = AverageLayer(
            name=self.assembly.free_name(operation.layer),
            input=value.tensor,
            window=None if window == extents else window,
            stride=stride,
        )
        return Value(self.assembly.add(layer, operation.shape))

    def adaptive_pool(self, operation):
        """Windows that divide the map."""
        value = self.map(operation, operation.inputs[0])
        extents, sizes = self.assembly.shapes[value.tensor][1:], operation.attributes["size"]
        if any(extent % size for extent, size in zip(extents, sizes, strict=True)):
            raise refuse(
                operation,
                f"expected a size that divides the map {extents[0]}x{extents[1]}, got {sizes[0]}x{sizes[1]}",
                "pool to 1x1, or to a size that divides it",
            )
        window = tuple(extent // size for extent, size in zip(extents, sizes, strict=True))
        pool = self._max_pool if operation.attributes["maximum"] else self._average
        return pool(operation, value, window, window)

    def mean(self, operation):
        """Mean over height and width."""
        value = self.whole(operation, operation.inputs[0])
        channels, height, width = self.assembly.shapes[value.tensor]
        axes, places = operation.attributes["axes"], self.places(value)
        kept = [axis for axis in range(places.ndim) if axis not in axes]
        groups = places.transpose(*kept, *axes).reshape(
            -1, int(np.prod([places.shape[axis] for axis in axes]))
        )
        first = np.arange(channels * height * width).reshape(channels, -1)
        groups = np.sort(groups, 1)
        if groups.shape != first.shape or not np.array_equal(np.sort(groups, 0), first):
            raise refuse(
                operation,
                f"expected a mean over height and width, got one over axes {tuple(axis + 1 for axis in axes)}",
                "take the mean over height and width",
            )
        layer = AverageLayer(name=self.assembly.free_name(operation.layer), input=value.tensor)
        made = self.assembly.add(layer, (channels, 1, 1))
        order = groups[:, 0] // (height * width)
        return Value(made, order.reshape(operation.shape))

    def _stepped(self, value, strides):
        """Windows of one place leave out what is between them."""
        rows, columns = strides
        if rows == columns == 1:
            return value
        return replace(value, places=self.places(value)[:, ::rows, ::columns])

    def _at_least_zero(self, tensor):
        """Whether no number of a tensor is below zero."""
        part = self.assembly.part(tensor)
        draft = self.assembly.draft(tensor)
        if draft is not None:
            return draft.layer.activation.low >= 0 and draft.layer.activation.function is None
        if isinstance(part, Concatenation):
            return all(map(self._at_least_zero, part.inputs))
        return part is not None and self._at_least_zero(part.input)


def _padded(extents, padding):
    top, left, bottom, right = padding
    return extents[0] + top + bottom, extents[1] + left + right
