"""What a data set is checked for, and the real files where they are."""

import dataclasses
import os
import time
from pathlib import Path

import numpy as np
import pytest

from sw.data import Dataset, load_dataset

PARTS = {
    "train_images": np.zeros((3, 1, 4, 4), np.uint8),
    "train_labels": np.array([0, 1, 1]),
    "test_images": np.zeros((2, 1, 4, 4), np.uint8),
    "test_labels": np.array([0, 1]),
    "classes": ("a", "b"),
    "name": "letters",
}


def test_members_are_checked():
    assert Dataset(**PARTS).shape == (1, 4, 4)
    for name, value, message in (
        ("train_images", np.zeros((3, 1, 4, 4)), "expected train_images of uint8"),
        ("test_images", np.zeros((2, 1, 4, 5), np.uint8), "expected test_images of uint8"),
        ("train_labels", np.array([0, 1]), r"expected train_labels of int64 \[3\], got int64 \[2\]"),
        ("train_labels", np.array([0, 1, 1], np.int32), r"expected train_labels of .*, got int32 \[3\]"),
        ("test_labels", np.array([0, 2]), "expected test_labels from 0 to 1, got 0 to 2"),
    ):
        with pytest.raises(ValueError, match=f"letters: {message}"):
            dataclasses.replace(Dataset(**PARTS), **{name: value})


@pytest.mark.slow
def test_sixty_thousand_pictures_in_a_zip(cache):
    path = Path(os.environ.get("FARTHING_DATA", ""), "cifar10-jpeg.zip")
    if not path.is_file():
        pytest.skip("FARTHING_DATA names no folder with cifar10-jpeg.zip")
    start = time.process_time()
    dataset = load_dataset(path)
    seconds = time.process_time() - start
    assert dataset.train_images.shape == (50000, 3, 32, 32) and dataset.test_images.shape == (
        10000,
        3,
        32,
        32,
    )
    assert np.bincount(dataset.train_labels).tolist() == [5000] * 10 and dataset.classes[9] == "truck"
    assert seconds < 60
    start = time.process_time()
    load_dataset(path)
    assert time.process_time() - start < 0.1 * seconds
