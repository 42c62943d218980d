"""Trainable networks: the layers of ``sw.layers`` with weights, as one torch module.

Compressors replace the module of a convolution by one that computes its kernel from something smaller; the layers, and with
them the flow of tensors, stay.
"""

import copy
import math

import torch
from torch import nn
from torch.nn import functional

from .layers import AverageLayer, ConvolutionLayer, layer_inputs, tensor_shapes
from .narrowing import narrow, narrow_normalise, put
from .network import INPUT, Concatenation, MaxPool

__all__ = [
    "Affine",
    "ConvolutionUnit",
    "DenseConvolution",
    "Network",
    "activate",
    "convolve",
    "gain_and_offset",
    "new_network",
]

_FUNCTIONS = {
    "elu": lambda x, parameter: functional.elu(x, alpha=parameter),
    "gelu": lambda x, _: functional.gelu(x),
    "hard_sigmoid": lambda x, _: functional.hardsigmoid(x),
    "hard_swish": lambda x, _: functional.hardswish(x),
    "leaky_relu": lambda x, parameter: functional.leaky_relu(x, negative_slope=parameter),
    "mish": lambda x, _: functional.mish(x),
    "sigmoid": lambda x, _: torch.sigmoid(x),
    "silu": lambda x, _: functional.silu(x),
    "softplus": lambda x, _: functional.softplus(x),
    "tanh": lambda x, _: torch.tanh(x),
}


class Network(nn.Module):
    """Runs ``layers`` in order with ``units``, one module for each convolution, by layer name.

    Parameters
    ----------
    pixels : Pixels
    layers : tuple
        As in ``sw.layers``.
    units : dict
        ``{name: module}``; a module is called with the input and, where the layer has one, the residual.

    Raises
    ------
    ValueError
        If shapes do not fit, or a convolution has no unit.
    """

    def __init__(self, pixels, layers, units):
        super().__init__()
        self.pixels, self.layers = pixels, tuple(layers)
        self.shapes = tensor_shapes(pixels, self.layers)
        self._units = nn.ModuleDict({self.key(name): unit for name, unit in units.items()})
        for layer in self.layers:
            if isinstance(layer, ConvolutionLayer) and self.key(layer.name) not in self._units:
                raise ValueError(f"layer {layer.name}: expected a unit that computes it, got none")
        self.register_buffer("pixel_offset", torch.tensor(pixels.offset)[:, None, None], persistent=False)
        self.register_buffer("pixel_gain", torch.tensor(pixels.gain)[:, None, None], persistent=False)

    @staticmethod
    def key(name):
        """Name of a layer as that of a module, which may hold no dots."""
        return name.replace(".", "/")

    def unit(self, name):
        """The module of the layer ``name``."""
        return self._units[self.key(name)]

    def units(self):
        """Every convolution and its module, in order: ``[(ConvolutionLayer, module)]``."""
        return [
            (layer, self.unit(layer.name)) for layer in self.layers if isinstance(layer, ConvolutionLayer)
        ]

    def replaced(self, units):
        """Network of the same layers in which ``units``, by layer name, stand for the present ones; these are shared."""
        made = Network(
            self.pixels, self.layers, {layer.name: unit for layer, unit in self.units()} | dict(units)
        )
        return made.train(self.training)

    def read(self, images):
        """The tensor ``"input"`` of images."""
        return (images - self.pixel_offset) * self.pixel_gain

    def tensors(self, images):
        """Output of every layer by name, ``"input"`` first, of ``images`` as for ``forward``."""
        tensors = {INPUT: self.read(images)}
        for layer in self.layers:
            tensors[layer.name] = self.compute(layer, [tensors[name] for name in layer_inputs(layer)])
        return tensors

    def compute(self, layer, sources):
        """Output of one layer from its inputs."""
        if isinstance(layer, ConvolutionLayer):
            return self.unit(layer.name)(*sources)
        if isinstance(layer, Concatenation):
            return torch.cat(sources, 1)
        if isinstance(layer, MaxPool):
            top, left, bottom, right = layer.padding
            padded = sources[0]
            if any(layer.padding):
                padded = functional.pad(padded, (left, right, top, bottom), value=-math.inf)
            return functional.max_pool2d(padded, layer.window, layer.stride)
        return average(layer, sources[0])

    def forward(self, images):
        """Logits [n, classes] of images [n, C, H, W], float or uint8, pixels from 0 to 255."""
        tensors, needed = {INPUT: self.read(images)}, self.last_readers()
        for index, layer in enumerate(self.layers):
            tensors[layer.name] = self.compute(layer, [tensors[name] for name in layer_inputs(layer)])
            # What nobody reads any more is freed.
            tensors = {
                name: tensor
                for name, tensor in tensors.items()
                if needed.get(name, index) > index or name == layer.name
            }
        return tensors[self.layers[-1].name].flatten(1)

    def last_readers(self):
        """Place of the last layer that reads a tensor, by name of the tensor."""
        needed = {}
        for index, layer in enumerate(self.layers):
            needed.update(dict.fromkeys(layer_inputs(layer), index))
        return needed


def average(layer, images):
    """Mean over the windows of an ``AverageLayer``."""
    assert isinstance(layer, AverageLayer)
    if layer.window is None:
        return images.mean((2, 3), keepdim=True)
    return functional.avg_pool2d(images, layer.window, layer.stride)


class Affine(nn.Module):
    """Gain and offset per channel."""

    def __init__(self, channels):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(channels))
        self.offset = nn.Parameter(torch.zeros(channels))

    def forward(self, images):
        return images * self.gain[:, None, None] + self.offset[:, None, None]


class ConvolutionUnit(nn.Module):
    """Frame of every module that computes a convolution; they differ in ``kernel``.

    Parameters
    ----------
    layer : ConvolutionLayer
    normalise : BatchNorm2d or Affine, or None
        ``None`` is a new one, of the kind that the layer asks for.
    """

    #: Names of all its parameters and buffers [K, C / groups, ...].
    per_channel = ()
    #: The same for [C, ...].
    per_input = ()

    def __init__(self, layer, normalise=None):
        super().__init__()
        self.layer = layer
        self.normalise = normalise or (nn.BatchNorm2d if layer.batch_norm else Affine)(layer.outputs)

    def kernel(self):
        """Weights [K, C / groups, R, S]."""
        raise NotImplementedError

    def sparse_numbers(self):
        """The numbers that the kernel is made of, where zeros among them are not stored; ``None`` where all are."""
        return None

    def narrowed(self, outputs, inputs, layer):
        """A copy with only some of the channels.

        Parameters
        ----------
        outputs, inputs : Tensor
            int64: channels that stay, in order. Of a layer in groups, all channels of those that stay.
        layer : ConvolutionLayer
            What is left.
        """
        unit = copy.deepcopy(self)
        unit.layer, unit.normalise = layer, narrow_normalise(self.normalise, outputs)
        for name in self.per_channel:
            put(unit, name, narrow(getattr(self, name), outputs, inputs, self.layer.groups))
        for name in self.per_input:
            put(unit, name, getattr(self, name).detach()[inputs])
        return unit

    def sums(self, images, residual=None):
        """What the activation function is applied to."""
        total = self.normalise(convolve(images, self.kernel(), self.layer))
        return total if residual is None else total + residual

    def forward(self, images, residual=None):
        return activate(self.layer.activation, self.sums(images, residual))


class DenseConvolution(ConvolutionUnit):
    """An ordinary convolution.

    Parameters
    ----------
    layer, normalise
        As for ``ConvolutionUnit``.
    weight : Tensor [K, C / groups, R, S], or None
        ``None`` draws one at random (He et al., 2015).
    """

    per_channel = ("weight",)

    def __init__(self, layer, weight=None, normalise=None):
        super().__init__(layer, normalise)
        if weight is None:
            weight = torch.empty(layer.weight_shape)
            nn.init.kaiming_normal_(weight, nonlinearity="linear" if layer.activation.low < 0 else "relu")
        if tuple(weight.shape) != layer.weight_shape:
            raise ValueError(
                f"layer {layer.name}: expected weights {layer.weight_shape}, got {tuple(weight.shape)}"
            )
        if layer.fixed:
            self.register_buffer("weight", weight)
        else:
            self.weight = nn.Parameter(weight)

    def kernel(self):
        return self.weight


def activate(activation, numbers):
    """``activation`` of ``numbers``."""
    if activation.function is not None:
        return _FUNCTIONS[activation.function](numbers, activation.parameter)
    if activation.low == 0 and activation.high == math.inf:
        return functional.relu(numbers)
    if activation.low == -math.inf and activation.high == math.inf:
        return numbers
    return numbers.clamp(activation.low, activation.high)


def convolve(images, kernel, layer):
    """Cross-correlation with the stride, the padding and the groups of ``layer``."""
    top, left, bottom, right = layer.padding
    padding, stride = (top, left), layer.stride
    if top != bottom or left != right:
        images, padding = functional.pad(images, (left, right, top, bottom)), 0
    if layer.kernel == (1, 1) and not any(layer.padding):
        # Gradients of such kernels with strides are written beyond their buffers by oneDNN's code for AVX2.
        images, stride = images[:, :, ::stride, ::stride], 1
    return functional.conv2d(images, kernel, stride=stride, padding=padding, groups=layer.groups)


def gain_and_offset(normalise):
    """What a batch norm, as it is in inference, or an ``Affine`` does to a channel: ``gain * sum + offset``, both [K]."""
    if isinstance(normalise, Affine):
        return normalise.gain, normalise.offset
    gain = normalise.weight / torch.sqrt(normalise.running_var + normalise.eps)
    return gain, normalise.bias - normalise.running_mean * gain


def new_network(pixels, layers):
    """Untrained network of ordinary convolutions, from torch's global random state."""
    return Network(
        pixels,
        layers,
        {layer.name: DenseConvolution(layer) for layer in layers if isinstance(layer, ConvolutionLayer)},
    )
