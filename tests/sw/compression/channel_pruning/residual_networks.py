"""Small networks of two stages of residual sums, for images of ``patterns``."""

import torch

from sw.layers import IDENTITY, AverageLayer, ConvolutionLayer
from sw.model import DenseConvolution, Network
from sw.network import INPUT
from tests.sw.compression.redundant_networks import any_numbers, selection
from tests.sw.training.patterns import PIXELS

__all__ = ["FIRST_STAGE", "SECOND_STAGE", "residual_network"]

#: Convolutions that make the channels of each stage.
FIRST_STAGE, SECOND_STAGE = ("stem", "first.b"), ("shortcut", "second.b")
_AROUND = (1, 1, 1, 1)


def residual_network(*, option_a=False, padded=True):
    """A network of float64 in inference, with any numbers.

    Parameters
    ----------
    option_a : bool
        Whether the second stage's shortcut copies every second pixel; else it is a 1x1 convolution with batch norm.
    padded : bool
        Without padding all kernels are 1x1.
    """
    size = {"padding": _AROUND} if padded else {"kernel": (1, 1)}
    parts = [
        _convolution("stem", INPUT, 3, 6, **size),
        _convolution("first.a", "stem", 6, 5, **size),
        _convolution("first.b", "first.a", 5, 6, residual="stem", **size),
        _convolution("second.a", "first.b", 6, 7, stride=2, **size),
        selection("shortcut", "first.b", 6, 10)
        if option_a
        else _convolution("shortcut", "first.b", 6, 10, kernel=(1, 1), stride=2, activation=IDENTITY),
        _convolution("second.b", "second.a", 7, 10, residual="shortcut", **size),
        (AverageLayer(name="average", input="second.b"), None),
        _convolution("classify", "average", 10, 4, kernel=(1, 1), activation=IDENTITY, batch_norm=False),
    ]
    units = {layer.name: unit for layer, unit in parts if unit is not None}
    return Network(PIXELS, tuple(layer for layer, _ in parts), units).double().eval()


def _convolution(name, source, inputs, outputs, **more):
    layer = ConvolutionLayer(name=name, input=source, inputs=inputs, outputs=outputs, **more)
    unit = any_numbers(DenseConvolution(layer))
    with torch.no_grad():
        for numbers in unit.normalise.parameters():
            numbers.abs_().add_(0.1)
    return layer, unit
