"""The integer network that a compression will make, before it is made: whether a configuration can hold it at all."""

import numpy as np

from ..layers import AverageLayer, ConvolutionLayer, tensor_shapes
from ..network import AveragePool, Convolution, IntegerNetwork, TensorInfo

__all__ = ["outline"]


def outline(pixels, layers, plans):
    """Integer network of the shapes of ``layers``, in which decomposed layers have not a single coefficient.

    Parameters
    ----------
    pixels : Pixels
    layers : tuple
        As in ``sw.layers``, without activation functions that need a table.
    plans : dict
        ``LayerPlan`` of every convolution, by name.
    """
    shapes = tensor_shapes(pixels, layers)
    made = []
    for layer in layers:
        if isinstance(layer, ConvolutionLayer):
            made.append(_convolution(layer, plans[layer.name]))
        elif isinstance(layer, AverageLayer):
            window = layer.window or shapes[layer.input][1:]
            made.append(
                AveragePool(
                    name=layer.name,
                    input=layer.input,
                    window=window,
                    stride=layer.stride,
                    multiplier=1,
                    shift=1,
                    low=0,
                    high=255,
                )
            )
        else:
            made.append(layer)
    return IntegerNetwork(
        name="outline",
        input=TensorInfo(
            channels=pixels.channels, height=pixels.height, width=pixels.width, signed=pixels.signed
        ),
        input_scale=pixels.scale,
        layers=tuple(made),
    )


def _convolution(layer, plan):
    outputs, channels, *kernel = layer.weight_shape
    if plan.decomposed:
        coefficients = np.zeros((outputs, layer.inputs, plan.bases), np.int8)
        bases = np.zeros((plan.bases, *kernel), np.int8)
    else:
        # Output channel k reads the channels of its group, each with a basis of its own.
        coefficients = np.zeros((outputs, layer.inputs, channels), np.int8)
        first = np.arange(outputs) * layer.groups // outputs * channels
        for channel in range(channels):
            coefficients[np.arange(outputs), first + channel, channel] = 1
        bases = np.zeros((outputs, channels, *kernel), np.int8)
    return Convolution(
        name=layer.name,
        input=layer.input,
        coefficients=coefficients,
        bases=bases,
        stride=layer.stride,
        padding=layer.padding,
        multiplier=np.zeros(outputs, np.int64),
        bias=np.zeros(outputs, np.int64),
        shift=1,
        low=0 if layer.activation.low >= 0 else -128,
        high=255 if layer.activation.low >= 0 else 127,
        residual=layer.residual,
        groups=layer.groups,
        fixed=layer.fixed,
    )
