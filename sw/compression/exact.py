"""Logits of an integer network for many images: the integer formulas in torch's float64, where all of them are exact."""

import numpy as np
import torch
from torch.nn import functional

from ..network import INPUT, AveragePool, Concatenation, Convolution, MaxPool, inputs_of

__all__ = ["integer_accuracy", "integer_logits"]


@torch.no_grad()
def integer_logits(network, images, *, batch=250, progress=None):
    """Output of the last layer, int64 [n, classes], for images of uint8 [n, C, H, W].

    Parameters
    ----------
    network : IntegerNetwork
        Sums stay below 2**53, as its widths ensure.
    progress : callable or None
        Called with the fraction that is done.
    """
    integers = images.astype(np.int64) if network.pixels is None else network.pixels.integers(images)
    kernels = {layer.name: _kernel(layer) for layer in network.layers if isinstance(layer, Convolution)}
    found = []
    for first in range(0, len(integers), batch):
        tensors = {INPUT: torch.from_numpy(integers[first : first + batch]).double()}
        for layer in network.layers:
            sources = [tensors[name] for name in inputs_of(layer)]
            tensors[layer.name] = _STEPS[type(layer)](layer, sources, kernels.get(layer.name))
        found.append(tensors[network.layers[-1].name].flatten(1).long().numpy())
        if progress is not None:
            progress(min(1.0, (first + batch) / len(integers)))
    return np.concatenate(found)


def integer_accuracy(network, images, labels, **options):
    """Share of ``images`` whose greatest logit is the label's; of equal ones the first counts."""
    return float((integer_logits(network, images, **options).argmax(1) == labels).mean())


def _kernel(layer):
    """Weights [K, C / groups, R, S]: the layer's coefficients and bases multiplied out."""
    coefficients = torch.from_numpy(layer.coefficients).double()
    bases = torch.from_numpy(layer.bases).double()
    kernel = torch.einsum("kcm,kmrs->kcrs" if layer.own_bases else "kcm,mrs->kcrs", coefficients, bases)
    outputs, channels = kernel.shape[:2]
    size = channels // layer.groups
    first = torch.arange(outputs) * layer.groups // outputs * size
    return kernel[torch.arange(outputs)[:, None], first[:, None] + torch.arange(size)]


def _convolution(layer, sources, kernel):
    top, left, bottom, right = layer.padding
    padded = functional.pad(sources[0], (left, right, top, bottom))
    total = functional.conv2d(padded, kernel, stride=layer.stride, groups=layer.groups)
    multiplier, bias = (
        torch.from_numpy(part).double()[:, None, None] for part in (layer.multiplier, layer.bias)
    )
    total = total * multiplier + bias
    if layer.residual is not None:
        total = total + sources[1] * layer.residual_multiplier
    total = _shifted(total, layer)
    if layer.table is not None:
        total = torch.from_numpy(layer.table).double()[total.long() & 0xFF]
    return total


def _shifted(total, layer):
    """Rounded half up and clamped."""
    return torch.floor((total + 2.0 ** (layer.shift - 1)) * 2.0**-layer.shift).clamp(layer.low, layer.high)


def _average(layer, sources, _):
    area = layer.window[0] * layer.window[1]
    sums = torch.round(functional.avg_pool2d(sources[0], layer.window, layer.stride) * area)
    return _shifted(sums * layer.multiplier, layer)


def _maximum(layer, sources, _):
    top, left, bottom, right = layer.padding
    padded = functional.pad(sources[0], (left, right, top, bottom), value=float("-inf"))
    return functional.max_pool2d(padded, layer.window, layer.stride)


_STEPS = {
    Convolution: _convolution,
    AveragePool: _average,
    MaxPool: _maximum,
    Concatenation: lambda layer, sources, _: torch.cat(sources, 1),
}
