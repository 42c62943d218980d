"""What is done to a network: methods of compression one after the other, on one graph of layers."""

import copy
import dataclasses
from dataclasses import dataclass, field

from ..training import TrainingSettings
from .amc.pipeline import AmcSettings, amc
from .channel_pruning.filters import FilterSettings, prune_filters
from .channel_pruning.lasso import LassoSettings, prune_by_lasso
from .channel_pruning.slimming import SlimmingSettings, slim
from .deep.sharing import SharingSettings, share_weights
from .escalate import EscalateSettings, SearchedEscalateSettings
from .magnitude import MagnitudeSettings, RestoreSettings, prune_by_magnitude, restore
from .micronet.pipeline import (
    SensitivitySettings,
    UniformSettings,
    prune_by_sensitivity,
    quantise_uniformly,
)
from .penni import PenniSettings, penni

__all__ = ["METHODS", "Method", "Recipe", "TrainSettings", "train_method"]


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """Training of the network as it is. What every loss is measured against, and the teacher, is the network after a first one."""

    training: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(epochs=20, rate=0.02, augmentation="crop-flip")
    )


def train_method(network, settings, run):
    """``network``, which stays as it is, trained on."""
    return run.train("train", copy.deepcopy(network), settings.training)


@dataclass(frozen=True, kw_only=True)
class Method:
    """One way to compress."""

    #: Class of its settings, which are a frozen dataclass with a default for each member.
    settings: type
    #: ``function(network, settings, run)`` gives a network and leaves its own as it is; ``None`` for ESCALATE, in two halves.
    function: object
    #: What it makes: 0 convolutions with weights of their own, 1 decomposed ones, 2 what no method can go on from; ``None`` the same.
    makes: int | None
    #: Whether integers can be read out of the network that it makes.
    integers: bool = False


#: By the name that recipes have for it.
METHODS = {
    "train": Method(settings=TrainSettings, function=train_method, makes=None),
    "magnitude": Method(settings=MagnitudeSettings, function=prune_by_magnitude, makes=0),
    "restore": Method(settings=RestoreSettings, function=restore, makes=0),
    "sensitivity": Method(settings=SensitivitySettings, function=prune_by_sensitivity, makes=0),
    "amc": Method(settings=AmcSettings, function=amc, makes=None),
    "l1-filter": Method(settings=FilterSettings, function=prune_filters, makes=0),
    "lasso": Method(settings=LassoSettings, function=prune_by_lasso, makes=0),
    "slimming": Method(settings=SlimmingSettings, function=slim, makes=0),
    "penni": Method(settings=PenniSettings, function=penni, makes=1),
    "sharing": Method(settings=SharingSettings, function=share_weights, makes=2),
    "uniform": Method(settings=UniformSettings, function=quantise_uniformly, makes=2, integers=True),
    "escalate": Method(settings=EscalateSettings, function=None, makes=2, integers=True),
    "amc-escalate": Method(settings=SearchedEscalateSettings, function=None, makes=2, integers=True),
}
_NAMES = {method.settings: name for name, method in METHODS.items()}


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Methods in the order in which they run, each by its settings.

    Raises
    ------
    ValueError
        If there is none, or one cannot follow the one before it.
    """

    methods: tuple

    def __post_init__(self):
        if not self.methods:
            raise ValueError(f"expected at least one method, got none; there are {', '.join(METHODS)}")
        for method in self.methods:
            if type(method) not in _NAMES:
                raise ValueError(
                    f"expected settings of a method ({', '.join(METHODS)}), got {type(method).__name__}"
                )
        names, reached, last = self.names(), 0, None
        for name in names:
            made = METHODS[name].makes
            if reached == 2 or (made is not None and made < reached):
                raise ValueError(f"expected {last} after {name}, got it before; change their order")
            if made is not None and made >= reached:
                reached, last = made, name

    def names(self):
        """Name of each method, in order."""
        return [_NAMES[type(method)] for method in self.methods]

    def labelled(self):
        """Settings by name, ``{name: settings}``; a method that was there before gets a number."""
        names = self.names()
        counts = [names[:place].count(name) + 1 for place, name in enumerate(names)]
        labels = [f"{name}-{count}" if count > 1 else name for name, count in zip(names, counts, strict=True)]
        return dict(zip(labels, self.methods, strict=True))

    @property
    def makes_integers(self):
        """Whether the last method leaves integers."""
        return METHODS[self.names()[-1]].integers

    def find(self, kind):
        """The last method whose settings are of the class ``kind``, or ``None``."""
        return next((method for method in reversed(self.methods) if isinstance(method, kind)), None)

    def changed(self, kind, **changes):
        """The same recipe with some settings of ``find(kind)`` changed."""
        place = max(place for place, method in enumerate(self.methods) if isinstance(method, kind))
        methods = list(self.methods)
        methods[place] = dataclasses.replace(methods[place], **changes)
        return Recipe(methods=tuple(methods))

    @property
    def dense(self):
        """``TrainingSettings`` of the network before anything is compressed, or ``None`` if it stays as it came."""
        first = self.methods[0]
        return first.training if isinstance(first, TrainSettings) else None

    def after_training(self):
        """What is left without ``dense``.

        Raises
        ------
        ValueError
            If that is nothing.
        """
        return self if self.dense is None else Recipe(methods=self.methods[1:])
