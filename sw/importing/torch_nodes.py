"""Nodes of a PyTorch program, as readers of operators see them.

A reader is a function for an operator, with the operator's own arguments after the ``TorchNode``; those that depend on the image
are ``Ref``, all others numbers and tensors. It returns the result's ``Ref``, or a list of them.
"""

from dataclasses import dataclass

import numpy as np
import torch

from .operations import Operation, refuse

__all__ = ["Ref", "TorchNode", "array"]


@dataclass(frozen=True)
class Ref:
    """A tensor that depends on the image; its shape is without the batch."""

    name: str
    shape: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class TorchNode:
    """What a reader knows of the node that it reads, and where it puts operations."""

    #: Name of its result in the program, of its module, and of its operator.
    result: str
    node: str
    source: str
    #: Of the result, or of each of its results, without the batch.
    shape: tuple
    #: Where operations go.
    operations: list

    def emit(self, kind, *inputs, shape=None, parameters=None, **attributes):
        """Puts in an operation on tensors; the output's ``Ref``."""
        shape = self.shape if shape is None else shape
        output = f"{self.result}:{len(self.operations)}"
        arrays = {name: array(value) for name, value in (parameters or {}).items() if value is not None}
        self.operations.append(
            Operation(
                kind=kind,
                node=self.node,
                source=self.source,
                inputs=tuple(tensor.name for tensor in inputs),
                output=output,
                shape=shape,
                attributes=attributes,
                parameters=arrays,
                layer=self.node,
            )
        )
        return Ref(output, shape)

    def refuse(self, reason, remedy):
        """The error that stops the import."""
        return refuse(self, reason, remedy)

    def constants(self, **values):
        """Refuses parameters that are computed from the image."""
        for name, value in values.items():
            if isinstance(value, Ref):
                raise self.refuse(
                    f"expected a constant {name}, got one computed from the image",
                    "train with constant parameters",
                )

    def axis(self, tensor, dimension):
        """A dimension of ``tensor`` without the batch."""
        axis = dimension % (len(tensor.shape) + 1) - 1
        if axis < 0:
            raise self.refuse(
                "expected an operation within each image, got one along the batch", "keep images apart"
            )
        return axis


def array(value):
    """A constant as numpy array."""
    if isinstance(value, torch.Tensor):
        return value.detach().to("cpu", torch.float32).numpy()
    return np.asarray(value, np.float32)
