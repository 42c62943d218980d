"""Operators of ONNX that only move numbers, or do nothing."""

import numpy as np

from .readers import readers

__all__ = ["READERS"]

READERS, _reads = readers()


@_reads("Concat")
def _concatenate(node):
    names = []
    for index, value in enumerate(node.inputs):
        if not isinstance(value, str):
            name = f"{node.outputs[0]}:{index}"
            node.shapes[name] = value.shape[1:]
            value = node.emit("constant", output=name, parameters={"value": value})
        names.append(value)
    rank = len(node.shapes[node.outputs[0]])
    node.emit("concatenate", *names, axis=node.axis(node.get("axis"), rank))


@_reads("Pad")
def _pad(node):
    mode = node.get("mode", b"constant").decode()
    if mode != "constant":
        raise node.refuse(f"expected padding with zeros, got mode {mode}", "train with zero padding")
    amounts = node.constant(1, "amount")
    value = float(np.ravel(node.constant(2, "value", 0.0))[0])
    rank = len(node.shape) + 1
    axes = node.constant(3, "axes", np.arange(rank))
    pairs = [(0, 0)] * rank
    for index, axis in enumerate(axes):
        pairs[int(axis)] = (int(amounts[index]), int(amounts[index + len(axes)]))
    if pairs[0] != (0, 0):
        node.axis(0)
    node.emit("pad", amounts=tuple(pairs[1:]), value=value)


@_reads("Slice")
def _slice(node):
    starts, stops = node.constant(1, "start"), node.constant(2, "end")
    axes = node.constant(3, "axes", np.arange(len(starts)))
    steps = node.constant(4, "steps", np.ones(len(starts), int))
    tensor, shape = node.inputs[0], list(node.shape)
    for index, (start, stop, axis, step) in enumerate(zip(starts, stops, axes, steps, strict=True)):
        axis, start, stop, step = node.axis(axis), int(start), int(stop), int(step)
        shape[axis] = len(range(*slice(start, stop, step).indices(shape[axis])))
        output = node.outputs[0] if index == len(starts) - 1 else f"{node.outputs[0]}:{index}"
        node.shapes[output] = tuple(shape)
        tensor = node.emit("slice", tensor, output=output, axis=axis, start=start, stop=stop, step=step)


@_reads("Split")
def _split(node):
    axis, start = node.axis(node.get("axis", 0)), 0
    for output in node.outputs:
        stop = start + node.shapes[output][axis]
        node.emit("slice", output=output, axis=axis, start=start, stop=stop, step=1)
        start = stop


@_reads("Reshape", "Flatten", "Squeeze", "Unsqueeze")
def _reshape(node):
    node.emit("reshape")


@_reads("Transpose")
def _transpose(node):
    order = node.get("perm", tuple(range(len(node.shape) + 1))[::-1])
    if order[0] != 0:
        node.axis(0)
    node.emit("transpose", order=tuple(node.axis(axis) for axis in order[1:]))


@_reads("Identity", "Dropout", "Cast")
def _identity(node):
    if node.source == "Dropout" and bool(node.constant(2, "training_mode", False)):
        raise node.refuse(
            "expected dropout in evaluation mode, got training_mode=1", "export it for inference"
        )
    node.emit("identity")
