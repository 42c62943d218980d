"""A compression under way: named phases with time, accuracy and zeros, and training that can be resumed."""

import dataclasses
import itertools
import time
from dataclasses import dataclass, field
from pathlib import Path

import torch

from ..training import accuracy, train
from .zeros import nonzero_count

__all__ = ["Phase", "Run"]


@dataclass(frozen=True, kw_only=True)
class Phase:
    """What a phase of a compression left."""

    name: str
    #: Share of the test images that are classified rightly.
    accuracy: float
    #: Share of zeros among coefficients or pruned weights, or ``None`` where there are none yet.
    zeros: float | None
    #: Wall-clock seconds, the measurement of accuracy left out.
    seconds: float
    #: Of the training, one for each epoch; empty where the phase does not train.
    epochs: tuple = ()
    #: What a search within the phase chose, as plain values; ``None`` without one.
    found: dict | None = None


@dataclass(kw_only=True)
class Run:
    """Runs the phases of a compression and keeps their records.

    Trainings write checkpoints into ``folder`` and go on from there: a run that was killed is started again as it was, and
    phases that do not train are simply done again.
    """

    dataset: object
    #: For checkpoints, or ``None``.
    folder: Path | None = None
    #: Called with the name of a phase, the share of it that is done and a text.
    progress: object = None
    #: Images of the test split that accuracies are measured on; ``None`` is all.
    test_images: int | None = None
    #: What the phases do, settings by name, those of the method under way last: a checkpoint of a run that did something else is refused.
    about: object = None
    #: Network before compression, which teaches trainings whose settings distil.
    teacher: object = None
    #: Cycles an image of each layer, by name, of an ``IntegerNetwork``, as a function; ``None`` where nobody counts them.
    cycles: object = None
    phases: list = field(default_factory=list)
    _current: str = field(default="", init=False, repr=False)
    _found: dict | None = field(default=None, init=False, repr=False)

    def phase(self, name, function, *arguments, **options):
        """Network that ``function(*arguments, **options)`` gives, recorded as the phase ``name``.

        A name that was there before gets a number. The function may call ``show``, ``note`` and ``checkpoint_path``.
        """
        name, start = self._free(name), time.perf_counter()
        self._current = name
        self._show(name, 0.0, "")
        network = function(*arguments, **options)
        self._record(name, network, time.perf_counter() - start)
        return network

    def show(self, fraction, text):
        """Tell what is done of the phase that is under way."""
        self._show(self._current, fraction, text)

    def note(self, found):
        """Keep what the phase that is under way chose, as plain values, in its record."""
        self._found = found

    def checkpoint_path(self):
        """File for a checkpoint of the phase that is under way, or ``None``."""
        return None if self.folder is None else Path(self.folder) / f"{self._current}.checkpoint"

    def train(self, name, network, settings, *, later=(), **hooks):
        """Train ``network`` in place as the phase ``name``, as above. Returns it. Of no epochs there is no phase.

        Parameters
        ----------
        later : sequence of str
            Settings of the method under way that phases after this one look at: whatever they are, a checkpoint of this one is good.
        hooks
            As for ``sw.training.train``.
        """
        if settings.epochs == 0:
            return network
        name = self._free(name)
        self._show(name, 0.0, "")
        epochs = train(
            network,
            self.dataset,
            settings,
            teacher=None if settings.distillation is None else self.teacher,
            checkpoint=None if self.folder is None else Path(self.folder) / f"{name}.checkpoint",
            about=self._about(later),
            progress=lambda fraction, text: self._show(name, fraction, text),
            **hooks,
        )
        # Epochs before an interruption count too.
        self._record(name, network, sum(epoch.seconds for epoch in epochs), tuple(epochs))
        return network

    def test_split(self):
        """Images, uint8 [n, C, H, W], and labels that accuracies are measured on."""
        images, labels = self.dataset.test_images, self.dataset.test_labels
        # Splits often come sorted by class.
        step = max(1, len(images) // (self.test_images or len(images)))
        return images[::step], labels[::step]

    def accuracy(self, network):
        """Share of the test images that ``network`` classifies rightly."""
        return accuracy(network, *self.test_split())

    def _about(self, later):
        if self.about is None or not later:
            return self.about
        method = next(reversed(self.about))
        settings = self.about[method]
        members = (member.name for member in dataclasses.fields(settings))
        return self.about | {method: {name: getattr(settings, name) for name in members if name not in later}}

    def _free(self, name):
        before = {phase.name for phase in self.phases}
        names = (f"{name}-{number}" if number > 1 else name for number in itertools.count(1))
        return next(free for free in names if free not in before)

    def _show(self, name, fraction, text):
        if self.progress is not None:
            self.progress(name, fraction, text)

    def _record(self, name, network, seconds, epochs=()):
        nonzero, count = nonzero_count(network)
        found, self._found = self._found, None
        self.phases.append(
            Phase(
                name=name,
                accuracy=self.accuracy(network),
                zeros=1 - nonzero / count if count else None,
                seconds=seconds,
                epochs=epochs,
                found=found,
            )
        )
        self._show(name, 1.0, f"top-1 {self.phases[-1].accuracy:.2%}")


def calibration_images(dataset, count):
    """About ``count`` training images, spread over the split, as float pixels [n, C, H, W]."""
    images = dataset.train_images
    return torch.from_numpy(images[:: max(1, len(images) // count)].copy()).float()
