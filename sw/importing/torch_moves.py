"""Operators of PyTorch that only move numbers, or do nothing."""

import numpy as np

from .operations import no_layer
from .readers import readers
from .torch_nodes import Ref

__all__ = ["READERS"]

READERS, _reads = readers()

#: What PyTorch writes for the end of an axis.
_END = 2**63 - 1


@_reads("cat", "concat", "concatenate")
def _concatenate(node, tensors, dimension=0):
    parts = [
        part
        if isinstance(part, Ref)
        else node.emit("constant", shape=tuple(part.shape[1:]), parameters={"value": part})
        for part in tensors
    ]
    first = next(part for part in parts if isinstance(part, Ref))
    return node.emit("concatenate", *parts, axis=node.axis(first, dimension))


@_reads("zeros_like", "new_zeros")
def _zeros(node, *_, **__):
    return node.emit("constant", parameters={"value": np.zeros(node.shape)})


@_reads("pad", "constant_pad_nd")
def _pad(node, x, amounts, *arguments):
    mode = arguments[0] if arguments and isinstance(arguments[0], str) else "constant"
    value = next((argument for argument in arguments if isinstance(argument, (int, float))), 0)
    if mode != "constant":
        raise node.refuse(
            f"expected padding with zeros, got mode {mode!r}", "train with padding_mode='zeros'"
        )
    # PyTorch gives the last axis first.
    pairs = list(zip(amounts[::2], amounts[1::2], strict=True))[::-1]
    missing = len(x.shape) - len(pairs)
    if missing < 0:
        node.axis(x, 0)
    pairs = [(0, 0)] * missing + pairs
    return node.emit("pad", x, amounts=tuple(pairs), value=float(value))


@_reads("slice")
def _slice(node, x, dimension=0, start=None, stop=None, step=1):
    if dimension % (len(x.shape) + 1) == 0 and not start and step == 1 and (stop is None or stop >= _END):
        return node.emit("identity", x, shape=x.shape)
    return node.emit("slice", x, axis=node.axis(x, dimension), start=start or 0, stop=stop, step=step)


@_reads("select")
def _select(node, x, dimension, index):
    axis = node.axis(x, dimension)
    start = index % x.shape[axis]
    shape = (*x.shape[:axis], 1, *x.shape[axis + 1 :])
    return node.emit(
        "reshape", node.emit("slice", x, shape=shape, axis=axis, start=start, stop=start + 1, step=1)
    )


@_reads("split", "split_with_sizes", "chunk", "tensor_split")
def _split(node, x, sizes, dimension=0):
    axis, parts, start = node.axis(x, dimension), [], 0
    for shape in node.shape:
        stop = start + shape[axis]
        parts.append(node.emit("slice", x, shape=shape, axis=axis, start=start, stop=stop, step=1))
        start = stop
    return parts


@_reads(
    "view",
    "reshape",
    "_unsafe_view",
    "flatten",
    "unflatten",
    "squeeze",
    "unsqueeze",
    "squeeze_copy",
    "view_copy",
)
def _reshape(node, x, *_):
    return node.emit("reshape", x)


@_reads("permute")
def _permute(node, x, order):
    if order[0] % len(order) != 0:
        node.axis(x, 0)
    return node.emit("transpose", x, order=tuple(node.axis(x, dimension) for dimension in order[1:]))


@_reads("transpose")
def _transpose(node, x, first, second):
    order = list(range(len(x.shape)))
    first, second = node.axis(x, first), node.axis(x, second)
    order[first], order[second] = order[second], order[first]
    return node.emit("transpose", x, order=tuple(order))


@_reads(
    "clone", "contiguous", "detach", "alias", "dropout", "feature_dropout", "alpha_dropout", "lift_fresh_copy"
)
def _identity(node, x, *_, **__):
    return node.emit("identity", x)


@_reads("to", "_to_copy", "type_as")
def _cast(node, x, *_, **__):
    return node.emit("identity", x)


@_reads("expand")
def _expand(node, x, *_, **__):
    if node.shape != x.shape:
        raise no_layer(node)
    return node.emit("identity", x)
