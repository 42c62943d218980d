"""Class folders: what is found in them, how it is split, what is refused and how."""

import os
import time
import zipfile

import numpy as np
import pytest

from sw.data import cache as cache_module
from sw.data import folders, load_dataset

from .pictures import encoded, pixels, split_files, write_folder, write_zip


def classes_alone(count=5):
    return {
        f"{name}/{index}.png": pixels(10 * label + index)
        for label, name in enumerate(("cat", "dog"))
        for index in range(count)
    }


@pytest.mark.parametrize("write", [write_folder, write_zip])
@pytest.mark.parametrize("test", ["test", "val", "valid"])
def test_parts_labels_and_pixels(tmp_path, write, test):
    files = split_files(test=test)
    dataset = load_dataset(write(tmp_path / "pets.zip", files))
    assert dataset.name == "pets.zip" and dataset.classes == ("cat", "dog")
    assert dataset.train_labels.tolist() == [0, 0, 1] and dataset.test_labels.tolist() == [0, 1]
    arrays = [array.transpose(2, 0, 1) for array in files.values()]
    assert np.array_equal(dataset.train_images, arrays[:3]) and dataset.train_images.dtype == np.uint8
    assert np.array_equal(dataset.test_images, arrays[3:])


def test_enclosing_folders_other_files_and_depth_are_passed_over(tmp_path):
    files = {f"all/of/it/{name}": array for name, array in split_files().items()}
    files |= {"all/readme.txt": b"hello", "__MACOSX/all/x.png": b"", "all/of/it/train/cat/.x.png": b""}
    files["all/of/it/train/dog/deeper/z.PNG"] = pixels(9)
    dataset = load_dataset(write_zip(tmp_path / "pets.zip", files))
    assert dataset.train_labels.tolist() == [0, 0, 1, 1] and len(dataset.test_labels) == 2


@pytest.mark.parametrize("form", ["png", "jpeg", "bmp", "ppm", "webp"])
def test_formats(tmp_path, form):
    suffix = "jpg" if form == "jpeg" else form
    files = {
        name.replace("png", suffix): encoded(array, form) for name, array in split_files(channels=3).items()
    }
    dataset = load_dataset(write_folder(tmp_path / "pets", files))
    exact = split_files()["train/cat/a.png"].transpose(2, 0, 1)
    assert dataset.shape == (3, 6, 5)
    if form in ("png", "bmp", "ppm"):
        assert np.array_equal(dataset.train_images[0], exact)


def test_grey_stays_grey_unless_one_image_has_colours(tmp_path):
    files = split_files(channels=1)
    dataset = load_dataset(write_folder(tmp_path / "grey", files))
    assert dataset.shape == (1, 6, 5)
    assert np.array_equal(dataset.train_images[:, 0], list(files.values())[:3])
    # The last one, so that all grey ones have been decoded before it.
    files["test/dog/c.png"] = pixels(4)
    mixed = load_dataset(write_folder(tmp_path / "mixed", files))
    assert mixed.shape == (3, 6, 5)
    assert np.array_equal(mixed.train_images[:, 1], list(files.values())[:3])
    assert np.array_equal(mixed.test_images[1], pixels(4).transpose(2, 0, 1))


def test_a_fifth_of_each_class_is_for_testing(tmp_path):
    path = write_folder(tmp_path / "pets", classes_alone(10))
    dataset = load_dataset(path)
    assert np.bincount(dataset.train_labels).tolist() == [8, 8]
    assert np.bincount(dataset.test_labels).tolist() == [2, 2]
    every = {image.tobytes() for image in (*dataset.train_images, *dataset.test_images)}
    assert len(every) == 20
    moved = load_dataset(write_zip(tmp_path / "pets.zip", classes_alone(10)))
    assert np.array_equal(moved.test_images, dataset.test_images)


def test_other_sizes_are_refused_or_scaled_and_cropped(tmp_path):
    files = split_files()
    # Left third black, the rest white, and four times as wide as high once the size is applied.
    wide = np.zeros((4, 16, 3), np.uint8)
    wide[:, 8:] = 255
    files["train/cat/b.png"] = wide
    path = write_folder(tmp_path / "pets", files)
    with pytest.raises(
        ValueError, match=r"cat/b\.png: expected 6x5 pixels like the first image, got 4x16: give a size"
    ):
        load_dataset(path)
    dataset = load_dataset(path, size=8)
    assert dataset.shape == (3, 8, 8)
    assert dataset.train_images[1, :, :, :3].max() == 0 and dataset.train_images[1, :, :, 5:].min() == 255
    assert load_dataset(path, size=(6, 5)).shape == (3, 6, 5)
    assert np.array_equal(
        load_dataset(path, size=(6, 5)).train_images[0], files["train/cat/a.png"].transpose(2, 0, 1)
    )


def test_second_time_nothing_is_decoded(tmp_path, cache, monkeypatch):
    path = write_folder(tmp_path / "pets", split_files())
    first = load_dataset(path)
    with monkeypatch.context() as patch:
        patch.setattr(folders, "decode", None)
        again = load_dataset(path)
    assert np.array_equal(first.train_images, again.train_images) and again.classes == first.classes
    assert len(list(cache.iterdir())) == 1
    # A changed file is seen, by its time alone.
    other = encoded(pixels(99))
    old = path / "train/cat/a.png"
    old.write_bytes(other)
    os.utime(old, (time.time() + 5, time.time() + 5))
    assert np.array_equal(load_dataset(path).train_images[0], pixels(99).transpose(2, 0, 1))


def test_a_cache_cut_short_is_made_again(tmp_path, cache):
    path = write_folder(tmp_path / "pets", split_files())
    first = load_dataset(path)
    (made,) = cache.iterdir()
    file = made / "train_images.npy"
    file.write_bytes(file.read_bytes()[:-40])
    assert np.array_equal(load_dataset(path).train_images, first.train_images)


def test_a_failure_leaves_nothing_in_the_cache(tmp_path, cache):
    path = write_folder(tmp_path / "pets", split_files() | {"train/dog/b.png": b"no image"})
    with pytest.raises(ValueError, match=r"dog/b\.png: expected an image, got something else"):
        load_dataset(path)
    assert list(cache.iterdir()) == []


def test_large_sets_are_mapped_from_their_file(tmp_path, monkeypatch):
    path = write_folder(tmp_path / "pets", split_files())
    small = load_dataset(path)
    monkeypatch.setattr(cache_module, "_IN_MEMORY", 100)
    dataset = load_dataset(path)
    assert isinstance(dataset.train_images, np.memmap) and not isinstance(small.train_images, np.memmap)
    assert np.array_equal(dataset.train_images, small.train_images)
    assert not isinstance(dataset.train_labels, np.memmap)


def test_a_cache_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(ValueError, match=r"expected to keep its pixels in .*set XDG_CACHE_HOME"):
        load_dataset(write_folder(tmp_path / "pets", split_files()))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda files: {"notes.txt": b"hello"}, "expected images .* in class folders, got none"),
        (lambda files: {"a.png": pixels(0)}, "expected at least two class folders, got images in none"),
        (lambda files: {"cat/a.png": pixels(0)}, "expected at least two class folders, got images in cat"),
        (lambda files: files | {"train/x.png": pixels(0)}, r"train/x\.png: expected images in folders named"),
        (lambda files: classes_alone() | {"x.png": pixels(0)}, r"x\.png: expected images in folders named"),
        (
            lambda files: files | {"test/owl/a.png": pixels(0)},
            r"owl/a\.png: expected a class that is in train too",
        ),
        (
            lambda files: {"train/cat/a.png": pixels(0), "more/cat/a.png": pixels(1)},
            "expected test, val or valid beside train, got more, train",
        ),
        (
            lambda files: {"cat/a.png": pixels(0), "dog/a.png": pixels(1)},
            "class cat: expected at least two images",
        ),
        (
            lambda files: files | {"train/cat/b.png": encoded(pixels(1))[:-30]},
            r"cat/b\.png: expected an image, got",
        ),
        (
            lambda files: files | {"train/cat/b.png": encoded(np.full((6, 5), 1000, np.uint16))},
            r"cat/b\.png: expected 8 bits a pixel",
        ),
    ],
)
def test_refusals_are_one_line_that_names_the_file(tmp_path, change, message):
    path = write_zip(tmp_path / "pets.zip", change(split_files()))
    with pytest.raises(ValueError, match=message) as caught:
        load_dataset(path)
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


def test_a_broken_zip_member_is_named(tmp_path):
    path = write_zip(tmp_path / "pets.zip", split_files())
    with zipfile.ZipFile(path) as archive:
        start = archive.getinfo("train/dog/a.png").header_offset
    content = bytearray(path.read_bytes())
    content[start + 80] ^= 255
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"train/dog/a\.png: expected an image, got a broken"):
        load_dataset(path)


@pytest.mark.parametrize("size", [0, -1, (3,), (1, 2, 3), 2.5, (2, 0)])
def test_wrong_sizes_are_refused(size):
    with pytest.raises(ValueError, match="expected a size as one or two whole numbers"):
        load_dataset("mnist", size=size)


def test_what_is_no_data_set_is_refused(tmp_path):
    with pytest.raises(ValueError, match="expected mnist, cifar10 or a path to a data set, got 'imagenet'"):
        load_dataset("imagenet")
    (tmp_path / "data.csv").write_text("1,2")
    with pytest.raises(ValueError, match=r"data\.csv: expected a folder, a zip file or a CIFAR-10 archive"):
        load_dataset(tmp_path / "data.csv")


def test_mnist_in_another_size():
    dataset = load_dataset("mnist", size=14)
    assert dataset.train_images.shape == (4000, 1, 14, 14) and dataset.classes[3] == "3"
    full = load_dataset("mnist")
    assert abs(dataset.test_images.mean() - full.test_images.mean()) < 1
