"""Scales, batch norm, activations, additions and concatenations as layers, or as parts of those before them."""

from dataclasses import replace

import numpy as np

from ..network import INPUT, Concatenation, MaxPool
from .operations import refuse
from .places import ZERO, find_axes
from .pooling import Pooling
from .values import Value

__all__ = ["Elementwise"]


class Elementwise(Pooling):
    """A method for each kind of operation on every number."""

    def affine(self, operation):
        """A gain and an offset; of the input they belong to the pixels."""
        gain, offset = (np.asarray(operation.attributes[name], np.float64) for name in ("gain", "offset"))
        if not gain.any() and not offset.any():
            self.constants[operation.output] = np.zeros(operation.shape)
            return None
        value = self.whole(operation, operation.inputs[0])
        gain, offset = (self._by_channel(operation, value, array) for array in (gain, offset))
        if self._seen(value, gain, offset):
            return value
        return self.changed(operation, value, lambda draft: draft.scale(gain, offset))

    def batch_norm(self, operation):
        """Batch norm as it is in inference."""
        norm = {name: array.astype(np.float64) for name, array in operation.parameters.items()}
        norm["eps"] = operation.attributes["eps"]
        value = self.whole(operation, operation.inputs[0])
        numbers = np.arange(len(norm["weight"])).reshape(-1, *(1,) * (len(operation.shape) - 1))
        channel = self._by_channel(operation, value, numbers).astype(int)
        norm |= {name: norm[name][channel] for name in ("weight", "bias", "mean", "variance")}
        gain = norm["weight"] / np.sqrt(norm["variance"] + norm["eps"])
        if self._seen(value, gain, norm["bias"] - norm["mean"] * gain):
            return value
        return self.changed(operation, value, lambda draft: draft.normalise(norm))

    def activation(self, operation):
        """An activation function."""
        activation = operation.attributes["activation"]
        value = self.whole(operation, operation.inputs[0])
        pool = self.assembly.part(value.tensor)
        # The clamped maximum is the maximum of clamped numbers.
        if isinstance(pool, MaxPool) and activation.function is None and not value.shared:
            draft = self.assembly.draft(pool.input)
            if draft is not None and pool.name in self.sole_readers and draft.activate(activation):
                return value
        return self.changed(operation, value, lambda draft: draft.activate(activation))

    def add(self, operation):
        """The sum of two tensors: a residual."""
        pair = [self.whole(operation, name) for name in operation.inputs]
        if not np.array_equal(*map(self.places, pair)):
            pair = [self.map(operation, name) for name in operation.inputs]
        if self.assembly.shapes[pair[0].tensor] != self.assembly.shapes[pair[1].tensor]:
            shapes = " and ".join(str(self.assembly.shapes[value.tensor]) for value in pair)
            raise refuse(
                operation, f"expected two tensors of one shape, got {shapes}", "add without broadcasting"
            )
        carriers = sorted((0, 1), key=lambda index: self._willingness(pair[index]), reverse=True)
        for index in carriers:
            carrier, other = pair[index], pair[1 - index]
            draft = None if carrier.shared else self.assembly.draft(carrier.tensor)
            if draft is not None and carrier.tensor != other.tensor and draft.join(other.tensor):
                return carrier
        name = self.assembly.copy(operation.layer, pair[0].tensor)
        self.assembly.draft(name).join(pair[1].tensor)
        return Value(name, pair[0].places)

    def _willingness(self, value):
        """A trained convolution carries a residual rather than a fixed one, a later one rather than an earlier."""
        draft = self.assembly.draft(value.tensor)
        return (False, 0) if draft is None else (not draft.layer.fixed, self.assembly.position(value.tensor))

    def concatenate(self, operation):
        """Channels of several tensors one after the other; zeros among them are a selection."""
        if any(name in self.constants for name in operation.inputs):
            return self._with_zeros(operation)
        axis = operation.attributes["axis"]
        values = [self.values[name] for name in operation.inputs]
        shapes = [self.assembly.shapes[value.tensor] for value in values]
        if len(operation.shape) == 1 and all(shape[1:] == (1, 1) for shape in shapes):
            values = [self.whole(operation, name) for name in operation.inputs]
            order, made = (0,), (operation.shape[0], 1, 1)
            straightly = all(
                np.array_equal(self.places(value), np.arange(value_shape[0]))
                for value, value_shape in zip(values, shapes, strict=True)
            )
        else:
            orders = {
                find_axes(self.places(value), shape) if len(operation.shape) == 3 else None
                for value, shape in zip(values, shapes, strict=True)
            }
            order = orders.pop() if len(orders) == 1 else None
            if order is None:
                values, order = [self.map(operation, name) for name in operation.inputs], (0, 1, 2)
            straightly = order[axis] == 0
            made = tuple(operation.shape[order.index(index)] for index in range(3))
        if not straightly:
            raise refuse(
                operation,
                f"expected a concatenation of channels, got one along axis {axis + 1} of {operation.shape}",
                "concatenate channels of maps, before they are flattened",
            )
        layer = Concatenation(
            name=self.assembly.free_name(operation.layer), inputs=tuple(value.tensor for value in values)
        )
        value = Value(self.assembly.add(layer, made))
        places = self.places(value)
        places = places[:, 0, 0] if len(order) == 1 else places.transpose(order)
        return replace(value, places=None if order == (0, 1, 2) else places)

    def _with_zeros(self, operation):
        """A concatenation of one tensor and zeros."""
        varying = [name for name in operation.inputs if name not in self.constants]
        constants = [self.constants[name] for name in operation.inputs if name in self.constants]
        tensors = {self.values[name].tensor for name in varying}
        if len(tensors) != 1 or any(array.any() for array in constants):
            raise refuse(
                operation,
                "expected constants only as zeros beside one tensor",
                "concatenate the tensors first, then zeros",
            )
        parts = []
        for name in operation.inputs:
            if name in self.constants:
                array = self.constants[name]
                shape = array.shape[array.ndim - len(operation.shape) :]
                parts.append(np.full(shape, ZERO))
            else:
                parts.append(self.places(self.values[name]))
        places = np.concatenate(parts, operation.attributes["axis"])
        return Value(tensors.pop(), places, shared=any(self.values[name].shared for name in varying))

    def _seen(self, value, gain, offset):
        """Makes a scale of the input a part of the pixels; whether it could."""
        if value.tensor != INPUT or value.shared or (gain <= 0).any():
            return False
        pixels = self.assembly.pixels
        gains = np.array(pixels.gain)
        self.assembly.pixels = replace(
            pixels,
            offset=tuple((np.array(pixels.offset) - offset / (gains * gain)).tolist()),
            gain=tuple((gains * gain).tolist()),
        )
        return True

    def _by_channel(self, operation, value, array):
        """What ``array``, broadcast to the source's tensor, has for each channel of the network's."""
        places = self.places(value)
        while array.ndim > places.ndim and (array == array[:1]).all():
            array = array[0]
        try:
            array = np.broadcast_to(array, places.shape)
        except ValueError:
            raise refuse(
                operation,
                f"expected a constant that fits a tensor of shape {places.shape}, got {array.shape}",
                "give one number, or one for each channel",
            ) from None
        spread = np.empty(places.size)
        spread[places.ravel()] = array.ravel()
        spread = spread.reshape(self.assembly.shapes[value.tensor][0], -1)
        if (spread != spread[:, :1]).any():
            raise refuse(
                operation,
                "expected one number for each channel, got numbers that differ within one",
                "give one number, or one for each channel",
            )
        return spread[:, 0]
