"""Operators of PyTorch on every number: arithmetic and activation functions."""

import math

import numpy as np

from ..layers import Activation
from .operations import no_layer
from .readers import readers
from .torch_nodes import Ref, array

__all__ = ["READERS"]

READERS, _reads = readers()


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
    node.constants(weight=weight)
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
