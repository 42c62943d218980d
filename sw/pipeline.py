"""From images to an integer network in named steps: train, decompose, retrain, calibrate, refine, fold."""

import time
from dataclasses import dataclass, replace

from .data import Dataset, load_mnist
from .model import DIGITS, ConvolutionSpec, float_network
from .network import IntegerNetwork
from .quantisation import calibrate, integer_network, quantised_network
from .ternary import magnitude, ternary_network
from .training import TrainingSettings, accuracy, repeatable, train

__all__ = ["FULL", "QUICK", "STEPS", "CompressedMnist", "Effort", "compress_mnist"]

#: The steps in order, as ``progress`` and ``seconds`` name them.
STEPS = ("load", "train", "decompose", "retrain", "calibrate", "refine", "fold")

#: Highest learning rates. Ternary coefficients change only when a number behind them crosses its
#: threshold, so retraining needs a higher one than training does.
_TRAIN_RATE, _RETRAIN_RATE, _REFINE_RATE = 5e-3, 1.5e-2, 1e-3
_CALIBRATION_IMAGES = 1000


@dataclass(frozen=True, kw_only=True)
class Effort:
    """Epochs of each training step, and about how many training images they use."""

    train: int
    retrain: int
    refine: int
    images: int = 4000


#: What the demo uses.
FULL = Effort(train=20, retrain=30, refine=3)
#: A few seconds: every step runs, accuracy is poor.
QUICK = Effort(train=1, retrain=1, refine=1, images=640)


@dataclass(frozen=True, kw_only=True, eq=False)
class CompressedMnist:
    """The integer network and what was measured on the way, accuracies on the test images."""

    network: IntegerNetwork
    #: Of the float network before compression.
    accuracy_float: float
    #: Of the network in torch that the integers were read from.
    accuracy_compressed: float
    dataset: Dataset
    #: Weights of each convolution before compression, by layer name.
    dense_parameters: dict[str, int]
    #: Wall-clock seconds of each of ``STEPS``.
    seconds: dict[str, float]


class _Clock:
    """Times the steps and passes progress on."""

    def __init__(self, progress):
        self.progress = progress or (lambda step, fraction: None)
        self.seconds = {}

    def run(self, step, function, *arguments, **options):
        start = time.perf_counter()
        self.progress(step, 0.0)
        result = function(*arguments, **options)
        self.seconds[step] = time.perf_counter() - start
        self.progress(step, 1.0)
        return result

    def train(self, step, *arguments, **options):
        report = lambda fraction, text: self.progress(step, fraction)  # noqa: E731
        self.run(step, train, *arguments, **options, progress=report)


def compress_mnist(*, seed=0, effort=FULL, sparsity=3e-5, progress=None):
    """Train a small network on MNIST digits and compress it to integers.

    The same seed and effort give the same integers on one machine.

    Parameters
    ----------
    seed : int
        Of weights, batches and augmentation. The split into training and test images does not depend on it.
    effort : Effort
        ``FULL`` or ``QUICK``, or one's own.
    sparsity : float
        Weight of the penalty on coefficients while retraining: more zeros for less accuracy.
    progress : callable or None
        ``progress(step, fraction)``, ``step`` from ``STEPS``.

    Returns
    -------
    CompressedMnist

    Raises
    ------
    ValueError
        If the images are not installed, or a layer cannot be expressed in the integers there are.
    """
    clock = _Clock(progress)
    dataset = clock.run("load", load_mnist)
    # The training images come sorted by digit: a step through them takes some of each.
    every = slice(None, None, max(1, len(dataset.train_images) // effort.images))
    some = replace(
        dataset, train_images=dataset.train_images[every], train_labels=dataset.train_labels[every]
    )
    test = dataset.test_images, dataset.test_labels
    with repeatable(seed):
        dense = float_network(DIGITS)
        clock.train("train", dense, some, _settings(seed, effort.train, _TRAIN_RATE))
        accuracy_float = accuracy(dense, *test)
        ternary = clock.run("decompose", ternary_network, dense)
        retraining = {"penalty": lambda network: sparsity * magnitude(network)}
        clock.train("retrain", ternary, some, _settings(seed, effort.retrain, _RETRAIN_RATE), **retraining)
        few = some.train_images[:: max(1, len(some.train_images) // _CALIBRATION_IMAGES)]
        scales = clock.run("calibrate", calibrate, ternary, few)
        twin = quantised_network(ternary, scales)
        clock.train("refine", twin, some, _settings(seed, effort.refine, _REFINE_RATE), **retraining)
        network = clock.run("fold", integer_network, twin, "digits", some.shape)
        return CompressedMnist(
            network=network,
            accuracy_float=accuracy_float,
            accuracy_compressed=accuracy(twin, *test),
            dataset=dataset,
            dense_parameters={
                spec.name: spec.dense_parameters for spec in DIGITS if isinstance(spec, ConvolutionSpec)
            },
            seconds=clock.seconds,
        )


def _settings(seed, epochs, rate):
    return TrainingSettings(
        epochs=epochs,
        rate=rate,
        batch=64,
        optimiser="adamw",
        smoothing=0.05,
        augmentation="affine",
        seed=seed,
        evaluate_every=0,
    )
