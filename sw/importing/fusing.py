"""From primitive operations to layers: the one pass that both front ends share.

A convolution takes in the scale, batch norm, addition and activation that follow it, if nobody else reads the tensors between;
what follows no convolution gets one of its own, a fixed 1x1 kernel of ones with as many groups as channels.
"""

from dataclasses import replace

import numpy as np

from ..layers import IDENTITY, ConvolutionLayer
from ..network import INPUT
from .drafts import Draft
from .elementwise import Elementwise
from .operations import refuse
from .patterns import gather_activations
from .places import LOWEST, ZERO, find_axes, straight
from .values import Value
from .windows import check_dilation, check_padding, find_stride

__all__ = ["fuse", "note_of_softmax", "without_softmax"]


def fuse(graph, pixels):
    """The trained network that ``graph`` is.

    Parameters
    ----------
    graph : Graph
    pixels : Pixels
        What the graph's input is of an image. A scale of each channel with which the graph begins is added to it.

    Returns
    -------
    Network
        In evaluation mode.

    Raises
    ------
    ValueError
        Naming the node, its operation, the reason and what to do, if no layer does the same.
    """
    graph = gather_activations(graph.without_identities())
    fusion = _Fusion(graph, pixels)
    for operation in graph.operations:
        fusion.take(operation)
    return fusion.finish(graph)


def without_softmax(graph):
    """The graph without a softmax over classes at its end, and that operation or ``None``."""
    graph = graph.without_identities()
    last = graph.producers().get(graph.output)
    if last is None or last.kind != "softmax" or last.attributes["axis"] != 0:
        return graph, None
    kept = tuple(operation for operation in graph.operations if operation is not last)
    return replace(graph, operations=kept, output=last.inputs[0]), last


def note_of_softmax(operation):
    """What to say of a softmax that was left out."""
    return (
        f"{operation.node} ({operation.source}) dropped: the network returns logits, whose order is the same"
    )


class _Fusion(Elementwise):
    """A method for each kind of operation; it returns the output's value, or nothing for a constant."""

    def take(self, operation):
        """Adds what an operation does."""
        if operation.kind != "concatenate" and any(name in self.constants for name in operation.inputs):
            raise refuse(
                operation, "expected tensors that depend on the image, got a constant", "remove the operation"
            )
        value = getattr(self, operation.kind)(operation)
        if value is None:
            return
        shape = self.assembly.shapes[value.tensor] if value.places is None else value.places.shape
        if shape != operation.shape:
            raise refuse(
                operation,
                f"expected an output of shape {shape}, got {operation.shape}",
                "write the operation without broadcasting",
            )
        self.keep(operation.output, value)

    def finish(self, graph):
        """The network, whose output has the order of the graph's."""
        last = graph.producers().get(graph.output)
        if last is None or graph.output in self.constants:
            raise ValueError("expected a network of at least one layer, got none; give a trained network")
        value = self.values[graph.output]
        if not np.array_equal(
            self.places(value).ravel(), straight(self.assembly.shapes[value.tensor]).ravel()
        ):
            value = self.map(last, graph.output)
        name = self.assembly.copy(last.layer, INPUT) if value.tensor == INPUT else value.tensor
        return self.assembly.network(name)

    def convolution(self, operation):
        """A convolution."""
        attributes, weight = operation.attributes, operation.parameters["weight"]
        window = tuple(weight.shape[2:])
        check_dilation(operation, window)
        value, padding, fill = self.padded_map(operation, operation.inputs[0])
        if fill == LOWEST:
            raise refuse(operation, "expected padding with zeros, got minus infinity", "pad with 0")
        padding = tuple(map(sum, zip(padding, attributes["padding"], strict=True)))
        check_padding(operation, padding, window)
        channels, *extents = self.assembly.shapes[value.tensor]
        padded = [extents[axis] + padding[axis] + padding[axis + 2] for axis in (0, 1)]
        stride = find_stride(operation, attributes["stride"], padded, window, operation.shape[1:])
        if stride > 2:
            raise refuse(
                operation,
                f"expected a stride of 1 or 2, got {stride}",
                f"convolve with stride 1 and put MaxPool2d(1, stride={stride}) after it",
            )
        layer = ConvolutionLayer(
            name=self.assembly.free_name(operation.layer),
            input=value.tensor,
            inputs=channels,
            outputs=weight.shape[0],
            kernel=window,
            stride=stride,
            padding=padding,
            groups=attributes["groups"],
            activation=IDENTITY,
            batch_norm=False,
        )
        return Value(self._begin(operation, layer, weight, operation.shape))

    def linear(self, operation):
        """A fully connected layer: a convolution whose kernel is the map, or of 1x1 on channels."""
        value, weight = self.values[operation.inputs[0]], operation.parameters["weight"]
        shape = self.assembly.shapes[value.tensor]
        places = self.places(value)
        if places.ndim == 1 and places.min() >= ZERO:
            # The place of zeros, -1, is a last one that is left out.
            spread = np.zeros((len(weight), np.prod(shape) + 1))
            np.add.at(spread, (slice(None), places), weight)
            spread, order = spread[:, :-1].reshape(-1, *shape), None
            made = (len(weight), 1, 1)
        else:
            spread, order = weight[:, :, None, None], find_axes(places, shape) if places.ndim == 3 else None
            if order is None or order[-1] != 0:
                raise refuse(
                    operation,
                    f"expected a vector, or a map with channels last, as input, got {places.shape}",
                    "flatten before it",
                )
            made = (len(weight), *shape[1:])
        layer = ConvolutionLayer(
            name=self.assembly.free_name(operation.layer),
            input=value.tensor,
            inputs=shape[0],
            outputs=len(weight),
            kernel=tuple(spread.shape[2:]),
            activation=IDENTITY,
            batch_norm=False,
        )
        name = self._begin(operation, layer, spread, made)
        return Value(name, straight(made)[:, 0, 0] if order is None else straight(made).transpose(order))

    def _begin(self, operation, layer, weight, shape):
        return self.assembly.add(Draft.of(layer, weight, operation.parameters.get("bias")), shape)

    def multiply(self, operation):
        """A product of two tensors."""
        raise refuse(
            operation,
            "expected a product with a constant, got one of two tensors (as in squeeze and excitation, or a gate)",
            "train a network without it",
        )

    def erf(self, operation):
        """An error function that is no part of GELU."""
        raise refuse(operation, "expected it within GELU only", "use an activation function of torch.nn")

    def softmax(self, operation):
        """A softmax that is not at the end."""
        raise refuse(
            operation,
            "expected softmax over classes at the end of the network only",
            "end the network with logits",
        )
