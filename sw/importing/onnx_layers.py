"""Operators of ONNX that are layers: convolutions, fully connected layers, batch norm, pooling."""

import math

import numpy as np

from .operations import no_layer
from .readers import readers

__all__ = ["READERS"]

READERS, _reads = readers()


def _padding(node, window, dilation=(1, 1)):
    """(top, left, bottom, right), also where the file says only how it is found."""
    mode = node.get("auto_pad", b"NOTSET").decode()
    if mode in ("NOTSET", "VALID"):
        return tuple(node.get("pads", (0, 0, 0, 0))) if mode == "NOTSET" else (0, 0, 0, 0)
    strides = node.get("strides", (1, 1))
    before, after = [], []
    for extent, size, stride, step in zip(node.shape[1:], window, strides, dilation, strict=True):
        total = max(0, (math.ceil(extent / stride) - 1) * stride + step * (size - 1) + 1 - extent)
        less, more = total // 2, total - total // 2
        before.append(less if mode == "SAME_UPPER" else more)
        after.append(more if mode == "SAME_UPPER" else less)
    return (*before, *after)


def _check_map(node):
    if len(node.shape) != 3:
        raise node.refuse(
            f"expected maps [n, channels, height, width], got {len(node.shape) + 1} axes", "use 2-D layers"
        )


@_reads("Conv")
def _convolution(node):
    _check_map(node)
    weight, bias = node.constant(1, "weight"), node.constant(2, "bias")
    dilation = tuple(node.get("dilations", (1, 1)))
    node.emit(
        "convolution",
        parameters={"weight": weight, "bias": bias},
        stride=tuple(node.get("strides", (1, 1))),
        padding=_padding(node, weight.shape[2:], dilation),
        dilation=dilation,
        groups=node.get("group", 1),
    )


@_reads("Gemm")
def _gemm(node):
    weight, bias = node.constant(1, "weight"), node.constant(2, "bias")
    if node.get("transA", 0):
        raise node.refuse("expected images as rows, got transA=1", "export it with transA=0")
    weight = (weight if node.get("transB", 0) else weight.T) * node.get("alpha", 1.0)
    if bias is not None:
        bias = np.broadcast_to(bias * node.get("beta", 1.0), (1, len(weight)))[0]
    node.emit("linear", parameters={"weight": weight, "bias": bias})


@_reads("MatMul")
def _matmul(node):
    weight = None if isinstance(node.inputs[0], np.ndarray) else node.inputs[1]
    if not isinstance(weight, np.ndarray) or weight.ndim != 2:
        raise no_layer(node)
    node.emit("linear", parameters={"weight": weight.T})


@_reads("BatchNormalization")
def _batch_norm(node):
    if node.get("training_mode", 0):
        raise node.refuse(
            "expected batch norm in evaluation mode, got training_mode=1", "export it for inference"
        )
    names = ("weight", "bias", "mean", "variance")
    parameters = {name: node.constant(index, name) for index, name in enumerate(names, 1)}
    node.emit("batch_norm", parameters=parameters, eps=node.get("epsilon", 1e-5))


@_reads("MaxPool")
def _max_pool(node):
    _check_map(node)
    window, dilation = tuple(node.get("kernel_shape")), tuple(node.get("dilations", (1, 1)))
    node.emit(
        "max_pool",
        window=window,
        stride=tuple(node.get("strides", (1, 1))),
        padding=_padding(node, window, dilation),
        dilation=dilation,
        ceil=bool(node.get("ceil_mode", 0)),
    )


@_reads("AveragePool")
def _average_pool(node):
    _check_map(node)
    window = tuple(node.get("kernel_shape"))
    if any(step != 1 for step in node.get("dilations", (1, 1))):
        raise node.refuse("expected a dilation of 1, got more", "pool without dilation")
    node.emit(
        "average_pool",
        window=window,
        stride=tuple(node.get("strides", (1, 1))),
        padding=_padding(node, window),
        ceil=bool(node.get("ceil_mode", 0)),
    )


@_reads("GlobalAveragePool", "GlobalMaxPool")
def _global_pool(node):
    _check_map(node)
    node.emit("adaptive_pool", size=(1, 1), maximum=node.source == "GlobalMaxPool")


@_reads("ReduceMean")
def _mean(node):
    axes = node.get("axes")
    axes = node.constant(1, "axes") if axes is None else axes
    if axes is None:
        raise no_layer(node)
    node.emit("mean", axes=tuple(node.axis(axis) for axis in np.ravel(axes)))


@_reads("Softmax", "LogSoftmax")
def _softmax(node):
    node.emit("softmax", axis=node.axis(node.get("axis", -1)))
