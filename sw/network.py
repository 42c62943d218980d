"""The integer network: what the compressor produces, the compiler packs and the reference computes.

Only data and checks of shapes and ranges live here; the mathematics is in ``sim.reference``.
Activations are 8-bit integers with zero point 0; tensors are named by the layer that makes them, and
the input tensor is called ``"input"``.
"""

from dataclasses import dataclass

import numpy as np

from .pixels import Pixels

__all__ = [
    "INPUT",
    "AveragePool",
    "Concatenation",
    "Convolution",
    "IntegerNetwork",
    "MaxPool",
    "TensorInfo",
    "inputs_of",
]

INPUT = "input"


@dataclass(frozen=True, kw_only=True)
class TensorInfo:
    """Shape and range of one tensor: ``channels`` x ``height`` x ``width`` 8-bit activations."""

    channels: int
    height: int
    width: int
    signed: bool

    @property
    def shape(self):
        return (self.channels, self.height, self.width)

    @property
    def low(self):
        return -128 if self.signed else 0

    @property
    def high(self):
        return 127 if self.signed else 255


@dataclass(frozen=True, kw_only=True, eq=False)
class Convolution:
    """``out = clamp((acc * multiplier + bias + residual * residual_multiplier + 2^(shift-1)) >> shift)``.

    ``acc[k] = sum_m sum_c bases[k, m] (*) (coefficients[k, c, m] * input[c])``, as cross-correlation with
    zero padding. A fully connected layer is a 1x1 convolution on a 1x1 map. With a table the output is
    ``table[out & 0xFF]``.
    """

    name: str
    #: Name of the layer whose output is read, or ``"input"``.
    input: str
    #: int8 [K, C, M] in {-1, 0, +1}.
    coefficients: np.ndarray
    #: int8 [M, R, S], shared by all output channels, or [K, M, R, S], each output channel its own.
    bases: np.ndarray
    #: 1 or 2.
    stride: int
    #: Zeros (top, left, bottom, right).
    padding: tuple[int, int, int, int]
    #: int64 [K], signed 16-bit values.
    multiplier: np.ndarray
    #: int64 [K], signed 40-bit values.
    bias: np.ndarray
    shift: int
    #: Output range, within 0..255 or, where ``low`` is negative, -128..127: 0..255 after ReLU, less after ReLU6.
    low: int
    high: int
    #: Name of the tensor that is added, of the output's shape, or ``None``.
    residual: str | None = None
    residual_multiplier: int = 0
    #: Groups of the layer before it was compressed; coefficients between groups are zero. Only counting needs it.
    groups: int = 1
    #: Coefficients that mean a selection or a copy, which the network before had no weights for. Only counting needs it.
    fixed: bool = False
    #: int64 [256]: any other activation function, or ``None``.
    table: np.ndarray | None = None
    #: Range of the table: -128..127, or 0..255.
    table_signed: bool = False

    @property
    def depthwise(self):
        """Whether output channel ``k`` reads input channel ``k`` alone, by its groups."""
        return self.groups > 1 and self.coefficients.shape[:2] == (self.groups, self.groups)

    @property
    def own_bases(self):
        """Whether every output channel has bases of its own."""
        return self.bases.ndim == 4

    @property
    def kernel(self):
        """Rows and columns of the kernel."""
        return self.bases.shape[-2:]

    @property
    def dense_weights(self):
        """Weights of the layer before it was compressed; 0 where they are fixed."""
        outputs, channels, _ = self.coefficients.shape
        return 0 if self.fixed else outputs * (channels // self.groups) * self.kernel[0] * self.kernel[1]


@dataclass(frozen=True, kw_only=True, eq=False)
class MaxPool:
    """Maximum over windows; range as its input. Places outside of the map never win."""

    name: str
    input: str
    #: Rows and columns.
    window: tuple[int, int]
    #: Step in both directions.
    stride: int
    #: Places outside of the map (top, left, bottom, right).
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)


@dataclass(frozen=True, kw_only=True, eq=False)
class AveragePool:
    """``out = clamp((sum * multiplier + 2^(shift-1)) >> shift)``, the sum being that of a channel over a window.

    A global average has the whole map as its window.
    """

    name: str
    input: str
    #: Rows and columns.
    window: tuple[int, int]
    #: Step in both directions.
    stride: int
    multiplier: int
    shift: int
    #: Output range, as for a convolution.
    low: int
    high: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Concatenation:
    """Channels of the ``inputs`` one after the other; these have the same map and the same sign."""

    name: str
    inputs: tuple[str, ...]


def inputs_of(layer):
    """Names of all tensors that a layer reads, a residual last."""
    if isinstance(layer, Concatenation):
        return layer.inputs
    residual = layer.residual if isinstance(layer, Convolution) else None
    return (layer.input,) if residual is None else (layer.input, residual)


@dataclass(frozen=True, kw_only=True, eq=False)
class IntegerNetwork:
    """Layers in the order they run; each reads tensors made before it. The last layer's output is the result."""

    name: str
    input: TensorInfo
    #: Real value of one unit of the input: ``real = input_scale * integer``.
    input_scale: float
    layers: tuple
    #: How the integers of the input are made from an image, or ``None`` where images are such integers.
    pixels: Pixels | None = None

    def __post_init__(self):
        if not self.layers:
            raise ValueError(f"network {self.name}: expected at least one layer, got none")
        self.tensors()

    def tensors(self):
        """Every tensor by name, ``"input"`` first: ``{name: TensorInfo}``.

        Raises
        ------
        ValueError
            Naming the layer, what was expected and what came, if a shape, a range or a name is wrong.
        """
        tensors = {INPUT: self.input}
        for layer in self.layers:
            try:
                if layer.name in tensors:
                    raise ValueError("expected a name of its own, got one that is taken")
                if type(layer) not in _SHAPES:
                    expected = ", ".join(known.__name__ for known in _SHAPES)
                    raise ValueError(f"expected one of {expected}, got {type(layer).__name__}")
                for name in inputs_of(layer):
                    if name not in tensors:
                        role = "a residual" if name == getattr(layer, "residual", None) else "an input"
                        raise ValueError(f"expected {role} made before it, got {name!r}")
                tensors[layer.name] = _SHAPES[type(layer)](layer, tensors)
            except ValueError as error:
                raise ValueError(f"layer {layer.name}: {error}") from None
        return tensors


def _check_array(name, array, dtype, shape, low, high):
    if not isinstance(array, np.ndarray) or array.dtype != dtype:
        raise ValueError(f"expected {name} as {np.dtype(dtype)}, got {getattr(array, 'dtype', type(array))}")
    if array.shape != shape:
        raise ValueError(f"expected {name} of shape {shape}, got {array.shape}")
    if array.size and (array.min() < low or array.max() > high):
        raise ValueError(f"expected {name} from {low} to {high}, got {array.min()} to {array.max()}")


def _range(low, high):
    if not (0 <= low <= high <= 255 or -128 <= low <= high <= 127):
        raise ValueError(f"expected an output range within 0..255 or -128..127, got {low}..{high}")
    return low < 0


def _check_shift(shift):
    if not 1 <= shift <= 31:
        raise ValueError(f"expected a shift from 1 to 31, got {shift}")


def _convolution(layer, tensors):
    source = tensors[layer.input]
    if layer.coefficients.ndim != 3 or layer.bases.ndim not in (3, 4):
        raise ValueError(
            "expected coefficients [K, C, M] and bases [M, R, S] or [K, M, R, S], "
            f"got {layer.coefficients.shape} and {layer.bases.shape}"
        )
    outputs, _, bases = layer.coefficients.shape
    kernel_height, kernel_width = layer.kernel
    _check_array("coefficients", layer.coefficients, np.int8, (outputs, source.channels, bases), -1, 1)
    expected = (outputs, bases, *layer.kernel) if layer.own_bases else (bases, *layer.kernel)
    _check_array("bases", layer.bases, np.int8, expected, -128, 127)
    _check_groups(layer, outputs, source.channels)
    _check_array("multipliers", layer.multiplier, np.int64, (outputs,), -(1 << 15), (1 << 15) - 1)
    _check_array("biases", layer.bias, np.int64, (outputs,), -(1 << 39), (1 << 39) - 1)
    _check_shift(layer.shift)
    if layer.stride not in (1, 2):
        raise ValueError(
            f"expected a stride of 1 or 2, got {layer.stride}; use a stride of 1 and after it max pooling with a window "
            f"of 1x1 and a step of {layer.stride}"
        )
    top, left, bottom, right = layer.padding
    if min(layer.padding) < 0 or max(top, bottom) >= kernel_height or max(left, right) >= kernel_width:
        raise ValueError(f"expected padding from 0 to less than the kernel, got {layer.padding}")
    height = (source.height + top + bottom - kernel_height) // layer.stride + 1
    width = (source.width + left + right - kernel_width) // layer.stride + 1
    if height < 1 or width < 1:
        raise ValueError(
            f"expected a map of at least the kernel {kernel_height}x{kernel_width}, got {source.height}x{source.width}"
        )
    signed = _range(layer.low, layer.high)
    if layer.table is not None:
        low, high = (-128, 127) if layer.table_signed else (0, 255)
        _check_array("the table", layer.table, np.int64, (256,), low, high)
        signed = layer.table_signed
    output = TensorInfo(channels=outputs, height=height, width=width, signed=signed)
    if layer.residual is not None:
        if tensors[layer.residual].shape != output.shape:
            raise ValueError(
                f"expected a residual of shape {output.shape}, got {tensors[layer.residual].shape}"
            )
        if not 0 <= layer.residual_multiplier < 1 << 15:
            raise ValueError(
                f"expected a residual multiplier from 0 to 32767, got {layer.residual_multiplier}"
            )
    return output


def _check_groups(layer, outputs, channels):
    if layer.groups < 1 or outputs % layer.groups or channels % layer.groups:
        raise ValueError(
            f"expected groups that divide {outputs} output and {channels} input channels, got {layer.groups}"
        )
    group_of_output = np.arange(outputs) * layer.groups // outputs
    group_of_input = np.arange(channels) * layer.groups // channels
    if layer.coefficients[group_of_output[:, None] != group_of_input].any():
        raise ValueError(f"expected no coefficients between {layer.groups} groups, got some")


def _windows(source, layer, padding):
    """Rows and columns of the output of a pooling."""
    top, left, bottom, right = padding
    rows, columns = layer.window
    height, width = source.height + top + bottom, source.width + left + right
    if min(rows, columns, layer.stride) < 1 or rows > height or columns > width:
        raise ValueError(
            f"expected a window and step that fit a {source.height}x{source.width} map, "
            f"got {rows}x{columns} and {layer.stride}"
        )
    if min(padding) < 0 or max(top, bottom) >= rows or max(left, right) >= columns:
        raise ValueError(f"expected padding from 0 to less than the window {rows}x{columns}, got {padding}")
    return (height - rows) // layer.stride + 1, (width - columns) // layer.stride + 1


def _max_pool(layer, tensors):
    source = tensors[layer.input]
    height, width = _windows(source, layer, layer.padding)
    return TensorInfo(channels=source.channels, height=height, width=width, signed=source.signed)


def _average_pool(layer, tensors):
    source = tensors[layer.input]
    height, width = _windows(source, layer, (0, 0, 0, 0))
    _check_shift(layer.shift)
    if not 0 <= layer.multiplier < 1 << 15:
        raise ValueError(f"expected a multiplier from 0 to 32767, got {layer.multiplier}")
    signed = _range(layer.low, layer.high)
    return TensorInfo(channels=source.channels, height=height, width=width, signed=signed)


def _concatenation(layer, tensors):
    if not layer.inputs:
        raise ValueError("expected at least one input, got none")
    parts = [tensors[name] for name in layer.inputs]
    first = parts[0]
    for name, part in zip(layer.inputs, parts, strict=True):
        if (part.height, part.width, part.signed) != (first.height, first.width, first.signed):
            raise ValueError(
                f"expected inputs of the same map and sign, {_describe(first)}, got {_describe(part)} of {name}"
            )
    return TensorInfo(
        channels=sum(part.channels for part in parts),
        height=first.height,
        width=first.width,
        signed=first.signed,
    )


def _describe(info):
    return f"{info.height}x{info.width} {'signed' if info.signed else 'unsigned'}"


_SHAPES = {
    Convolution: _convolution,
    MaxPool: _max_pool,
    AveragePool: _average_pool,
    Concatenation: _concatenation,
}
