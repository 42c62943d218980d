"""The rules of the MicroNet Challenge (NeurIPS 2019): what a stored number and an operation cost, and what they add up to.

Costs are in numbers and operations of 32 bits. Source: the challenge's rules and its ``counting.py``.
"""

import math
from dataclasses import dataclass
from functools import cache

import numpy as np

__all__ = [
    "TASKS",
    "Tally",
    "Task",
    "additions",
    "operations",
    "score",
    "stored",
    "stored_sparse",
    "sum_bits",
    "total",
    "tree_additions",
]

#: Bits that count as one number, and as one operation.
WORD = 32


@dataclass(frozen=True, kw_only=True)
class Task:
    """A task of the challenge: its baseline is what scores 2."""

    #: The network that is the baseline.
    baseline: str
    parameters: float
    #: Multiplications and additions for one input.
    operations: float
    #: Share of the test images that an entry has to get right.
    accuracy: float


TASKS = {
    "cifar100": Task(baseline="WideResNet-28-10", parameters=36.5e6, operations=10.49e9, accuracy=0.80),
    "imagenet": Task(baseline="MobileNetV2-1.4", parameters=6.9e6, operations=1170e6, accuracy=0.75),
}


@dataclass(frozen=True, kw_only=True)
class Tally:
    """What a layer, or several, cost."""

    name: str
    #: Everything that inference reads: values, masks, scales.
    parameters: float = 0.0
    multiplications: float = 0.0
    additions: float = 0.0

    @property
    def operations(self):
        """Multiplications and additions, which the rules count one for one."""
        return self.multiplications + self.additions


def total(tallies, name="network"):
    """One ``Tally`` of all ``tallies``."""
    tallies = tuple(tallies)
    fields = ("parameters", "multiplications", "additions")
    return Tally(name=name, **{field: sum(getattr(each, field) for each in tallies) for field in fields})


def score(parameters: float, operations: float, task: Task) -> float:
    """``parameters / task.parameters + operations / task.operations``; the lowest wins."""
    return parameters / task.parameters + operations / task.operations


def stored(values: int, bits: int) -> float:
    """Cost of ``values`` numbers: ``values * bits / 32``."""
    return values * bits / WORD


def stored_sparse(values: int, nonzero: int, bits: int) -> float:
    """Cost of a tensor of which ``nonzero`` of ``values`` numbers are not zero.

    Those and a mask of a bit for every place, ``(values + nonzero * bits) / 32``, or without a mask, ``values * bits / 32``,
    whichever is less.
    """
    return min(values + nonzero * bits, values * bits) / WORD


def operations(count: float, *bits: int) -> float:
    """Cost of ``count`` operations on inputs of so many ``bits``: ``count * max(bits) / 32``, whatever the result's width."""
    return count * max(bits) / WORD


def sum_bits(bits: int, terms: int) -> int:
    """Width that a sum of ``terms`` numbers of ``bits`` needs at most: ``bits + ceil(log2(terms))``."""
    return bits + math.ceil(math.log2(max(1, terms)))


def additions(terms, bits: int) -> float:
    """Cost of adding ``terms`` numbers, for each of an array of such counts, in an accumulator of ``bits``.

    ``sum(max(terms - 1, 0)) * bits / 32``: zeros of weights are not among the terms and cost nothing.
    """
    return float(np.maximum(np.asarray(terms) - 1, 0).sum()) * bits / WORD


def tree_additions(terms, bits: int, most: int | None = None) -> float:
    """Cost of adding ``terms`` numbers of ``bits``, for each of an array of such counts, in a tree that widens as it must.

    Level ``i`` of a tree makes ``floor(n_i / 2)`` additions of ``bits + i`` bits, and leaves ``n_(i+1) = ceil(n_i / 2)`` numbers.

    Parameters
    ----------
    most : int or None
        Bits that are known to hold every sum: no level is wider.
    """
    counts, times = np.unique(np.asarray(terms), return_counts=True)
    return (
        sum(
            int(time) * _tree_bits(int(count), bits, most or math.inf)
            for count, time in zip(counts, times, strict=True)
        )
        / WORD
    )


@cache
def _tree_bits(terms, bits, most):
    """Bits of all additions of one tree."""
    found = 0
    while terms > 1:
        found += terms // 2 * min(bits, most)
        terms, bits = (terms + 1) // 2, bits + 1
    return found
