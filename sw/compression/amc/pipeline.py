"""AMC as a method of a recipe, and as a part of others: the search within a phase, and what it leaves in the report."""

from dataclasses import dataclass, field

from ...training import TrainingSettings
from ...training.checkpoints import Checkpoint, identity
from ..shrinking import shrink
from .search import search
from .settings import SearchSettings
from .settling import settled, spread
from .spaces import ChannelSpace, coefficient_space, weight_space

__all__ = ["AmcSettings", "amc", "search_policy"]

_SPACES = {"weights": weight_space, "channels": ChannelSpace, "coefficients": coefficient_space}
_TUNING = TrainingSettings(epochs=30, rate=0.01, augmentation="crop-flip")


@dataclass(frozen=True, kw_only=True)
class AmcSettings:
    """What AMC is told.

    Raises
    ------
    ValueError
        If a number is out of range, or there is no such action.
    """

    #: Share of the cost of the network that is saved, at least; the protocol ``guaranteed`` has no use for it.
    sparsity: float = 0.5
    #: What goes: ``"weights"`` one by one, or ``"channels"``; or ``"coefficients"`` of layers that PENNI decomposed.
    action: str = "weights"
    search: SearchSettings = field(default_factory=SearchSettings)
    #: Training of what the best policy left.
    tuning: TrainingSettings = _TUNING

    def __post_init__(self):
        if not 0 <= self.sparsity < 1:
            raise ValueError(f"expected a sparsity from 0 to below 1, got {self.sparsity}")
        if self.action not in _SPACES:
            raise ValueError(f"expected an action from {', '.join(_SPACES)}, got {self.action!r}")
        if self.search.cost == "cycles":
            raise ValueError(
                "expected a cost from operations, parameters, bits, got 'cycles': these are estimated of ternary coefficients, by amc-escalate"
            )


def amc(network, settings, run):
    """Search for what leaves each layer of a trained ``network``, which stays as it is, and train what is left; recorded in ``run``."""

    def searched():
        space = _SPACES[settings.action](network)
        found = space.network(search_policy(network, space, settings.sparsity, settings.search, run))
        if not settings.search.settle:
            return found
        return settled(found, spread(run.dataset.train_images, settings.search.settle))

    made = run.phase("amc", searched)
    run.train("amc-tune", made, settings.tuning)
    if settings.action == "coefficients":
        made = run.phase("amc-shrink", lambda: shrink(made).network)
    return made


def search_policy(network, space, sparsity, settings, run):
    """What goes of each layer of ``space``, of ``network``, by the best policy, within a phase of ``run``, which keeps it.

    Parameters
    ----------
    sparsity : float
        As for ``search``.
    settings : SearchSettings

    Returns
    -------
    tuple of int
    """
    images, labels = (
        spread(part, settings.images) for part in (run.dataset.train_images, run.dataset.train_labels)
    )
    path, checkpoint = run.checkpoint_path(), None
    if path is not None:
        checkpoint = Checkpoint(
            path, identity(network, run.dataset, settings, sparsity=sparsity, about=run.about)
        )
    found = search(
        space, settings, images, labels, sparsity=sparsity, checkpoint=checkpoint, progress=run.show
    )
    best = found.best
    shares = {
        layer.name: gone / count
        for layer, gone, count in zip(space.layers, best.removed, space.counts, strict=True)
    }
    run.note(
        {
            "searcher": settings.searcher,
            "policies": len(found.episodes),
            "images": len(images),
            "accuracy": best.accuracy,
            "cost": settings.cost,
            "whole": found.whole,
            "budget": found.budget,
            "left": best.cost,
            "shares": shares,
        }
    )
    return best.removed
