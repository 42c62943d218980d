"""The search: policies are tried, each without retraining, and the best one is kept."""

import math
from dataclasses import dataclass

from ...training import accuracy
from .environment import Environment
from .rewards import reward
from .searchers import make_searcher
from .settling import settled, spread

__all__ = ["Episode", "Found", "cost_function", "search"]


@dataclass(frozen=True, kw_only=True)
class Episode:
    """A policy that was tried."""

    #: What went of each layer.
    removed: tuple
    #: Share of images that are classified rightly.
    accuracy: float
    reward: float
    #: What is left.
    cost: float


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a search found."""

    episodes: tuple
    #: Greatest cost, or ``None``, and that of the whole network.
    budget: float | None
    whole: float

    @property
    def best(self):
        """The ``Episode`` of the greatest reward, the first of several."""
        return max(self.episodes, key=lambda episode: episode.reward)


def cost_function(space, cost):
    """What ``cost``, one of ``settings.COSTS``, counts of a network without ``removed`` of each layer, as a function.

    Raises
    ------
    ValueError
        If cycles are to be counted and the space has no estimate of them.
    """
    if cost == "cycles":
        if space.cycles is None:
            raise ValueError("expected an estimate of cycles to search by, got none; take operations")
        return space.cycles
    return lambda removed: getattr(space.work(tuple(removed)), cost)


def search(space, settings, images, labels, *, sparsity, checkpoint=None, progress=None):
    """Try policies of ``space``.

    Parameters
    ----------
    space : NumberSpace or ChannelSpace
    settings : SearchSettings
    images, labels
        uint8 [n, C, H, W] and int64 [n], which accuracies are measured on.
    sparsity : float
        Share of the cost of the whole network, nothing of which went, that goes at least; has no effect with the protocol ``guaranteed``.
    checkpoint : sw.training.checkpoints.Checkpoint or None
        Keeps the accuracies of policies that were tried. A search that was killed repeats what it did without measuring these
        again, and ends as if it had not been.
    progress : callable or None
        Called with the share of episodes that is done and a text.

    Returns
    -------
    Found

    Raises
    ------
    ValueError
        If the budget cannot be met, or its cost not be counted.
    """
    cost = cost_function(space, settings.cost)
    whole = cost((0,) * len(space.counts))
    budget = None if settings.protocol == "guaranteed" else math.floor(whole - sparsity * whole)
    environment = Environment(space, cost, most=settings.most, budget=budget)
    searcher = make_searcher(environment, settings)
    known = {tuple(removed): found for removed, found in (checkpoint.load() if checkpoint else None) or ()}
    episodes = []
    for number in range(settings.episodes):
        walk = searcher.propose()
        if walk.removed not in known:
            made = space.candidate(walk.removed)
            if settings.settle:
                made = settled(made, spread(images, settings.settle))
            known[walk.removed] = accuracy(made, images, labels)
            if checkpoint is not None:
                checkpoint.save([[list(removed), found] for removed, found in known.items()])
        left = cost(walk.removed)
        value = reward(1 - known[walk.removed], left, settings.protocol)
        searcher.learn(walk, value)
        episodes.append(Episode(removed=walk.removed, accuracy=known[walk.removed], reward=value, cost=left))
        if progress is not None:
            best = max(episode.accuracy for episode in episodes)
            progress((number + 1) / settings.episodes, f"{number + 1} policies, best {best:.2%}")
    return Found(episodes=tuple(episodes), budget=budget, whole=whole)
