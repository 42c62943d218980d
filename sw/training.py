"""Training: augmentation, the loop with its schedule, accuracy, and a frame that makes runs repeat exactly."""

import contextlib
import math

import torch
from torch.nn import functional

__all__ = ["accuracy", "augment", "fit", "repeatable"]

_BATCH = 64
_SMOOTHING = 0.05
_DECAY = 1e-4


@contextlib.contextmanager
def repeatable(seed):
    """Within it, the same calls give the same numbers: seed, deterministic kernels and one thread.

    The number of threads decides the order of sums, so it must not hang on the machine. One is nearly as
    fast as two at this size, and far faster where other programs keep the processor busy.
    """
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    # Filling memory that is written anyway costs time and changes no result here.
    filling = torch.utils.deterministic.fill_uninitialized_memory
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        torch.set_num_threads(1)
        torch.use_deterministic_algorithms(True)
        torch.utils.deterministic.fill_uninitialized_memory = False
        try:
            yield
        finally:
            torch.set_num_threads(threads)
            torch.use_deterministic_algorithms(deterministic)
            torch.utils.deterministic.fill_uninitialized_memory = filling


def augment(images, *, degrees=12.0, zoom=0.1, shear=0.1, shift=2.0):
    """Images [n, 1, H, W] of 0..1 in 1/255 steps, each turned, zoomed, slanted and moved at random."""
    count, side = images.shape[0], images.shape[-1]
    turn, wide, high, slant, right, down = (torch.rand(6, count) * 2 - 1).unbind()
    turn = turn * math.radians(degrees)
    wide, high = 1 + wide * zoom, 1 + high * zoom
    slant = slant * shear
    matrix = torch.stack(
        (
            torch.stack((wide * turn.cos(), -high * turn.sin() + slant, right * 2 * shift / side), 1),
            torch.stack((wide * turn.sin(), high * turn.cos(), down * 2 * shift / side), 1),
        ),
        1,
    )
    grid = functional.affine_grid(matrix, images.shape, align_corners=False)
    moved = functional.grid_sample(images, grid, align_corners=False)
    return torch.round(moved * 255) / 255


def fit(network, images, labels, *, epochs, rate, penalty=None, progress=None):
    """Train ``network`` in place with AdamW, a short warm-up and a cosine to zero.

    Parameters
    ----------
    images, labels : Tensor
        float [n, C, H, W] of 0..1 in 1/255 steps; int64 [n].
    rate : float
        Highest learning rate.
    penalty : callable or None
        Added to the loss: a function of the network.
    progress : callable or None
        Called with the fraction done after each epoch.

    Raises
    ------
    ValueError
        If there are fewer images than one batch takes.
    """
    if len(images) < _BATCH:
        raise ValueError(f"expected at least {_BATCH} images to train on, got {len(images)}")
    steps = epochs * (len(images) // _BATCH)
    optimiser = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=_DECAY)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _schedule(step, steps))
    network.train()
    for epoch in range(epochs):
        for batch in torch.randperm(len(images)).split(_BATCH)[: len(images) // _BATCH]:
            logits = network(augment(images[batch]))
            loss = functional.cross_entropy(logits, labels[batch], label_smoothing=_SMOOTHING)
            if penalty is not None:
                loss = loss + penalty(network)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
        if progress is not None:
            progress((epoch + 1) / epochs)
    network.eval()


def _schedule(step, steps):
    warm = max(1, steps // 20)
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


@torch.no_grad()
def accuracy(network, images, labels):
    """Fraction of ``images`` whose highest logit is the label's."""
    network.eval()
    right = [
        (network(part).argmax(1) == truth).sum()
        for part, truth in zip(images.split(500), labels.split(500), strict=True)
    ]
    return int(sum(right)) / len(images)
