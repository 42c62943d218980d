"""A small network, and pictures that it can learn to tell apart in seconds."""

import numpy as np

from sw.data import Dataset
from sw.layers import IDENTITY, AverageLayer, ConvolutionLayer
from sw.model import new_network
from sw.pixels import Pixels

CLASSES = ("rows", "columns", "checks", "plain")
PIXELS = Pixels(channels=3, height=8, width=8, offset=(128.0,) * 3, gain=(1 / 64,) * 3)


def patterns(*, train=256, test=64, seed=0):
    """Stripes along rows or columns, checks, or nothing, under noise, each at a place of its own."""
    random = np.random.default_rng(seed)
    count = train + test
    labels = random.integers(0, len(CLASSES), count)
    row, column = np.indices((8, 8))[:, None] + random.integers(0, 2, (2, count, 1, 1))
    drawn = np.stack((row % 2, column % 2, (row + column) % 2, np.full_like(row, 0.5)))
    shapes = drawn[labels, np.arange(count)][:, None] * 90.0
    images = (60 + shapes + random.normal(0, 25, (count, 3, 8, 8))).clip(0, 255).astype(np.uint8)
    return Dataset(
        train_images=images[:train],
        train_labels=labels[:train],
        test_images=images[train:],
        test_labels=labels[train:],
        classes=CLASSES,
        name="patterns",
    )


def small_network(*, outputs=4):
    """Two convolutions with batch norm and a fully connected layer, from torch's global random state."""
    return new_network(
        PIXELS,
        (
            ConvolutionLayer(name="first", input="input", inputs=3, outputs=8, padding=(1, 1, 1, 1)),
            ConvolutionLayer(
                name="second", input="first", inputs=8, outputs=8, stride=2, padding=(0, 0, 1, 1)
            ),
            AverageLayer(name="average", input="second"),
            ConvolutionLayer(
                name="classify",
                input="average",
                inputs=8,
                outputs=outputs,
                kernel=(1, 1),
                activation=IDENTITY,
                batch_norm=False,
            ),
        ),
    )


def weights(network):
    """Everything that a network keeps, as bytes by name."""
    return {name: value.numpy().tobytes() for name, value in network.state_dict().items()}
