"""Where the numbers of a tensor stand: reshapes, transpositions, slices and zero padding without a layer.

A tensor of the source is a tensor of the network whose elements may stand elsewhere. ``places`` is an integer array of the
shape that the source sees (without the batch): the flat index into [C, H, W] of the network's tensor, or ``ZERO`` or
``LOWEST`` where the source padded. Every operation that only moves numbers is numpy indexing on it; when a layer reads
the tensor, ``find_selection`` says whether a layer can read it that way.
"""

from dataclasses import dataclass

import numpy as np

__all__ = ["LOWEST", "ZERO", "Selection", "find_axes", "find_selection", "straight"]

#: Places that hold no number of the tensor: zero, and less than any number.
ZERO, LOWEST = -1, -2


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Some channels, or zeros, of every ``step``-th pixel, padded."""

    #: Of every channel the one it comes from, or ``ZERO``.
    channels: tuple[int, ...]
    step: int
    #: Places outside of the map (top, left, bottom, right), and what is there.
    padding: tuple[int, int, int, int]
    fill: int


def straight(shape):
    """Places of a tensor as it is."""
    return np.arange(int(np.prod(shape))).reshape(shape)


def find_axes(places, shape):
    """``order`` with ``places == straight(shape).transpose(order)``, or ``None``; ``shape`` is C, H and W."""
    for order in ((0, 1, 2), (1, 2, 0), (2, 0, 1), (0, 2, 1), (1, 0, 2), (2, 1, 0)):
        if np.array_equal(places, straight(shape).transpose(order)):
            return order
    return None


def find_selection(places, shape):
    """The ``Selection`` that ``places`` [C', H', W'] is of a tensor of ``shape`` (C, H, W), or ``None`` if it is none."""
    _, height, width = shape
    size = height * width
    inside = places >= 0
    used = inside.any((1, 2))
    fills = np.unique(places[used][~inside[used]])
    if not used.any() or len(fills) > 1 or (places[~used] != ZERO).any():
        return None
    channels = np.where(used, places.max((1, 2)) // size, ZERO)
    local = np.where(inside, places - channels[:, None, None] * size, ZERO)[used]
    plane = local[0]
    if (local != plane).any():
        return None
    # A plane is its rows by its columns; -1 is outside of the map.
    rows = np.where((plane >= 0).any(1), plane.max(1) // width, ZERO)
    columns = np.where((plane >= 0).any(0), plane.max(0) % width, ZERO)
    expected = np.where((rows[:, None] >= 0) & (columns >= 0), rows[:, None] * width + columns, ZERO)
    axes = _axis(rows, height), _axis(columns, width)
    if None in axes or not np.array_equal(plane, expected):
        return None
    (top, bottom, row_steps), (left, right, column_steps) = axes
    steps = [step for step in row_steps if step in column_steps]
    if not steps:
        return None
    return Selection(
        channels=tuple(int(channel) for channel in channels),
        step=steps[0],
        padding=(top, left, bottom, right),
        fill=int(fills[0]) if len(fills) else ZERO,
    )


def _axis(indices, extent):
    """Padding before and after, and all steps that ``indices`` may take over ``extent`` from its start to its end."""
    inside = np.flatnonzero(indices >= 0)
    first, last = int(inside[0]), int(inside[-1]) + 1
    taken = indices[first:last]
    steps = range(extent, extent + 64) if len(taken) == 1 else [int(taken[1] - taken[0])]
    steps = [step for step in steps if step > 0 and np.array_equal(taken, np.arange(0, extent, step))]
    return (first, len(indices) - last, steps) if steps else None
