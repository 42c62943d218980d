"""Exponential moving average of a network's weights (Polyak and Juditsky, 1992): less noisy than the last ones."""

import contextlib

import torch

__all__ = ["WeightAverage"]


class WeightAverage:
    """Average of everything in a network's ``state_dict`` that is a real number; the rest is copied.

    Parameters
    ----------
    network : nn.Module
    keep : float
        Share that the average keeps in a step, less in the first ones, ``(1 + n) / (10 + n)``, so that it
        forgets the start.

    Members
    -------
    state : dict
        ``{name: Tensor}`` as in ``network.state_dict()``; steps so far as ``"steps"`` in ``saved``.
    """

    def __init__(self, network, keep):
        self._keep = keep
        self._steps = 0
        self.state = _copy(network)

    def update(self, network):
        """Takes in the weights after a step."""
        keep = min(self._keep, (1 + self._steps) / (10 + self._steps))
        self._steps += 1
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                self.state[name].lerp_(value, 1 - keep)
            else:
                self.state[name].copy_(value)

    @contextlib.contextmanager
    def swapped_in(self, network):
        """Within it, ``network`` has the average for its weights."""
        raw = _copy(network)
        network.load_state_dict(self.state)
        try:
            yield
        finally:
            network.load_state_dict(raw)

    def saved(self):
        """State for a checkpoint."""
        return {"steps": self._steps, "state": self.state}

    def restore(self, saved):
        """The opposite of ``saved``."""
        self._steps = saved["steps"]
        for name, value in saved["state"].items():
            self.state[name].copy_(value)


def _copy(network):
    with torch.no_grad():
        return {name: value.detach().clone() for name, value in network.state_dict().items()}
