"""Random trainable networks with redundant channels."""

import torch

from sw.compression.decomposed import DecomposedConvolution
from sw.layers import IDENTITY, RELU, Activation, AverageLayer, ConvolutionLayer, tensor_shapes
from sw.model import DenseConvolution, Network
from sw.network import INPUT, Concatenation, MaxPool
from sw.pixels import Pixels

__all__ = ["any_numbers", "copy_layer", "images_of", "random_network", "selection"]

_ACTIVATIONS = (
    RELU,
    RELU,
    RELU,
    IDENTITY,
    Activation(low=0.0, high=6.0),
    Activation(function="silu"),
    Activation(function="leaky_relu", parameter=0.1),
    Activation(function="hard_sigmoid"),
)


def images_of(network, count=3):
    """Random images, float64 0..255."""
    return torch.rand(count, *network.pixels.shape, dtype=torch.float64) * 255


def any_numbers(unit):
    """Give gain, offset and statistics of a unit any values, some of them zero."""
    normalise = unit.normalise
    with torch.no_grad():
        for numbers in normalise.parameters():
            numbers.normal_()
        if unit.layer.batch_norm:
            normalise.running_mean.normal_()
            normalise.running_var.uniform_(0.5, 2)
            # Channels that are 0 behind a ReLU if nothing is added.
            some = torch.rand(unit.layer.outputs) < 0.3
            normalise.bias[some] = 0
            normalise.running_mean[some] = 0
    return unit


def selection(name, source, inputs, outputs, stride=2):
    """Option A of ResNet: every second pixel, channels of zeros before and after."""
    layer = ConvolutionLayer(
        name=name,
        input=source,
        inputs=inputs,
        outputs=outputs,
        kernel=(1, 1),
        stride=stride,
        activation=IDENTITY,
        batch_norm=False,
        fixed=True,
    )
    before = (outputs - inputs) // 2
    weight = torch.zeros(outputs, inputs, 1, 1)
    weight[before : before + inputs, :, 0, 0] = torch.eye(inputs)
    return layer, DenseConvolution(layer, weight)


def copy_layer(name, source, channels, **more):
    """Its input, with a residual or an activation."""
    layer = ConvolutionLayer(
        name=name,
        input=source,
        inputs=channels,
        outputs=channels,
        kernel=(1, 1),
        groups=channels,
        batch_norm=False,
        fixed=True,
        **more,
    )
    return layer, DenseConvolution(layer, torch.ones(channels, 1, 1, 1))


class _Builder:
    def __init__(self, pixels):
        self.pixels, self.layers, self.units = pixels, [], {}

    def pick(self, choices):
        """One of some things."""
        return choices[int(torch.randint(len(choices), ()))]

    def shapes(self):
        """Of all tensors so far."""
        return tensor_shapes(self.pixels, self.layers)

    def add(self, layer, unit=None):
        """A layer, and the unit of a convolution."""
        self.layers.append(layer)
        if unit is not None:
            self.units[layer.name] = unit

    def convolution(self, name, source, *, residual=None, **changes):
        """A convolution of redundant channels."""
        channels = self.shapes()[source][0]
        layer = ConvolutionLayer(
            name=name,
            input=source,
            inputs=channels,
            activation=changes.pop("activation", None) or self.pick(_ACTIVATIONS),
            batch_norm=bool(torch.rand(()) < 0.7),
            residual=residual,
            **changes,
        )
        weight = torch.randn(layer.weight_shape)
        _prune(weight)
        if max(layer.kernel) > 1 and layer.groups == 1 and torch.rand(()) < 0.5:
            bases = 3
            coefficients = torch.randn(*layer.weight_shape[:2], bases)
            _prune(coefficients)
            coefficients[..., torch.rand(bases) < 0.2] = 0
            unit = DecomposedConvolution(layer, coefficients, torch.randn(bases, *layer.kernel), None)
        else:
            unit = DenseConvolution(layer, weight)
        any_numbers(unit)
        if torch.rand(()) < 0.2:
            gain = unit.normalise.weight if layer.batch_norm else unit.normalise.gain
            gain.data[torch.rand(layer.outputs) < 0.4] = 0
        self.add(layer, unit)


def _prune(numbers):
    numbers[torch.rand(len(numbers)) < 0.3] = 0
    numbers[:, torch.rand(numbers.shape[1]) < 0.3] = 0


def random_network(seed):
    """A ``sw.model.Network`` of float64, with every kind of layer and join."""
    torch.manual_seed(seed)
    side = int(torch.randint(6, 11, ()))
    builder = _Builder(Pixels(channels=2, height=side, width=side, offset=(100.0, 30.0), gain=(0.02, 0.01)))
    builder.convolution("first", INPUT, outputs=6, kernel=(3, 3), padding=(1, 1, 1, 1))
    for number in range(int(torch.randint(3, 9, ()))):
        _any_layer(builder, f"layer{number}")
    last = builder.layers[-1].name
    builder.add(AverageLayer(name="average", input=last))
    builder.convolution("classes", "average", outputs=4, kernel=(1, 1), activation=IDENTITY)
    return Network(builder.pixels, builder.layers, builder.units).double().eval()


def _any_layer(builder, name):
    shapes = builder.shapes()
    names = [layer.name for layer in builder.layers[-3:]]
    source = builder.pick([builder.layers[-1].name, builder.pick(names)])
    channels, height, width = shapes[source]
    kind = builder.pick(
        ("plain", "plain", "open", "step", "residual", "residual", "depthwise", "grouped", "option", "copy")
        + ("maximum", "mean", "joined")
    )
    same = [other for other, shape in shapes.items() if other != INPUT and shape == shapes[source]]
    padded = {"kernel": (3, 3), "padding": (1, 1, 1, 1)}
    if kind == "joined":
        alike = [other for other in shapes if other != INPUT and shapes[other][1:] == (height, width)]
        builder.add(Concatenation(name=name, inputs=(source, builder.pick(alike))))
    elif kind == "maximum" and min(height, width) >= 4:
        builder.add(MaxPool(name=name, input=source, window=(3, 3), stride=2, padding=(1, 1, 1, 1)))
    elif kind == "mean" and min(height, width) >= 4:
        builder.add(AverageLayer(name=name, input=source, window=(2, 2), stride=2))
    elif kind == "option" and channels <= 8 and min(height, width) >= 4:
        builder.add(*selection(f"{name}.shortcut", source, channels, channels + 4))
        builder.convolution(
            name, source, outputs=channels + 4, stride=2, residual=f"{name}.shortcut", **padded
        )
    elif kind == "copy":
        builder.add(*copy_layer(name, source, channels, residual=builder.pick(same)))
    elif kind == "depthwise" and channels > 1:
        times = builder.pick((1, 1, 2)) if channels < 9 else 1
        builder.convolution(name, source, outputs=channels * times, groups=channels, **padded)
    elif kind == "grouped" and channels % 2 == 0:
        builder.convolution(name, source, outputs=6, groups=2, kernel=(1, 1))
    elif kind == "residual":
        builder.convolution(name, source, outputs=channels, residual=builder.pick(same), **padded)
    elif kind == "open" and min(height, width) >= 4:
        builder.convolution(name, source, outputs=5, kernel=(3, 2))
    elif kind == "step" and min(height, width) >= 4:
        builder.convolution(name, source, outputs=7, kernel=(3, 3), stride=2, padding=(0, 0, 1, 1))
    else:
        builder.convolution(name, source, outputs=8, **padded)
