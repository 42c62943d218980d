"""Operators of ONNX as primitive operations: a function for each.

A function gets the ``OnnxNode``; it puts in the operations that do the same.
"""

import math
from dataclasses import dataclass

import numpy as np

from ..layers import Activation
from .operations import Operation, no_layer, refuse

__all__ = ["READERS", "OnnxNode"]

#: The function for an operator, by its name.
READERS = {}


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


def _reads(*names):
    def register(function):
        READERS.update(dict.fromkeys(names, function))
        return function

    return register


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


@_reads("Softmax", "LogSoftmax")
def _softmax(node):
    node.emit("softmax", axis=node.axis(node.get("axis", -1)))


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
