"""SparTen: inner joins of sparse vectors, with greedy balancing in software (GB-S).

Source: Gondimalla, Chesnut, Thottethodi, Vijaykumar, "SparTen: A Sparse Tensor Accelerator for Convolutional Neural Networks", MICRO
2019 (32 clusters of 32 compute units, chunks of 128, greedy balancing).

The model
- Clusters of compute units, one multiplier each. The units of a cluster work on different filters at one output position.
- The window of the position is a vector, cut into chunks of 128 values, each a bit mask and the non-zeros. A chunk is broadcast to all units of the
  cluster; a unit takes one cycle for each place where chunk and filter both have a non-zero. The next chunk is broadcast when the slowest
  unit is ready, and at most one in a cycle; chunks of zeros are skipped.
- GB-S: filters are sorted by their density, and a unit works on two: the densest of a group beside the sparsest, and so on.
- Filters that do not fit a cluster at once are further groups, for which the window is broadcast again.

In its favour
- Clusters x units (16 to 64 units, of any number that divides the multipliers) are those that are best for the network; whether units take one
  filter or two is chosen for each layer. In depthwise layers, where filters share no window, every unit is fed its own.
- A chunk takes 128 values of the window whatever their channel, row and column: real chunks end with the channels of a pixel.
- Positions and groups are shared out among the clusters without loss; only a single one is never split.
- The inner join has no latency; fetching chunks and filters, output, and off-chip memory take no time.
"""

from functools import lru_cache

import numpy as np
from numba import njit

__all__ = ["cluster_cycles", "cycles", "shapes"]

_CHUNK, _WORD = 128, 64
_LEAST_UNITS, _MOST_UNITS = 16, 64


def shapes(multipliers):
    """Clusters and compute units of each."""
    units = [units for units in range(_LEAST_UNITS, _MOST_UNITS + 1) if multipliers % units == 0]
    return [(multipliers // number, number) for number in units or [multipliers]]


def cycles(layer, shape):
    """Cycles of one layer on clusters of ``shape``, the better number of filters a unit."""
    if layer.groups > 1:
        return _grouped(layer, shape[0] * shape[1])
    return min(cluster_cycles(layer, *shape, filters) for filters in (1, 2))


def cluster_cycles(layer, clusters, units, filters):
    """Cycles with ``clusters`` of ``units`` that take ``filters`` (1 or 2) each at a time."""
    windows, weights = _vectors(layer)
    homes, groups = _balance(layer.weights, units, filters)
    total, longest = _jobs(windows, weights, homes, groups, units)
    return max(-(-total // clusters), longest)


@lru_cache(maxsize=1)
def _vectors(layer):
    """Windows and filters in the same order of values."""
    weights = layer.weights.transpose(0, 2, 3, 1).reshape(len(layer.weights), -1)
    return _windows(layer.padded, layer), _pack(weights)


@lru_cache(maxsize=1)
def _grouped(layer, multipliers):
    """Every unit has a filter and a window of its own; chunks take at least a cycle, as everywhere."""
    each = len(layer.weights) // layer.groups
    channels = layer.weights.shape[1]
    total = longest = 0
    padded = layer.padded
    for group in range(layer.groups):
        windows = _windows(padded[group * channels : (group + 1) * channels], layer)
        filters = layer.weights[group * each : (group + 1) * each]
        weights = _pack(filters.transpose(0, 2, 3, 1).reshape(each, -1))
        for number in range(each):
            work, most = _jobs(windows, weights[number : number + 1], np.zeros(1, np.int64), 1, 1)
            total, longest = total + work, max(longest, most)
    return max(-(-total // multipliers), longest)


def _windows(padded, layer):
    """Packed non-zeros of the window of every output position."""
    views = np.lib.stride_tricks.sliding_window_view(padded != 0, layer.kernel, axis=(1, 2))
    views = views[:, :: layer.stride, :: layer.stride].transpose(1, 2, 3, 4, 0)
    return _pack(views.reshape(views.shape[0] * views.shape[1], -1))


def _pack(vectors):
    """Which values are not zero, uint64 [vectors, words]; whole chunks."""
    bits = np.packbits(vectors != 0, axis=1, bitorder="little")
    size = -(-vectors.shape[1] // _CHUNK) * (_CHUNK // 8)
    return np.ascontiguousarray(np.pad(bits, ((0, 0), (0, size - bits.shape[1])))).view(np.uint64)


def _balance(weights, units, filters):
    """GB-S: the unit of each filter, counted through all groups, and the number of groups."""
    density = np.count_nonzero(weights.reshape(len(weights), -1), axis=1)
    ranking = np.argsort(-density, kind="stable")
    homes = np.zeros(len(weights), np.int64)
    size = units * filters
    for group, first in enumerate(range(0, len(ranking), size)):
        members = ranking[first : first + size]
        # The last group may have few filters: they get a unit each as far as there are any.
        used = min(units, len(members))
        place = np.arange(len(members))
        homes[members] = group * units + np.where(place < used, place, 2 * used - 1 - place)
    return homes, -(-len(weights) // size)


@njit(cache=True)
def _popcount(word):
    word = word - ((word >> np.uint64(1)) & np.uint64(0x5555555555555555))
    word = (word & np.uint64(0x3333333333333333)) + ((word >> np.uint64(2)) & np.uint64(0x3333333333333333))
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((word * np.uint64(0x0101010101010101)) >> np.uint64(56))


@njit(cache=True)
def _jobs(windows, weights, homes, groups, units):
    """Cycles of all (position, group), and of the longest."""
    total, longest = 0, 0
    chunks = windows.shape[1] // 2
    busy = np.zeros(groups * units, np.int64)
    job = np.zeros(groups, np.int64)
    for position in range(len(windows)):
        job[:] = 0
        for chunk in range(chunks):
            low, high = windows[position, 2 * chunk], windows[position, 2 * chunk + 1]
            if low == 0 and high == 0:
                continue
            busy[:] = 0
            for number in range(len(weights)):
                matches = _popcount(low & weights[number, 2 * chunk])
                matches += _popcount(high & weights[number, 2 * chunk + 1])
                busy[homes[number]] += matches
            for group in range(groups):
                slowest = 1
                for unit in range(group * units, (group + 1) * units):
                    slowest = max(slowest, busy[unit])
                job[group] += slowest
        for group in range(groups):
            total += job[group]
            longest = max(longest, job[group])
    return total, longest
