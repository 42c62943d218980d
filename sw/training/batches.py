"""Which images a step sees, and how they are changed: functions of seed, epoch and step alone, so that a run can go on anywhere."""

import numpy as np
import torch

from .augmentation import augment
from .evaluation import to_input

__all__ = ["Batches"]


class Batches:
    """The training images of a data set, in batches.

    Parameters
    ----------
    dataset : Dataset
    settings : TrainingSettings
    device : torch.device
        Where batches go.
    process, processes : int
        Which part of each batch is made here.

    Members
    -------
    steps : int
        Batches of an epoch.

    Raises
    ------
    ValueError
        If there are fewer images than one batch takes, or the batch cannot be shared equally.
    """

    def __init__(self, dataset, settings, device, *, process=0, processes=1):
        count = len(dataset.train_images)
        if count < settings.batch:
            raise ValueError(f"expected at least {settings.batch} images to train on, got {count}")
        if settings.batch % processes:
            raise ValueError(
                f"expected a batch that {processes} processes can share equally, got {settings.batch}"
            )
        self._dataset, self._settings, self._device = dataset, settings, device
        self._process, self._processes = process, processes
        self.steps = count // settings.batch

    def order(self, epoch):
        """Places of the images in the order of an epoch, int64 [n]."""
        return torch.randperm(len(self._dataset.train_images), generator=self._random(0, epoch)).numpy()

    def batch(self, epoch, step, order):
        """This process's part of a batch: float images [n, C, H, W] of 0 to 255, and int64 labels [n]."""
        size = self._settings.batch
        chosen = order[step * size : (step + 1) * size][self._process :: self._processes]
        images = torch.from_numpy(self._dataset.train_images[chosen]).to(self._device, non_blocking=True)
        labels = torch.from_numpy(self._dataset.train_labels[chosen]).to(self._device, non_blocking=True)
        random = self._random(1, epoch, step, self._process)
        images = augment(self._settings.augmentation, images, random)
        return to_input(images, self._device, channels_last=self._settings.channels_last), labels

    def _random(self, *place):
        (seed,) = np.random.SeedSequence([self._settings.seed, *place]).generate_state(1, np.uint64)
        return torch.Generator().manual_seed(int(seed))
