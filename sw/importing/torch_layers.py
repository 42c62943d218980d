"""Operators of PyTorch that are layers: convolutions, fully connected layers, batch norm, pooling."""

import torch

from .operations import no_layer
from .readers import readers
from .torch_nodes import Ref

__all__ = ["READERS"]

READERS, _reads = readers()


def _pair(value):
    values = (value,) if isinstance(value, int) else tuple(value)
    return values * 2 if len(values) == 1 else values


def _around(padding):
    rows, columns = _pair(padding)
    return (rows, columns, rows, columns)


@_reads("conv2d", "convolution")
def _convolution(node, x, weight, bias=None, stride=1, padding=0, dilation=1, *others):
    node.constants(weight=weight, bias=bias)
    transposed, groups = (others[0], others[2]) if len(others) == 3 else (False, others[0] if others else 1)
    if transposed or len(x.shape) != 3:
        raise no_layer(node, "conv_transpose" if transposed else f"conv{len(x.shape) - 1}d")
    window, dilation = weight.shape[2:], _pair(dilation)
    if padding == "same":
        total = [step * (extent - 1) for step, extent in zip(dilation, window, strict=True)]
        before = [extent // 2 for extent in total]
        padding = (*before, *(extent - first for extent, first in zip(total, before, strict=True)))
    else:
        padding = (0, 0, 0, 0) if padding == "valid" else _around(padding)
    return node.emit(
        "convolution",
        x,
        parameters={"weight": weight, "bias": bias},
        stride=_pair(stride),
        padding=padding,
        dilation=dilation,
        groups=groups,
    )


@_reads("linear", "addmm", "mm", "matmul")
def _linear(node, *arguments):
    if node.source.endswith("linear"):
        x, weight, bias = (*arguments, None)[:3]
    else:
        bias, (x, weight) = (arguments[0] if len(arguments) == 3 else None), arguments[-2:]
        weight = weight if isinstance(weight, Ref) else weight.T
    if not isinstance(x, Ref) or isinstance(weight, Ref) or weight.ndim != 2:
        raise no_layer(node)
    node.constants(bias=bias)
    return node.emit("linear", x, parameters={"weight": weight, "bias": bias})


@_reads("_native_batch_norm_legit_no_training")
def _batch_norm(node, x, weight, bias, mean, variance, momentum, eps):
    node.constants(weight=weight, bias=bias, mean=mean, variance=variance)
    parameters = {
        "weight": torch.ones_like(mean) if weight is None else weight,
        "bias": torch.zeros_like(mean) if bias is None else bias,
        "mean": mean,
        "variance": variance,
    }
    return node.emit("batch_norm", x, shape=x.shape, parameters=parameters, eps=eps)


@_reads("max_pool2d", "max_pool2d_with_indices")
def _max_pool(node, x, window, stride=(), padding=0, dilation=1, ceil=False):
    shape = node.shape[0] if node.source.endswith("indices") else node.shape
    return node.emit(
        "max_pool",
        x,
        shape=shape,
        window=_pair(window),
        stride=_pair(stride or window),
        padding=_around(padding),
        dilation=_pair(dilation),
        ceil=ceil,
    )


@_reads("avg_pool2d")
def _average_pool(node, x, window, stride=(), padding=0, ceil=False, count_include_pad=True, divisor=None):
    if divisor is not None:
        raise node.refuse(f"expected a mean, got divisor_override={divisor}", "pool without divisor_override")
    return node.emit(
        "average_pool",
        x,
        window=_pair(window),
        stride=_pair(stride or window),
        padding=_around(padding),
        ceil=ceil,
    )


@_reads("adaptive_avg_pool2d", "_adaptive_avg_pool2d")
def _adaptive_average(node, x, size):
    return node.emit("adaptive_pool", x, size=node.shape[1:], maximum=False)


@_reads("adaptive_max_pool2d")
def _adaptive_maximum(node, x, size):
    return node.emit("adaptive_pool", x, shape=node.shape[0], size=node.shape[0][1:], maximum=True)


@_reads("mean")
def _mean(node, x, dimensions=None, keep=False, dtype=None):
    if dimensions is None:
        raise no_layer(node)
    return node.emit("mean", x, axes=tuple(node.axis(x, dimension) for dimension in dimensions))


@_reads("softmax", "log_softmax", "_softmax", "_log_softmax")
def _softmax(node, x, dimension, *_, **__):
    return node.emit("softmax", x, axis=node.axis(x, dimension))
