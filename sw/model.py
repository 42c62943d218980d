"""Networks as lists of layer descriptions, run by one module whatever their layers compute with.

The compressor replaces the convolution of each layer twice, by a ternary one and then by an integer
one; the list, and with it the flow of tensors, stays.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from .network import INPUT, AveragePool, Convolution, IntegerNetwork, MaxPool

__all__ = [
    "DIGITS",
    "AverageSpec",
    "ConvolutionSpec",
    "FloatConvolution",
    "Network",
    "float_network",
    "outline",
]


@dataclass(frozen=True, kw_only=True)
class ConvolutionSpec:
    """A convolution, its per-channel gain and offset (batch norm while training), an added tensor and ReLU."""

    name: str
    #: Name of the layer whose output is read, or ``"input"``.
    input: str
    #: C.
    inputs: int
    #: K.
    outputs: int
    #: M: basis kernels after decomposition.
    bases: int
    #: Bases that each output channel keeps of the M; the others cost it no cycle.
    kept: int
    #: R = S.
    kernel: int = 3
    stride: int = 1
    #: Zeros (top, left, bottom, right).
    padding: tuple[int, int, int, int] = (1, 1, 1, 1)
    #: Name of the tensor that is added before ReLU, or ``None``.
    residual: str | None = None
    relu: bool = True
    #: Whether batch norm follows; without it the layer has a plain gain and offset.
    batch_norm: bool = True

    @property
    def dense_parameters(self):
        """Weights of the uncompressed layer, without gain and offset."""
        return self.outputs * self.inputs * self.kernel * self.kernel


@dataclass(frozen=True, kw_only=True)
class AverageSpec:
    """Mean over the whole map."""

    name: str
    input: str


#: Digits of 28x28 pixels: a stride with asymmetric padding, pooling, a residual, a 1x1 and a fully connected layer.
DIGITS = (
    ConvolutionSpec(name="stem", input=INPUT, inputs=1, outputs=16, bases=8, kept=2),
    MaxPool(name="pool", input="stem", window=(2, 2), stride=2),
    ConvolutionSpec(
        name="down", input="pool", inputs=16, outputs=32, bases=5, kept=2, stride=2, padding=(0, 0, 1, 1)
    ),
    ConvolutionSpec(name="block1", input="down", inputs=32, outputs=32, bases=5, kept=2),
    ConvolutionSpec(name="block2", input="block1", inputs=32, outputs=32, bases=5, kept=2, residual="down"),
    ConvolutionSpec(
        name="expand",
        input="block2",
        inputs=32,
        outputs=64,
        bases=2,
        kept=2,
        kernel=1,
        padding=(0, 0, 0, 0),
    ),
    AverageSpec(name="average", input="expand"),
    ConvolutionSpec(
        name="classify",
        input="average",
        inputs=64,
        outputs=10,
        bases=4,
        kept=4,
        kernel=1,
        padding=(0, 0, 0, 0),
        relu=False,
        batch_norm=False,
    ),
)


def outline(specs, image):
    """Integer network of the same shapes without a single coefficient: whether a configuration can hold ``specs`` at all.

    Parameters
    ----------
    specs : tuple
        As ``DIGITS``.
    image : TensorInfo
        The input.
    """
    layers, tensors = [], {INPUT: image}
    for spec in specs:
        if isinstance(spec, MaxPool):
            layers.append(spec)
        elif isinstance(spec, AverageSpec):
            info = tensors[spec.input]
            layers.append(
                AveragePool(
                    name=spec.name,
                    input=spec.input,
                    window=(info.height, info.width),
                    stride=1,
                    multiplier=1,
                    shift=1,
                    low=0,
                    high=255,
                )
            )
        else:
            layers.append(
                Convolution(
                    name=spec.name,
                    input=spec.input,
                    coefficients=np.zeros((spec.outputs, spec.inputs, spec.bases), np.int8),
                    bases=np.zeros((spec.bases, spec.kernel, spec.kernel), np.int8),
                    stride=spec.stride,
                    padding=spec.padding,
                    multiplier=np.zeros(spec.outputs, np.int64),
                    bias=np.zeros(spec.outputs, np.int64),
                    shift=1,
                    low=0,
                    high=255,
                    residual=spec.residual,
                )
            )
        made = IntegerNetwork(name="outline", input=image, input_scale=1.0, layers=tuple(layers))
        tensors = made.tensors()
    return made


class Network(nn.Module):
    """Runs ``specs`` in order with ``units``, modules by layer name (pooling needs none)."""

    def __init__(self, specs, units):
        super().__init__()
        self.specs = tuple(specs)
        self.units = nn.ModuleDict(units)

    def tensors(self, images):
        """Output of every layer by name, ``"input"`` first."""
        tensors = {INPUT: images}
        for spec in self.specs:
            source = tensors[spec.input]
            if isinstance(spec, MaxPool):
                top, left, bottom, right = spec.padding
                padded = functional.pad(source, (left, right, top, bottom), value=float("-inf"))
                tensors[spec.name] = functional.max_pool2d(padded, spec.window, spec.stride)
            elif isinstance(spec, ConvolutionSpec) and spec.residual is not None:
                tensors[spec.name] = self.units[spec.name](source, tensors[spec.residual])
            else:
                tensors[spec.name] = self.units[spec.name](source)
        return tensors

    def forward(self, images):
        """Logits [n, classes] of images [n, C, H, W]."""
        return self.tensors(images)[self.specs[-1].name].flatten(1)


class FloatConvolution(nn.Module):
    """An ordinary convolution; also the frame of the ternary one, which differs in ``kernel`` alone."""

    def __init__(self, spec):
        super().__init__()
        self.spec = spec
        self.weight = nn.Parameter(torch.empty(spec.outputs, spec.inputs, spec.kernel, spec.kernel))
        nn.init.kaiming_normal_(self.weight, nonlinearity="relu" if spec.relu else "linear")
        self.normalise = nn.BatchNorm2d(spec.outputs) if spec.batch_norm else Affine(spec.outputs)

    def kernel(self):
        """Weights [K, C, R, S]."""
        return self.weight

    def forward(self, images, residual=None):
        total = self.normalise(convolve(images, self.kernel(), self.spec))
        if residual is not None:
            total = total + residual
        return functional.relu(total) if self.spec.relu else total


class Affine(nn.Module):
    """Gain and offset per channel."""

    def __init__(self, channels):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(channels))
        self.offset = nn.Parameter(torch.zeros(channels))

    def forward(self, images):
        return images * self.gain[:, None, None] + self.offset[:, None, None]


class Average(nn.Module):
    """Mean over the map, as a map of one pixel."""

    def forward(self, images):
        return images.mean((2, 3), keepdim=True)


def convolve(images, kernel, spec):
    """Cross-correlation with the stride and the padding of ``spec``."""
    top, left, bottom, right = spec.padding
    if top == bottom and left == right:
        return functional.conv2d(images, kernel, stride=spec.stride, padding=(top, left))
    return functional.conv2d(functional.pad(images, (left, right, top, bottom)), kernel, stride=spec.stride)


def float_network(specs):
    """Untrained network of ordinary convolutions, from torch's global random state."""
    units = {}
    for spec in specs:
        if isinstance(spec, ConvolutionSpec):
            units[spec.name] = FloatConvolution(spec)
        elif isinstance(spec, AverageSpec):
            units[spec.name] = Average()
    return Network(specs, units)
