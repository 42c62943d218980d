"""What a policy is worth."""

import math

__all__ = ["reward"]


def reward(error, left, protocol):
    """Reward of a policy, at most 0.

    Parameters
    ----------
    error : float
        Share of images that are classified wrongly, 0 to 1.
    left : float
        What the cost counts in the network that is left, at least 1.
    protocol : str
        ``"constrained"``: ``-error``; the budget limits actions instead. ``"guaranteed"``: ``-error * log(left)``, of which the paper
        has operations and parameters: where nothing is lost the agent may take away as much as it likes.
    """
    return -error if protocol == "constrained" else -error * math.log(left)
