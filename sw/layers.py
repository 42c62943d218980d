"""Layers of a network before it becomes integers: what is computed, not with which numbers.

A network is ``Pixels`` and a tuple of layers in the order they run; each reads tensors made before it, and the tensor of
the pixels is called ``"input"``. Importers make it, every method of compression reads and changes it, and
``sw.model`` gives it weights. Batch norm, residual and activation belong to the convolution that they follow, as they
do in the accelerator.
"""

import math
from dataclasses import dataclass

from .network import INPUT, Concatenation, MaxPool
from .pixels import Pixels

__all__ = [
    "FUNCTIONS",
    "IDENTITY",
    "RELU",
    "Activation",
    "AverageLayer",
    "ConvolutionLayer",
    "Pixels",
    "layer_inputs",
    "tensor_shapes",
]

#: Activation functions that are neither the identity nor a clamp: the accelerator runs them by table.
FUNCTIONS = (
    "elu",
    "gelu",
    "hard_sigmoid",
    "hard_swish",
    "leaky_relu",
    "mish",
    "sigmoid",
    "silu",
    "softplus",
    "tanh",
)


@dataclass(frozen=True, kw_only=True)
class Activation:
    """``clamp(x, low, high)``, or one of ``FUNCTIONS``.

    Raises
    ------
    ValueError
        If the range is empty or the function unknown.
    """

    low: float = -math.inf
    high: float = math.inf
    #: One of ``FUNCTIONS``, or ``None``.
    function: str | None = None
    #: Slope of ``leaky_relu``, alpha of ``elu``.
    parameter: float = 0.0

    def __post_init__(self):
        if self.function is not None and self.function not in FUNCTIONS:
            raise ValueError(f"expected an activation from {', '.join(FUNCTIONS)}, got {self.function!r}")
        if not self.low < self.high:
            raise ValueError(f"expected an activation's range from low to high, got {self.low}..{self.high}")


#: Nothing.
IDENTITY = Activation()
#: Negative numbers become zero.
RELU = Activation(low=0.0)


@dataclass(frozen=True, kw_only=True)
class ConvolutionLayer:
    """``activation(normalise(convolution(input)) + residual)``.

    A fully connected layer is a convolution whose kernel is as large as the map. A scale, an addition or an activation
    that follows no convolution is one of a 1x1 kernel with as many groups as channels, ``fixed`` at ones.
    """

    name: str
    #: Name of the layer whose output is read, or ``"input"``.
    input: str
    #: C.
    inputs: int
    #: K.
    outputs: int
    #: R and S.
    kernel: tuple[int, int] = (3, 3)
    #: Step in both directions.
    stride: int = 1
    #: Zeros (top, left, bottom, right).
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    #: Divides C and K.
    groups: int = 1
    #: Name of the tensor that is added before the activation, or ``None``.
    residual: str | None = None
    activation: Activation = RELU
    #: Whether batch norm follows the sums; without it they get a plain gain and offset.
    batch_norm: bool = True
    #: Weights that mean a selection or a copy: never trained, decomposed or pruned.
    fixed: bool = False

    def __post_init__(self):
        for name in ("inputs", "outputs"):
            value = getattr(self, name)
            if value < 1 or value % self.groups:
                raise ValueError(
                    f"layer {self.name}: expected {name} in {self.groups} equal groups, got {value}"
                )

    @property
    def weight_shape(self):
        """K, C / groups, R and S."""
        return (self.outputs, self.inputs // self.groups, *self.kernel)

    @property
    def dense_parameters(self):
        """Weights, without gain and offset; 0 where they are fixed."""
        return 0 if self.fixed else math.prod(self.weight_shape)

    @property
    def depthwise(self):
        """Whether output channel ``k`` reads input channel ``k`` alone."""
        return self.groups == self.inputs == self.outputs and self.groups > 1


@dataclass(frozen=True, kw_only=True)
class AverageLayer:
    """Mean over windows, without padding; a window of ``None`` is the whole map."""

    name: str
    input: str
    #: Rows and columns, or ``None``.
    window: tuple[int, int] | None = None
    #: Step in both directions.
    stride: int = 1


def layer_inputs(layer):
    """Names of all tensors that a layer reads, a residual last."""
    if isinstance(layer, Concatenation):
        return layer.inputs
    residual = getattr(layer, "residual", None)
    return (layer.input,) if residual is None else (layer.input, residual)


def tensor_shapes(pixels, layers):
    """Every tensor's C, H and W by name, ``"input"`` first.

    Raises
    ------
    ValueError
        Naming the layer, what was expected and what came, if a shape or a name is wrong.
    """
    shapes = {INPUT: pixels.shape}
    for layer in layers:
        if layer.name in shapes:
            raise ValueError(f"layer {layer.name}: expected a name of its own, got one that is taken")
        for name in layer_inputs(layer):
            if name not in shapes:
                raise ValueError(f"layer {layer.name}: expected an input made before it, got {name!r}")
        try:
            shapes[layer.name] = _shape(layer, [shapes[name] for name in layer_inputs(layer)])
        except ValueError as error:
            raise ValueError(f"layer {layer.name}: {error}") from None
    return shapes


def _shape(layer, sources):
    channels, height, width = sources[0]
    if isinstance(layer, Concatenation):
        for source in sources:
            if source[1:] != (height, width):
                raise ValueError(f"expected inputs of {height}x{width}, got {source[1]}x{source[2]}")
        return (sum(source[0] for source in sources), height, width)
    if isinstance(layer, ConvolutionLayer):
        if channels != layer.inputs:
            raise ValueError(f"expected {layer.inputs} input channels, got {channels}")
        shape = (layer.outputs, *_steps((height, width), layer.kernel, layer.stride, layer.padding))
        if layer.residual is not None and sources[1] != shape:
            raise ValueError(f"expected a residual of shape {shape}, got {sources[1]}")
        return shape
    if isinstance(layer, MaxPool):
        return (channels, *_steps((height, width), layer.window, layer.stride, layer.padding))
    if isinstance(layer, AverageLayer):
        window = layer.window or (height, width)
        return (channels, *_steps((height, width), window, layer.stride, (0, 0, 0, 0)))
    raise ValueError(f"expected a layer of this package, got {type(layer).__name__}")


def _steps(extents, windows, stride, padding):
    """Places of a window that steps over a padded map, by axis."""
    before, after = padding[:2], padding[2:]
    steps = tuple(
        (extent + first + last - window) // stride + 1
        for extent, window, first, last in zip(extents, windows, before, after, strict=True)
    )
    if min(steps) < 1:
        raise ValueError(
            f"expected a map of at least {windows[0]}x{windows[1]} with its padding, got {extents[0]}x{extents[1]}"
        )
    return steps
