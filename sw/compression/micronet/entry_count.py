"""What the winning network costs: by the rules, and as its authors counted it.

The two differ. Their program, whose numbers were published and accepted, takes the first axis of a batch for the channels of a Scale
layer, so that each stores one number or two in all; it counts a window of S x S as S numbers; of additions in floating point it leaves out
one for each output channel in proportion to its non-zeros; with accumulators of fixed width it divides those of the first layer by 32
twice, and takes the width from what a dense kernel could need.
"""

import math
from dataclasses import dataclass

from .entry import REAL_BITS, Average, Rectifier, Scale, Weighted
from .rules import Tally, additions, operations, stored, stored_sparse, sum_bits, tree_additions

__all__ = ["MODES", "Mode", "count_entry"]

#: Of everything that is neither a weight nor a sum.
_HALF = 16


@dataclass(frozen=True, kw_only=True)
class Mode:
    """In which arithmetic an implementation adds."""

    #: Sums of convolutions: ``tree``, integers that widen from level to level; ``fixed``, integers of one width for the
    #: layer; ``float``, of 32 bits.
    accumulators: str
    #: Of the sums of averages and of adding a bias.
    pool_bits: int = _HALF
    bias_bits: int = _HALF

    @property
    def text(self):
        """In words."""
        words = {"tree": "adder tree", "fixed": "fixed width", "float": "floating point"}
        return f"{words[self.accumulators]}; averages FP{self.pool_bits}, biases FP{self.bias_bits}"


#: Those that the authors published, in their order. The leaderboard's 0.0044 is the fifth.
MODES = (
    Mode(accumulators="tree"),
    Mode(accumulators="fixed"),
    Mode(accumulators="float", pool_bits=32, bias_bits=32),
    Mode(accumulators="fixed", pool_bits=32, bias_bits=32),
    Mode(accumulators="tree", pool_bits=32, bias_bits=32),
    Mode(accumulators="tree", pool_bits=32),
    Mode(accumulators="fixed", pool_bits=32),
)


def count_entry(layers, mode, *, published=False):
    """``Tally`` of each of the ``layers``, as ``entry_layers`` gives them.

    Parameters
    ----------
    mode : Mode
    published : bool
        As the authors counted; otherwise by the rules.
    """
    return tuple(_COUNTS[type(layer)](layer, mode, published) for layer in layers)


def _weighted(layer, mode, published):
    terms = layer.terms
    nonzero = int(terms.sum())
    if mode.accumulators == "float" or layer.input_bits == REAL_BITS:
        added = additions(terms, REAL_BITS)
        if published:
            added = nonzero - nonzero / layer.weights.size * len(terms)
            if mode.accumulators == "fixed" and layer.weights.ndim == 4:
                added /= REAL_BITS
    elif mode.accumulators == "tree":
        added = tree_additions(terms, layer.weight_bits + layer.input_bits)
    else:
        bits = sum_bits(layer.weight_bits + layer.input_bits, terms.max())
        if published:
            peak = (2**layer.input_bits - 1) * (2 ** (layer.input_bits - 1) - 1)
            bits = math.floor(math.log2(peak * layer.weights[0].size)) + 1
        added = additions(terms, bits)
    return Tally(
        name=layer.name,
        parameters=stored_sparse(layer.weights.size, nonzero, layer.weight_bits),
        multiplications=operations(nonzero * layer.places, layer.weight_bits, layer.input_bits),
        additions=added * layer.places,
    )


def _scale(layer, mode, published):
    elements = layer.channels * layer.places
    return Tally(
        name=layer.name,
        parameters=stored((1 if published else layer.channels) * (1 + layer.bias), _HALF),
        multiplications=operations(elements, _HALF),
        additions=operations(elements * layer.bias, mode.bias_bits),
    )


def _average(layer, mode, published):
    elements = layer.channels * layer.places
    terms = layer.side if published else layer.side**2
    return Tally(
        name=layer.name,
        multiplications=operations(elements, _HALF),
        additions=operations(elements * (terms - 1), mode.pool_bits),
    )


def _rectifier(layer, mode, published):
    return Tally(name=layer.name, multiplications=operations(layer.channels * layer.places, _HALF))


_COUNTS = {Weighted: _weighted, Scale: _scale, Average: _average, Rectifier: _rectifier}
