"""The demonstration's network, of handwritten digits, and its compression."""

import dataclasses
from dataclasses import dataclass

from .compression.compress import Compressed, compress
from .compression.escalate import EscalateSettings
from .compression.recipe import Recipe, TrainSettings
from .compression.run import Run
from .data import Dataset, load_dataset
from .importing import load_model
from .training import TrainingSettings, repeatable

__all__ = ["FULL", "NETWORK", "QUICK", "CompressedDigits", "compress_digits"]

#: Name of the network among those that farthing knows.
NETWORK = "digits"

_TRAINING = TrainingSettings(
    batch=64, optimiser="adamw", smoothing=0.05, augmentation="affine", evaluate_every=0
)


def _recipe(*, dense, retrain, refine):
    """Epochs of each training. Ternary coefficients change only when a number behind them crosses its threshold: retraining
    needs a higher rate than training does."""
    escalate = EscalateSettings(
        sparsity=0.8,
        retraining=dataclasses.replace(_TRAINING, epochs=retrain, rate=1.5e-2),
        refining=dataclasses.replace(_TRAINING, epochs=refine, rate=1e-3),
    )
    first = TrainSettings(training=dataclasses.replace(_TRAINING, epochs=dense, rate=5e-3))
    return Recipe(methods=(first, escalate))


#: What the demonstration uses.
FULL = _recipe(dense=20, retrain=30, refine=3)
#: Every phase runs, accuracy is poor.
QUICK = _recipe(dense=5, retrain=1, refine=1)


@dataclass(frozen=True, kw_only=True, eq=False)
class CompressedDigits:
    """What was made, of which images."""

    compressed: Compressed
    dataset: Dataset

    @property
    def network(self):
        """The integer network."""
        return self.compressed.integers


def compress_digits(*, seed=0, recipe=FULL, images=4000, progress=None):
    """Train the network of digits and compress it to integers.

    The same seed and recipe give the same integers on one machine.

    Parameters
    ----------
    seed : int
        Of weights, batches and augmentation. The split into training and test images does not depend on it.
    recipe : Recipe
        ``FULL`` or ``QUICK``, or one's own.
    images : int
        About how many training images are used.
    progress : callable or None
        ``progress(phase, fraction, text)``.

    Returns
    -------
    CompressedDigits

    Raises
    ------
    ValueError
        If the images are not installed, or a layer cannot be expressed in the integers there are.
    """
    dataset = load_dataset("mnist")
    # The training images come sorted by digit: a step through them takes some of each.
    every = slice(None, None, max(1, len(dataset.train_images) // images))
    dataset = dataclasses.replace(
        dataset, train_images=dataset.train_images[every], train_labels=dataset.train_labels[every]
    )
    with repeatable(seed):
        network = load_model(NETWORK)
        compressed = compress(network, dataset, recipe, Run(dataset=dataset, progress=progress), name=NETWORK)
    return CompressedDigits(compressed=compressed, dataset=dataset)
