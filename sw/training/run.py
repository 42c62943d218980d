"""The loop: epochs of steps, measured, saved and gone on with where they stopped."""

import math
import time
from dataclasses import asdict, dataclass

import torch

from .averaging import WeightAverage
from .batches import Batches
from .checkpoints import random_state, restore_random_state
from .evaluation import autocast, logits
from .losses import training_loss
from .optimisers import set_rate

__all__ = ["EpochRecord", "Run", "check_classes"]

#: Seconds between two reports within an epoch.
_REPORT = 0.5


@dataclass(frozen=True, kw_only=True)
class EpochRecord:
    """What was measured in one epoch."""

    #: From 1.
    epoch: int
    #: Mean over the epoch, penalty included.
    loss: float
    #: Share of augmented training images that were right when they were trained on, from 0 to 1.
    train_accuracy: float
    #: Share of test images that are right after the epoch, or ``None``.
    test_accuracy: float | None
    #: Wall clock, evaluation included.
    seconds: float
    #: Learning rate of the last step.
    rate: float


class Run:
    """A run under way: everything that a checkpoint holds, and what moves it.

    Parameters are those of ``train``, functions that do nothing for those it was not given; ``processes`` is where it
    runs, ``checkpoint`` a ``Checkpoint`` or ``None``.
    """

    def __init__(
        self,
        network,
        dataset,
        settings,
        processes,
        optimiser,
        *,
        teacher,
        penalty,
        on_step,
        on_epoch,
        checkpoint,
        progress,
    ):
        self.network, self.dataset, self.settings, self.processes = network, dataset, settings, processes
        self.optimiser, self.teacher, self.penalty = optimiser, teacher, penalty
        self.on_step, self.on_epoch = on_step, on_epoch
        self.checkpoint, self.progress = checkpoint, progress
        self.batches = Batches(
            dataset, settings, processes.device, process=processes.index, processes=processes.count
        )
        self.steps = self.batches.steps * settings.epochs
        self.trained = processes.spread(network)
        self.average = WeightAverage(network, settings.averaging) if settings.averaging is not None else None
        self.records = []
        self.epoch, self.step, self.rate = 0, 0, 0.0
        #: Within the epoch: sum of losses, images that were right, seconds before the last interruption.
        self.loss, self.right, self.before = 0.0, 0, 0.0
        self.begun = self.saved = self.reported = time.monotonic()

    def run(self):
        """All epochs that are left; gives the records of all."""
        if self.checkpoint is not None:
            self._resume()
        while self.epoch < self.settings.epochs:
            if self.step == 0:
                self._begin_epoch()
            order = self.batches.order(self.epoch)
            while self.step < self.batches.steps:
                self._step(order)
            self._end_epoch()
        if self.average is not None:
            self.network.load_state_dict(self.average.state)
            self.on_step(self.network, 1.0)
        return self.records

    def _begin_epoch(self):
        self.network.train()
        self.on_epoch(self.network, self.epoch)

    def _step(self, order):
        done = self.epoch * self.batches.steps + self.step
        self.rate = set_rate(self.optimiser, self.settings, done, self.steps)
        images, labels = self.batches.batch(self.epoch, self.step, order)
        loss, right = self._loss(images, labels)
        # One exchange a step keeps all processes of one mind: on the loss, and on when to save.
        total, right, due = self.processes.sums(loss.detach(), right, self.processes.first and self._due())
        if not math.isfinite(total):
            raise ValueError(
                f"epoch {self.epoch + 1}, step {self.step + 1}: expected a finite loss, got {total}: "
                "lower the rate, clip gradients, lengthen the warm-up, or compute in float32"
            )
        self.optimiser.zero_grad()
        self.processes.backward(loss)
        if self.settings.clip is not None:
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.clip)
        self.optimiser.step()
        self.processes.share_buffers(self.network)
        self.on_step(self.network, (done + 1) / self.steps)
        if self.average is not None:
            self.average.update(self.network)
        self.loss += total / self.processes.count
        self.right += int(right)
        self.step += 1
        if due and self.step < self.batches.steps:
            self._save()
        if time.monotonic() - self.reported >= _REPORT:
            self._report()

    def _loss(self, images, labels):
        """Loss of this process's part of a batch, and how many of it were right."""
        with autocast(self.processes.device, self.settings.precision):
            answers = self.trained(images)
        answers, wanted = answers.float(), None
        if self.teacher is not None:
            with torch.no_grad(), autocast(self.processes.device, self.settings.precision):
                wanted = self.teacher(images)
            wanted = wanted.float()
        check_classes(self.dataset, answers.shape[1], None if wanted is None else wanted.shape[1])
        loss = training_loss(self.settings, answers, labels, wanted)
        if self.penalty is not None:
            loss = loss + self.penalty(self.network)
        return loss, (answers.argmax(1) == labels).sum()

    def _end_epoch(self):
        every = self.settings.evaluate_every
        last = self.epoch + 1 == self.settings.epochs
        measured = every and len(self.dataset.test_images) and ((self.epoch + 1) % every == 0 or last)
        test = self._test_accuracy() if measured else None
        record = EpochRecord(
            epoch=self.epoch + 1,
            loss=self.loss / self.batches.steps,
            train_accuracy=self.right / (self.batches.steps * self.settings.batch),
            test_accuracy=test,
            seconds=self._seconds(),
            rate=self.rate,
        )
        self._report(test)
        self.records.append(record)
        self.epoch, self.step, self.loss, self.right, self.before = self.epoch + 1, 0, 0.0, 0, 0.0
        self.begun = time.monotonic()
        if self.checkpoint is not None:
            self._save()

    def _seconds(self):
        return self.before + time.monotonic() - self.begun

    def _test_accuracy(self):
        if self.average is None:
            return self._share_right()
        with self.average.swapped_in(self.network):
            self.on_step(self.network, (self.epoch + 1) / self.settings.epochs)
            return self._share_right()

    def _share_right(self):
        mine = slice(self.processes.index, None, self.processes.count)
        answers = logits(self.network, self.dataset.test_images[mine], precision=self.settings.precision)
        right = (answers.argmax(1).numpy() == self.dataset.test_labels[mine]).sum()
        return self.processes.sums(right)[0] / len(self.dataset.test_images)

    def _report(self, test=None):
        self.reported = time.monotonic()
        fraction = (self.epoch * self.batches.steps + self.step) / self.steps
        right = self.right / (self.step * self.settings.batch)
        text = f"epoch {self.epoch + 1}/{self.settings.epochs} loss {self.loss / self.step:.2f} train {right:.1%}"
        if test is not None:
            text += f" test {test:.1%}"
        self.progress(fraction, text.replace("%", " %"))

    def _due(self):
        if self.checkpoint is None:
            return False
        return time.monotonic() - self.saved >= 60 * self.settings.checkpoint_minutes

    def _save(self):
        self.saved = time.monotonic()
        states = self.processes.gather(random_state(self.processes.device))
        if not self.processes.first:
            return
        self.checkpoint.save(
            {
                "network": self.network.state_dict(),
                "trained": [parameter.requires_grad for parameter in self.network.parameters()],
                "optimiser": self.optimiser.state_dict(),
                "average": self.average.saved() if self.average is not None else None,
                "random": states,
                "epoch": self.epoch,
                "step": self.step,
                "loss": self.loss,
                "right": self.right,
                "seconds": self._seconds(),
                "records": [asdict(record) for record in self.records],
            }
        )

    def _resume(self):
        state = self.checkpoint.load()
        if state is None:
            # A file that cannot be written is better known now than after an epoch.
            self._save()
            return
        self.epoch, self.step = state["epoch"], state["step"]
        # What the function did to the epoch's beginning and the state does not hold is done again; the rest is overwritten.
        if self.step > 0:
            self._begin_epoch()
        self.network.load_state_dict(state["network"])
        for parameter, trained in zip(self.network.parameters(), state["trained"], strict=True):
            parameter.requires_grad_(trained)
        self.optimiser.load_state_dict(state["optimiser"])
        if self.average is not None:
            self.average.restore(state["average"])
        self.loss, self.right, self.before = state["loss"], state["right"], state["seconds"]
        self.records = [EpochRecord(**record) for record in state["records"]]
        restore_random_state(state["random"][self.processes.index], self.processes.device)


def check_classes(dataset, outputs, taught=None):
    """Refuse a network of so many ``outputs`` that has fewer than ``dataset`` has classes, or not as many as its teacher."""
    if outputs < len(dataset.classes) or taught not in (None, outputs):
        teacher = f", and {taught} of the teacher" if taught is not None else ""
        raise ValueError(f"expected logits of {len(dataset.classes)} classes, got {outputs}{teacher}")
