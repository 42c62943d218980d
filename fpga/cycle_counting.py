"""Cycles of the layers of a network, by the cycle model, as compressors ask for them."""

import numpy as np

from sim import reference
from sim.cycle_model import layer_cycles
from sw.compiler import compile_network

__all__ = ["cycle_counter"]

#: Images whose cycles are counted; they differ by a few in a thousand.
_IMAGES = 4


def cycle_counter(config, dataset):
    """A function that gives the mean cycles an image of each layer of an ``IntegerNetwork`` on ``config``, ``{name: cycles}``.

    It raises a ValueError for a network that the configuration cannot run.
    """
    step = max(1, len(dataset.train_images) // _IMAGES)
    images = dataset.train_images[::step][:_IMAGES]

    def cycles(network):
        program = compile_network(network, config)
        integers = images if network.pixels is None else network.pixels.integers(images)
        counted = layer_cycles(program, reference.run(network, integers)).mean(axis=0)
        return dict(zip(program.layer_names, np.asarray(counted).tolist(), strict=True))

    return cycles
