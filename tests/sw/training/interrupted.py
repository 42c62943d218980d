"""A run with everything that has a state, to be stopped anywhere: in this process or, from the command line, killed in its own.

``python -m tests.sw.training.interrupted CHECKPOINT STEP [write]`` is killed in that step, after the optimiser's, or while
it writes the checkpoint after it.
"""

import os
import random
import signal
import sys

import numpy as np
import torch

from sw.training import TrainingSettings, repeatable, train

from .patterns import patterns, small_network, weights

STEPS = 8
SETTINGS = TrainingSettings(
    epochs=3,
    batch=32,
    rate=0.05,
    augmentation="crop-flip",
    averaging=0.9,
    clip=5.0,
    checkpoint_minutes=0.0,
)


def noise(network):
    """A penalty that draws from all global generators, as dropout does from one."""
    factor = random.random() + np.random.rand() + float(torch.rand(()))  # noqa: NPY002
    return factor * 1e-3 * sum(part.square().sum() for part in network.parameters())


def alternate(network, epoch):
    """Freezes something from the second epoch on, and changes a weight."""
    if epoch == 1:
        network.unit("first").weight.requires_grad_(False)
    with torch.no_grad():
        network.unit("second").weight *= 0.9


def run(checkpoint, *, seed=0, on_step=None, settings=SETTINGS, dataset=None, network=None, **options):
    """Weights and records after the run; ``seed`` decides the first weights and all global generators."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    with repeatable(seed):
        # As a network is that was just measured.
        network = (network or small_network()).eval()
        records = train(
            network,
            dataset or patterns(),
            settings,
            penalty=noise,
            on_epoch=alternate,
            on_step=on_step,
            checkpoint=checkpoint,
            **options,
        )
    return weights(network), records


def at(step, action):
    """An ``on_step`` that acts in this step, counted from 1."""
    return lambda network, fraction: action() if round(fraction * STEPS * SETTINGS.epochs) == step else None


def kill():
    """Ends this process as nothing else can: at once, and with no chance to tidy up."""
    os.kill(os.getpid(), signal.SIGKILL)


def kill_in_writing():
    """Ends it at the next checkpoint, when that is written but not yet in its place."""
    os.replace = lambda source, target: kill()


if __name__ == "__main__":
    action = kill_in_writing if "write" in sys.argv[3:] else kill
    run(sys.argv[1], on_step=at(int(sys.argv[2]), action))
