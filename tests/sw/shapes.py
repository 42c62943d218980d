"""Layers of well-known networks, as their papers give them."""

import dataclasses

from sw.layers import IDENTITY, AverageLayer, ConvolutionLayer
from sw.network import INPUT, MaxPool
from sw.pixels import Pixels

__all__ = ["mobilenet", "pixels", "resnet", "resnet8", "vgg16"]

_VGG16 = (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0)


def pixels(side):
    """An image of three colours."""
    return Pixels(channels=3, height=side, width=side, offset=(0.0,) * 3, gain=(1.0,) * 3)


class _Layers(list):
    """Layers in order, and how many channels the last one has."""

    def convolution(
        self, name, outputs, *, kernel=3, source=None, inputs=None, stride=1, padding=None, **more
    ):
        """Adds one that reads the last layer; returns its name."""
        before = kernel // 2 if padding is None else padding
        last = (INPUT, 3) if not self else (self[-1].name, self.channels)
        self.append(
            ConvolutionLayer(
                name=name,
                input=source or last[0],
                inputs=inputs or last[1],
                outputs=outputs,
                kernel=(kernel, kernel),
                stride=stride,
                padding=(before,) * 4,
                **more,
            )
        )
        self.channels = outputs
        return name

    def classifier(self, outputs):
        """Average of the map and a fully connected layer."""
        self.append(AverageLayer(name="average", input=self[-1].name))
        self.convolution("classes", outputs, kernel=1, batch_norm=False, activation=IDENTITY)


def vgg16(side, classifier):
    """VGG16 with its fully connected layers as convolutions; ``classifier`` is how many outputs each has."""
    layers = _Layers()
    for number, channels in enumerate(_VGG16):
        if channels:
            layers.convolution(f"conv{number}", channels)
        else:
            layers.append(MaxPool(name=f"pool{number}", input=layers[-1].name, window=(2, 2), stride=2))
    for number, outputs in enumerate(classifier):
        kernel = 1 if number else side // 32
        layers.convolution(f"classifier{number}", outputs, kernel=kernel, padding=0, batch_norm=False)
    return tuple(layers)


def resnet(blocks):
    """The CIFAR-10 ResNet of He et al. with ``blocks`` of two layers in each of three stages; shortcuts without weights."""
    layers = _Layers()
    shortcut = layers.convolution("stem", 16)
    for stage, channels in enumerate((16, 32, 64)):
        for block in range(blocks):
            name = f"stage{stage}.block{block}"
            stride = 2 if stage and not block else 1
            source, inputs = shortcut, layers.channels
            if stride == 2:
                shortcut = layers.convolution(
                    f"{name}.shortcut",
                    channels,
                    kernel=1,
                    stride=2,
                    fixed=True,
                    batch_norm=False,
                    activation=IDENTITY,
                )
            layers.convolution(f"{name}.a", channels, source=source, inputs=inputs, stride=stride)
            shortcut = layers.convolution(f"{name}.b", channels, residual=shortcut)
    layers.classifier(10)
    return tuple(layers)


def resnet8():
    """MLPerf Tiny's: one block a stage, shortcuts with weights."""
    return tuple(
        dataclasses.replace(layer, fixed=False) if isinstance(layer, ConvolutionLayer) else layer
        for layer in resnet(1)
    )


def mobilenet():
    """MobileNetV1 for 224 x 224 pixels."""
    layers = _Layers()
    layers.convolution("stem", 32, stride=2)
    steps = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]
    for number, (channels, stride) in enumerate(steps):
        layers.convolution(f"depth{number}", layers.channels, stride=stride, groups=layers.channels)
        layers.convolution(f"point{number}", channels, kernel=1)
    layers.classifier(1000)
    return tuple(layers)
