"""Nodes of an ONNX model, as readers of operators see them.

A reader is a function for an operator; it gets the ``OnnxNode`` and puts in the operations that do the same.
"""

from dataclasses import dataclass

import numpy as np

from .operations import Operation, refuse

__all__ = ["OnnxNode"]


@dataclass(frozen=True, kw_only=True, eq=False)
class OnnxNode:
    """What a reader knows of the node that it reads, and where it puts operations."""

    #: The node's name and operator.
    node: str
    source: str
    layer: str
    #: Names of tensors that depend on the image, arrays, or ``None`` where an optional one is missing.
    inputs: list
    #: Names.
    outputs: list
    attributes: dict
    #: Of every tensor, without the batch.
    shapes: dict
    #: Where operations go.
    operations: list

    @property
    def shape(self):
        """Of the first input."""
        return self.shapes[self.inputs[0]]

    def emit(self, kind, *inputs, output=None, parameters=None, **attributes):
        """Puts in an operation on tensors, by default from the first input; the name of its output, by default the first."""
        output = output or self.outputs[0]
        inputs = inputs or (() if kind == "constant" else (self.inputs[0],))
        # What stands between several operations of one node has the shape of what it is made of.
        shape = self.shapes.setdefault(output, self.shapes[inputs[0]] if inputs else None)
        self.operations.append(
            Operation(
                kind=kind,
                node=self.node,
                source=self.source,
                inputs=inputs,
                output=output,
                shape=shape,
                attributes=attributes,
                parameters={
                    name: np.asarray(value, np.float32)
                    for name, value in (parameters or {}).items()
                    if value is not None
                },
                layer=self.layer,
            )
        )
        return output

    def refuse(self, reason, remedy):
        """The error that stops the import."""
        return refuse(self, reason, remedy)

    def get(self, name, default=None):
        """An attribute."""
        return self.attributes.get(name, default)

    def constant(self, index, name, default=None):
        """An input that must not depend on the image."""
        value = self.inputs[index] if index < len(self.inputs) else None
        if isinstance(value, str):
            raise self.refuse(
                f"expected a constant {name}, got one computed from the image", "export it with constants"
            )
        return default if value is None else value

    def axis(self, axis, rank=None):
        """An axis without the batch."""
        axis = int(axis) % ((len(self.shape) if rank is None else rank) + 1) - 1
        if axis < 0:
            raise self.refuse(
                "expected an operation within each image, got one along the batch", "keep images apart"
            )
        return axis
