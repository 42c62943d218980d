"""Operators of ONNX on every number: arithmetic and activation functions."""

import math

import numpy as np

from ..layers import Activation
from .operations import no_layer
from .readers import readers

__all__ = ["READERS"]

READERS, _reads = readers()


def _operands(node):
    """Names of tensors and arrays, and whether both depend on the image."""
    first, second = node.inputs
    return first, second, isinstance(first, str) and isinstance(second, str)


@_reads("Add", "Sum")
def _add(node):
    total, *others = sorted(node.inputs, key=lambda value: not isinstance(value, str))
    for index, other in enumerate(others):
        output = node.outputs[0] if index == len(others) - 1 else f"{node.outputs[0]}:{index}"
        if isinstance(other, str):
            total = node.emit("add", total, other, output=output)
        else:
            total = node.emit("affine", total, output=output, gain=np.ones(()), offset=other)
    if not others:
        node.emit("identity")


@_reads("Sub")
def _subtract(node):
    first, second, both = _operands(node)
    if both:
        negative = node.emit(
            "affine", second, output=f"{node.outputs[0]}:0", gain=-np.ones(()), offset=np.zeros(())
        )
        node.emit("add", first, negative)
    elif isinstance(first, str):
        node.emit("affine", first, gain=np.ones(()), offset=-second)
    else:
        node.emit("affine", second, gain=-np.ones(()), offset=first)


@_reads("Mul")
def _multiply(node):
    first, second, both = _operands(node)
    if both:
        node.emit("multiply", first, second)
    else:
        tensor, gain = (first, second) if isinstance(first, str) else (second, first)
        node.emit("affine", tensor, gain=gain, offset=np.zeros(()))


@_reads("Div")
def _divide(node):
    first, second, _ = _operands(node)
    if isinstance(second, str):
        raise no_layer(node)
    node.emit("affine", first, gain=1 / np.asarray(second, np.float64), offset=np.zeros(()))


@_reads("Neg")
def _negate(node):
    node.emit("affine", gain=-np.ones(()), offset=np.zeros(()))


def _activate(node, **activation):
    try:
        activation = Activation(**activation)
    except ValueError as error:
        raise node.refuse(str(error), "train with another") from None
    node.emit("activation", activation=activation)


@_reads("Relu")
def _relu(node):
    _activate(node, low=0.0)


@_reads("Clip")
def _clip(node):
    low, high = node.constant(1, "minimum", -math.inf), node.constant(2, "maximum", math.inf)
    _activate(node, low=float(low), high=float(high))


@_reads("Max", "Min")
def _bound(node):
    bounds = [value for value in node.inputs if not isinstance(value, str)]
    if len(node.inputs) != 2 or len(bounds) != 1 or bounds[0].size != 1:
        raise no_layer(node)
    (tensor,) = (value for value in node.inputs if isinstance(value, str))
    activation = Activation(**{"low" if node.source == "Max" else "high": float(bounds[0])})
    node.emit("activation", tensor, activation=activation)


def _plain(operator, function):
    READERS[operator] = lambda node: _activate(node, function=function)


for _operator, _function in (
    ("HardSwish", "hard_swish"),
    ("Mish", "mish"),
    ("Sigmoid", "sigmoid"),
    ("Softplus", "softplus"),
    ("Tanh", "tanh"),
):
    _plain(_operator, _function)


@_reads("HardSigmoid")
def _hard_sigmoid(node):
    alpha, beta = node.get("alpha", 0.2), node.get("beta", 0.5)
    if math.isclose(alpha, 1 / 6, rel_tol=1e-5) and beta == 0.5:
        _activate(node, function="hard_sigmoid")
        return
    scaled = node.emit("affine", output=f"{node.outputs[0]}:0", gain=np.array(alpha), offset=np.array(beta))
    node.emit("activation", scaled, activation=Activation(low=0.0, high=1.0))


@_reads("Swish")
def _swish(node):
    if node.get("alpha", 1.0) != 1:
        raise node.refuse(f"expected alpha 1, got {node.get('alpha')}", "train with SiLU")
    _activate(node, function="silu")


@_reads("LeakyRelu")
def _leaky_relu(node):
    _activate(node, function="leaky_relu", parameter=float(node.get("alpha", 0.01)))


@_reads("PRelu")
def _prelu(node):
    slopes = np.unique(node.constant(1, "slope"))
    if len(slopes) > 1:
        raise node.refuse(f"expected one slope, got {len(slopes)}", "train with one slope for all channels")
    _activate(node, function="leaky_relu", parameter=float(slopes[0]))


@_reads("Elu")
def _elu(node):
    _activate(node, function="elu", parameter=float(node.get("alpha", 1.0)))


@_reads("Gelu")
def _gelu(node):
    if node.get("approximate", b"none") != b"none":
        raise node.refuse("expected the exact GELU, got an approximation", "export it with approximate=none")
    _activate(node, function="gelu")


@_reads("Erf")
def _erf(node):
    node.emit("erf")
