"""The work of a layer is what a loop over all its multiply-adds counts."""

import numpy as np
import pytest

from sim.baselines import DenseLayer
from tests.sim.baselines.layers import random_layers


@pytest.mark.parametrize("number", range(len(random_layers())))
def test_work_is_that_of_the_loop(number):
    layer = random_layers()[number]
    padded, (rows, columns) = layer.padded, layer.output_size
    outputs, channels, *kernel = layer.weights.shape
    dense = effectual = 0
    for output, row, column, channel in np.ndindex(outputs, rows, columns, channels):
        source = output // (outputs // layer.groups) * channels + channel
        top, left = row * layer.stride, column * layer.stride
        window = padded[source, top : top + kernel[0], left : left + kernel[1]]
        dense += window.size
        effectual += np.count_nonzero(window * layer.weights[output, channel])
    assert (layer.dense_macs, layer.effectual_macs) == (dense, effectual)


def test_groups_must_fit():
    with pytest.raises(ValueError, match="expected weights of 2 groups for 6 channels"):
        DenseLayer(activations=np.ones((6, 3, 3)), weights=np.ones((4, 2, 3, 3)), groups=2)
