"""Random layers for the models of other accelerators."""

import numpy as np

from sim.baselines import DenseLayer

__all__ = ["random_layer", "random_layers"]


def random_layer(seed, *, outputs, channels, size, kernel=3, stride=1, groups=1, zeros=(0.5, 0.8)):
    """A layer with the given parts of activations and weights zero."""
    random = np.random.default_rng(seed)
    activations = random.integers(1, 256, (channels, size, size)) * (
        random.random((channels, size, size)) >= zeros[0]
    )
    shape = (outputs, channels // groups, kernel, kernel)
    weights = random.integers(1, 128, shape) * (random.random(shape) >= zeros[1])
    before, after = (kernel - 1) // 2, kernel // 2
    if stride == 2:
        before, after = 0, kernel - 1 if kernel > 1 else 0
    return DenseLayer(
        activations=activations,
        weights=weights,
        stride=stride,
        padding=(before, before, after, after),
        groups=groups,
    )


def random_layers():
    """Every kind of layer: 3x3, stride 2, 1x1, depthwise, grouped, fully connected, dense, empty."""
    return (
        random_layer(1, outputs=20, channels=13, size=9),
        random_layer(2, outputs=16, channels=8, size=8, stride=2),
        random_layer(3, outputs=40, channels=150, size=4, kernel=1),
        random_layer(4, outputs=12, channels=12, size=7, groups=12),
        random_layer(5, outputs=12, channels=6, size=7, stride=2, groups=3),
        random_layer(6, outputs=10, channels=64, size=1, kernel=1),
        random_layer(7, outputs=8, channels=3, size=12, kernel=7, stride=2, zeros=(0.0, 0.0)),
        random_layer(8, outputs=4, channels=4, size=6, zeros=(1.0, 0.5)),
    )
