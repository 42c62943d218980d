"""SCNN: the Cartesian product of non-zero activations and non-zero weights (PlanarTiled-InputStationary-CartesianProduct-sparse).

Source: Parashar et al., "SCNN: An Accelerator for Compressed-sparse Convolutional Neural Networks", ISCA 2017. Handling of strides
(by phases), of depthwise layers and the number of accumulators follow the public model of the DNNsim project (SCNN.cpp; default of
6,144 accumulators for each of 8 x 8 PEs).

The model
- PEs of 4 x 4 multipliers, in an array of rows x columns; as many PEs as whole ones fit the number of multipliers.
- The map is cut into one tile for each PE. A PE takes the channels one after the other: each vector of 4 non-zero activations of its
  tile meets each vector of 4 non-zero weights of the channel, one pair of vectors a cycle, so
  ceil(activations / 4) x ceil(weights / 4) cycles. Vectors do not cross channels, which is SCNN's loss where a tile or a filter
  group has few non-zeros.
- With stride s only activations and weights of matching phase meet: s x s lists of each.
- The filters are taken in groups of as many output channels as the accumulators hold outputs of a tile, halo included. All PEs
  wait for each other at the end of a group. The accumulators of all PEs together are those of the published array.
- Products that fall outside of the output are made all the same.

In its favour
- The array has the shape that is best for the network.
- Where it is faster the PEs share the channels instead of the map, without any cost for adding their sums: maps smaller than the
  array, and fully connected layers, would otherwise leave nearly all PEs idle.
- Conflicts of accumulator banks, the exchange of halos, the fetch of weights and activations, post-processing and compression of the outputs,
  and off-chip memory take no time; an empty list takes no cycle.
"""

import numpy as np

__all__ = ["cycles", "cycles_by_channel", "cycles_by_tile", "shapes"]

#: Activations and weights of one vector.
_VECTOR = 4
#: Accumulators of all PEs of the published array.
_ACCUMULATORS = 64 * 6144


def shapes(multipliers):
    """Rows and columns of the array of PEs."""
    pes = max(1, multipliers // _VECTOR**2)
    return [(rows, pes // rows) for rows in range(1, pes + 1) if pes % rows == 0]


def cycles(layer, shape):
    """Cycles of one layer on an array of ``shape``, the map or the channels shared out."""
    return min(cycles_by_channel(layer, shape[0] * shape[1]), cycles_by_tile(layer, *shape))


def cycles_by_tile(layer, array_rows, array_columns):
    """Cycles when each PE has a tile of the map."""
    height, width = layer.activations.shape[1:]
    tile_height, tile_width = -(-height // array_rows), -(-width // array_columns)
    pes = array_rows * array_columns
    output_tile = (-(-tile_height // layer.stride) + layer.kernel[0] - 1) * (
        -(-tile_width // layer.stride) + layer.kernel[1] - 1
    )
    group = max(1, _ACCUMULATORS // pes // output_tile)
    rows, columns = np.arange(height) // tile_height, np.arange(width) // tile_width
    owner = rows[:, None] * array_columns + columns
    activations = _activation_vectors(layer, owner, pes)
    total = 0
    for weights in _weight_vectors(layer, group):
        total += int((activations * weights[:, None, :]).sum(axis=(0, 2)).max())
    return total


def cycles_by_channel(layer, pes):
    """Cycles when the PEs share the channels, and each has the whole map."""
    activations = _activation_vectors(layer, np.zeros(layer.activations.shape[1:], np.int64), 1)[:, 0]
    (weights,) = _weight_vectors(layer, len(layer.weights))
    by_channel = (activations * weights).sum(axis=1)
    return int(max(by_channel[pe::pes].sum() for pe in range(pes)))


def _activation_vectors(layer, owner, pes):
    """Vectors of non-zero activations [C, PE, phase]; ``owner`` is the PE of each place of the map."""
    _, height, width = layer.activations.shape
    stride = layer.stride
    row_phase = (np.arange(height) + layer.padding[0]) % stride
    column_phase = (np.arange(width) + layer.padding[1]) % stride
    phase = row_phase[:, None] * stride + column_phase
    place = (owner * stride**2 + phase).reshape(-1)
    counts = np.zeros((len(layer.activations), pes * stride**2), np.int64)
    for channel, values in enumerate(layer.activations.reshape(len(layer.activations), -1)):
        counts[channel] = np.bincount(place[values != 0], minlength=counts.shape[1])
    return -(-counts.reshape(len(counts), pes, stride**2) // _VECTOR)


def _weight_vectors(layer, group):
    """For each group of at most ``group`` filters: vectors of non-zero weights [C, phase]."""
    stride, groups = layer.stride, layer.groups
    outputs, channels, *kernel = layer.weights.shape
    nonzero = (layer.weights != 0).reshape(groups, outputs // groups, channels, *kernel)
    by_phase = np.zeros((groups, outputs // groups, channels, stride**2), np.int64)
    for row, column in np.ndindex(*kernel):
        by_phase[..., row % stride * stride + column % stride] += nonzero[..., row, column]
    # Filters of different groups meet different channels: one pass serves all groups that fit.
    for first in range(0, outputs // groups, group):
        counts = by_phase[:, first : first + group].sum(axis=1)
        yield -(-counts.reshape(groups * channels, stride**2) // _VECTOR)
