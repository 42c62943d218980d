"""Noise of actions: a normal distribution around what the actor says, cut off at 0 and 1."""

import torch
from torch import nn

__all__ = ["deviation", "draw"]


def deviation(settings, explore, exploit, episode):
    """Standard deviation in an ``episode``, from 0.

    ``settings.noise`` in the first ``explore``, then the same part of the one before, so that it is ``settings.last_noise`` in the last of
    ``exploit`` more.
    """
    done = max(0, episode - explore + 1) / max(1, exploit)
    return settings.noise * (settings.last_noise / settings.noise) ** min(1.0, done)


def draw(mean, spread, generator):
    """A number from 0 to 1 around ``mean``, which is from 0 to 1, by the standard deviation ``spread`` and a ``torch.Generator``."""
    number = torch.empty(1, dtype=torch.float64)
    return float(nn.init.trunc_normal_(number, mean, spread, 0.0, 1.0, generator=generator))
