"""What an integer network of ours costs by the rules: ternary coefficients, bases, integer requantisation.

Activations and bases are as wide as the integers of their layer need, at most 8 bits.
Where the rules leave a choice, the dearer side is taken: a sign costs an operation of one bit for every coefficient, a shift one of
the whole sum. Rounding and clamping to 8 bits are a conversion and free, as they were for the winner.
"""

import numpy as np

from ...bounds import value_ranges
from ...network import INPUT, AveragePool, Convolution, MaxPool
from ...work import INTEGERS, Geometry
from .rules import Tally, operations, stored, stored_sparse, sum_bits, tree_additions

__all__ = ["count_integers"]

#: Bits of a multiplier, a bias, a shift, an entry of a table, and of the real numbers that an image is normalised with.
_MULTIPLIER, _SHIFT, _ENTRY, _REAL = 16, 5, 8, 16
_BIAS = INTEGERS.scale - _MULTIPLIER


def count_integers(network):
    """``Tally`` of every layer of a ``sw.network.IntegerNetwork``, and of the image where it is normalised."""
    shapes = {name: info.shape for name, info in network.tensors().items()}
    ranges = value_ranges(network)
    found = []
    if network.pixels is not None and network.pixels.signed:
        channels, height, width = shapes[INPUT]
        elements = channels * height * width
        found.append(
            Tally(
                name=INPUT,
                parameters=stored(2 * channels, _REAL),
                multiplications=operations(elements, _REAL),
                additions=operations(elements, _REAL),
            )
        )
    for layer in network.layers:
        count = _COUNTS.get(type(layer))
        # A concatenation is where its parts are written.
        found.append(Tally(name=layer.name) if count is None else count(layer, shapes, ranges))
    return tuple(found)


def _width(low, high):
    """Bits of the narrowest integers from ``low`` to ``high``, without a sign where none is negative."""
    if low >= 0:
        return max(1, int(high).bit_length())
    return 1 + max(int(high).bit_length(), (-int(low) - 1).bit_length())


def _convolution(layer, shapes, ranges):
    source, target = shapes[layer.input], shapes[layer.name]
    geometry = Geometry(
        source=source,
        target=target,
        kernel=tuple(layer.kernel),
        stride=layer.stride,
        groups=layer.groups,
        fixed=layer.fixed,
    )
    outputs, channels, bases = layer.coefficients.shape
    terms = np.count_nonzero(layer.coefficients, axis=1)
    # Ordinary weights are bases of their own, each of one input channel: nothing is said by coefficients, or signed.
    plain = layer.own_bases and bool((terms == 1).all()) and bool((layer.coefficients >= 0).all())
    nonzero = int(terms.sum())
    input_bits = _width(*ranges[layer.input])
    signed_bits = input_bits if plain else input_bits + 1
    sums = sum_bits(signed_bits, terms.max())
    taps = np.broadcast_to(np.count_nonzero(layer.bases, axis=(-2, -1)), (outputs, bases))
    products = (taps * (terms > 0)).sum(1)
    # A basis of the number 1 multiplies nothing.
    ones = bool((layer.bases == 1).all())
    # Two's complement, even where no tap is negative.
    tap_bits = 1 if ones else _width(min(-1, layer.bases.min()), layer.bases.max())
    product_bits = sums if ones else sums + tap_bits
    most = _accumulator_bits(layer, terms, ranges[layer.input])
    # A mask and signs: a sign alone cannot be zero.
    ternary = 0.0 if plain else stored(outputs * (channels // layer.groups) * bases + nonzero, 1)
    multiplied = 0.0 if plain else operations(nonzero * geometry.fed, 1)
    if not ones:
        multiplied += operations(int(products.sum()) * geometry.places, tap_bits, sums)
    added = tree_additions(terms, signed_bits) * geometry.fed
    added += tree_additions(products, product_bits, most) * geometry.places
    after = _requantised(layer, outputs * geometry.places, most, ranges)
    return Tally(
        name=layer.name,
        parameters=ternary
        + stored_sparse(layer.bases.size, int(np.count_nonzero(layer.bases)), tap_bits)
        + stored(outputs, _MULTIPLIER + _BIAS)
        + stored(1, _SHIFT + (_MULTIPLIER if layer.residual is not None else 0))
        + (0.0 if layer.table is None else stored(len(layer.table), _ENTRY)),
        multiplications=multiplied + after[0],
        additions=added + after[1],
    )


def _accumulator_bits(layer, terms, source):
    """Width that holds every sum of an output channel, whatever the activations."""
    magnitudes = np.abs(layer.bases.astype(np.int64)).sum((-2, -1))
    reach = int((terms * magnitudes).sum(1).max()) * max(-source.low, source.high)
    return reach.bit_length() + 1


def _requantised(layer, elements, bits, ranges):
    """Multiplications and additions of ``sum * multiplier + bias + residual * multiplier >> shift`` and of a table."""
    whole = max(bits + _MULTIPLIER, _BIAS)
    multiplied, added = operations(elements, bits, _MULTIPLIER), operations(elements, whole)
    multiplied += operations(elements, whole)
    if layer.residual is not None:
        multiplied += operations(elements, _width(*ranges[layer.residual]), _MULTIPLIER)
        added += operations(elements, whole)
    if layer.table is not None:
        multiplied += operations(elements, _ENTRY)
    return multiplied, added


def _average(layer, shapes, ranges):
    elements, window = int(np.prod(shapes[layer.name])), layer.window[0] * layer.window[1]
    input_bits = _width(*ranges[layer.input])
    bits = sum_bits(input_bits, window)
    return Tally(
        name=layer.name,
        parameters=stored(1, _MULTIPLIER + _SHIFT),
        multiplications=operations(elements, bits, _MULTIPLIER) + operations(elements, bits + _MULTIPLIER),
        additions=tree_additions(window, input_bits) * elements,
    )


def _maximum(layer, shapes, ranges):
    elements, window = int(np.prod(shapes[layer.name])), layer.window[0] * layer.window[1]
    return Tally(name=layer.name, additions=operations(elements * (window - 1), _width(*ranges[layer.input])))


_COUNTS = {Convolution: _convolution, AveragePool: _average, MaxPool: _maximum}
