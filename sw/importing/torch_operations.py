"""Operators of PyTorch as primitive operations: a function for each, with the operator's own arguments.

A function gets the ``TorchNode`` and the arguments; those that depend on the image are ``Ref``, all others numbers and tensors. It
returns the result's tensor by name, or a list of names.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch

from ..layers import Activation
from .operations import Operation, no_layer, refuse

__all__ = ["READERS", "Ref", "TorchNode"]

#: The function for an operator, by its name in ``torch.ops.aten``.
READERS = {}


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


def _pair(value):
    values = (value,) if isinstance(value, int) else tuple(value)
    return values * 2 if len(values) == 1 else values


def _around(padding):
    rows, columns = _pair(padding)
    return (rows, columns, rows, columns)


def _reads(*names):
    def register(function):
        READERS.update(dict.fromkeys(names, function))
        return function

    return register


def _constant(node, **values):
    for name, value in values.items():
        if isinstance(value, Ref):
            raise node.refuse(
                f"expected a constant {name}, got one computed from the image",
                "train with constant parameters",
            )


@_reads("conv2d", "convolution")
def _convolution(node, x, weight, bias=None, stride=1, padding=0, dilation=1, *others):
    _constant(node, weight=weight, bias=bias)
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
    _constant(node, bias=bias)
    return node.emit("linear", x, parameters={"weight": weight, "bias": bias})


@_reads("_native_batch_norm_legit_no_training")
def _batch_norm(node, x, weight, bias, mean, variance, momentum, eps):
    _constant(node, weight=weight, bias=bias, mean=mean, variance=variance)
    parameters = {
        "weight": torch.ones_like(mean) if weight is None else weight,
        "bias": torch.zeros_like(mean) if bias is None else bias,
        "mean": mean,
        "variance": variance,
    }
    return node.emit("batch_norm", x, shape=x.shape, parameters=parameters, eps=eps)


@_reads("add")
def _add(node, x, y, alpha=1):
    if isinstance(x, Ref) and isinstance(y, Ref):
        return node.emit("add", x, y if alpha == 1 else _scaled(node, y, alpha, 0))
    if isinstance(x, Ref):
        return _scaled(node, x, 1, array(y) * alpha)
    return _scaled(node, y, alpha, x)


@_reads("sub")
def _subtract(node, x, y, alpha=1):
    return _add(node, x, y, -alpha)


@_reads("rsub")
def _subtract_from(node, x, y, alpha=1):
    return _add(node, y, x, -alpha)


@_reads("mul")
def _multiply(node, x, y):
    if isinstance(x, Ref) and isinstance(y, Ref):
        return node.emit("multiply", x, y)
    return _scaled(node, x, y, 0) if isinstance(x, Ref) else _scaled(node, y, x, 0)


@_reads("div")
def _divide(node, x, y, rounding_mode=None):
    if isinstance(y, Ref) or rounding_mode is not None:
        raise no_layer(node)
    return _scaled(node, x, 1 / array(y), 0)


@_reads("neg")
def _negate(node, x):
    return _scaled(node, x, -1, 0)


def _scaled(node, x, gain, offset):
    return node.emit("affine", x, gain=array(gain), offset=array(offset))


def _activate(node, x, **activation):
    try:
        activation = Activation(**activation)
    except ValueError as error:
        raise node.refuse(str(error), "train with another") from None
    return node.emit("activation", x, activation=activation)


@_reads("relu")
def _relu(node, x):
    return _activate(node, x, low=0.0)


@_reads("relu6")
def _relu6(node, x):
    return _activate(node, x, low=0.0, high=6.0)


@_reads("hardtanh")
def _hardtanh(node, x, low=-1.0, high=1.0):
    return _activate(node, x, low=float(low), high=float(high))


@_reads("clamp", "clip")
def _clamp(node, x, low=None, high=None):
    return _activate(
        node,
        x,
        low=-math.inf if low is None else float(low),
        high=math.inf if high is None else float(high),
    )


@_reads("clamp_min")
def _clamp_low(node, x, low):
    return _activate(node, x, low=float(low))


@_reads("clamp_max")
def _clamp_high(node, x, high):
    return _activate(node, x, high=float(high))


def _plain(operator, function):
    READERS[operator] = lambda node, x: _activate(node, x, function=function)


for _operator, _function in (
    ("hardsigmoid", "hard_sigmoid"),
    ("hardswish", "hard_swish"),
    ("mish", "mish"),
    ("sigmoid", "sigmoid"),
    ("silu", "silu"),
    ("tanh", "tanh"),
):
    _plain(_operator, _function)


@_reads("leaky_relu")
def _leaky_relu(node, x, slope=0.01):
    return _activate(node, x, function="leaky_relu", parameter=float(slope))


@_reads("prelu", "_prelu_kernel")
def _prelu(node, x, weight):
    _constant(node, weight=weight)
    slopes = np.unique(array(weight))
    if len(slopes) > 1:
        raise node.refuse(f"expected one slope, got {len(slopes)}", "train PReLU with num_parameters=1")
    return _activate(node, x, function="leaky_relu", parameter=float(slopes[0]))


@_reads("elu")
def _elu(node, x, alpha=1.0, scale=1.0, input_scale=1.0):
    if input_scale != 1:
        raise no_layer(node)
    result = _activate(node, x, function="elu", parameter=float(alpha))
    return result if scale == 1 else _scaled(node, result, scale, 0)


@_reads("gelu")
def _gelu(node, x, approximate="none"):
    if approximate != "none":
        raise node.refuse(f"expected the exact GELU, got approximate={approximate!r}", "use nn.GELU()")
    return _activate(node, x, function="gelu")


@_reads("erf")
def _erf(node, x):
    return node.emit("erf", x)


@_reads("softplus")
def _softplus(node, x, beta=1, threshold=20):
    if (beta, threshold) != (1, 20):
        raise node.refuse(
            f"expected beta 1 and threshold 20, got {beta} and {threshold}", "use nn.Softplus()"
        )
    return _activate(node, x, function="softplus")


@_reads("softmax", "log_softmax", "_softmax", "_log_softmax")
def _softmax(node, x, dimension, *_, **__):
    return node.emit("softmax", x, axis=node.axis(x, dimension))


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
    if dimension % (len(x.shape) + 1) == 0 and not start and step == 1:
        return node.emit("identity", x, shape=x.shape)
    return node.emit("slice", x, axis=node.axis(x, dimension), start=start or 0, stop=stop, step=step)


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
