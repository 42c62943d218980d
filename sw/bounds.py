"""Proof, from the actual integers of a layer, that nothing in the machine can overflow.

Ranges are exact intervals: every activation may take any value that the clamp or table of its layer lets pass. Partial sums may wrap
around on the way (modulo ``2^accumulator_bits`` they come out right), only the final sum has to fit.
"""

from typing import NamedTuple

import numpy as np

from .network import INPUT, AveragePool, Convolution, inputs_of

__all__ = ["Range", "check_average", "check_convolution", "value_ranges"]


class Range(NamedTuple):
    """Least and greatest value that a tensor can hold; 0 is always among them, as padding is."""

    low: int
    high: int


def value_ranges(network):
    """``Range`` of every tensor by name: what clamps and tables leave of the eight bits."""
    infos = network.tensors()
    ranges = {INPUT: Range(infos[INPUT].low, infos[INPUT].high)}
    for layer in network.layers:
        if isinstance(layer, Convolution) and layer.table is not None:
            ends = [int(layer.table.min()), int(layer.table.max())]
        elif isinstance(layer, Convolution | AveragePool):
            ends = [layer.low, layer.high]
        else:
            ends = [end for name in inputs_of(layer) for end in ranges[name]]
        ranges[layer.name] = Range(min(0, *ends), max(0, *ends))
    return ranges


def _fit(low, high, bits, what, advice):
    """Raise ``ValueError`` unless ``low..high`` fits a signed number of ``bits``."""
    if low < -(1 << bits - 1) or high > (1 << bits - 1) - 1:
        raise ValueError(
            f"expected {what} to fit {bits} bits, signed, got a range of {low}..{high}; {advice}"
        )


def _scaled(low, high, factor):
    return sorted((low * factor, high * factor))


def _reach(weights, axis, info):
    """Least and greatest sum of ``weights`` times activations of ``info``, along ``axis``."""
    weights = weights.astype(np.int64)
    at_low, at_high = weights * info.low, weights * info.high
    return np.minimum(at_low, at_high).sum(axis=axis), np.maximum(at_low, at_high).sum(axis=axis)


def _sum_bits(config):
    """Width of the requantisation sum."""
    return config.bias_bits + 8


def check_convolution(layer, source, residual, config):
    """Prove ``z``, the accumulator and the requantisation of one convolution; ``source`` is its input's ``Range``."""
    low, high = _reach(layer.coefficients, 1, source)
    _fit(
        low.min(),
        high.max(),
        config.z_bits,
        "every z (z_bits)",
        "widen z_bits or use fewer coefficients per output channel and basis",
    )
    bases = np.broadcast_to(layer.bases, (len(layer.coefficients), *layer.bases.shape[-3:]))
    kernels = np.einsum("kcm,kmrs->kcrs", layer.coefficients.astype(np.int64), bases.astype(np.int64))
    low, high = _reach(kernels, (1, 2, 3), source)
    _fit(
        low.min(),
        high.max(),
        config.accumulator_bits,
        "every sum (accumulator_bits)",
        "widen accumulator_bits or scale the bases down",
    )
    _fit(
        int(layer.multiplier.min()),
        int(layer.multiplier.max()),
        config.multiplier_bits,
        "multipliers (multiplier_bits)",
        "lower the shift of the layer or widen multiplier_bits",
    )
    _fit(
        int(layer.bias.min()),
        int(layer.bias.max()),
        config.bias_bits,
        "biases (bias_bits)",
        "lower the shift of the layer or widen bias_bits",
    )
    added = [0, 0] if residual is None else _scaled(residual.low, residual.high, layer.residual_multiplier)
    half = 1 << layer.shift - 1
    for least, most, multiplier, bias in zip(
        low.tolist(), high.tolist(), layer.multiplier.tolist(), layer.bias.tolist(), strict=True
    ):
        product = _scaled(least, most, multiplier)
        _fit(
            product[0] + bias + added[0] + half,
            product[1] + bias + added[1] + half,
            _sum_bits(config),
            "the requantisation sum (bias_bits + 8)",
            "lower the shift of the layer with its multipliers and biases, or widen bias_bits",
        )


def check_average(layer, source, config):
    """Prove the sum and the requantisation of one average."""
    positions = layer.window[0] * layer.window[1]
    low, high = positions * source.low, positions * source.high
    _fit(low, high, config.accumulator_bits, "every sum (accumulator_bits)", "widen accumulator_bits")
    _fit(
        0,
        layer.multiplier,
        config.multiplier_bits,
        "the multiplier (multiplier_bits)",
        "lower the shift of the layer or widen multiplier_bits",
    )
    half = 1 << layer.shift - 1
    _fit(
        low * layer.multiplier + half,
        high * layer.multiplier + half,
        _sum_bits(config),
        "the requantisation sum (bias_bits + 8)",
        "lower the shift of the layer and its multiplier, or widen bias_bits",
    )
