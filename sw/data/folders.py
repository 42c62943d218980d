"""Images in class folders, on disk or in a zip file: ``{train,test}/CLASS/*.png``, or ``CLASS/*.png`` alone."""

import hashlib
import os
import zipfile
from pathlib import Path, PurePosixPath

import numpy as np

from .cache import cached
from .pictures import SUFFIXES, ColourFound, decode

__all__ = ["load_folders"]

#: Names that the test part may have, the first that is there wins.
_TEST_PARTS = ("test", "val", "valid")
#: Without parts, this share of each class, drawn with this seed, is for testing.
_TEST_SHARE, _SEED = 0.2, 0


def load_folders(path, size=None):
    """The data set in a folder or zip file; decoded once, then read from the cache.

    Labels are the places of the class folders in alphabetical order. Images are grey if all are, else they have three
    channels. Folders that enclose everything are passed over, and files whose names do not end like an image's, or
    begin with a dot.

    Parameters
    ----------
    path : path
    size : (int, int) or None
        Height and width to scale and crop to; ``None``: all images must have one size.

    Raises
    ------
    ValueError
        Naming the file or folder that is not as expected.
    """
    path = Path(path).absolute()
    source = _Folder(path) if path.is_dir() else _Zip(path)
    key = [str(path), size, source.stamp()]
    return cached(key, path.name, lambda builder: _build(builder, source, path, size))


class _Folder:
    """Files below a folder, by relative name."""

    def __init__(self, path):
        self._path = path
        self.names = sorted(
            (Path(folder).relative_to(path) / name).as_posix()
            for folder, _, names in os.walk(path, followlinks=True)
            for name in names
        )

    def stamp(self):
        """Changes when a file does."""
        stamp = hashlib.sha256()
        for name in self.names:
            status = (self._path / name).stat()
            stamp.update(f"{name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
        return stamp.hexdigest()

    def open(self, name):
        return open(self._path / name, "rb")


class _Zip:
    """Members of a zip file, by name."""

    def __init__(self, path):
        self._path = path
        try:
            self._archive = zipfile.ZipFile(path)
        except (OSError, zipfile.BadZipFile) as error:
            raise ValueError(
                f"{path}: expected a folder, a zip file or a CIFAR-10 archive, got {error}"
            ) from None
        self.names = sorted(name for name in self._archive.namelist() if not name.endswith("/"))

    def stamp(self):
        """Changes when the file does."""
        status = self._path.stat()
        return [status.st_size, status.st_mtime_ns]

    def open(self, name):
        return self._archive.open(name)


def _build(builder, source, path, size):
    classes, parts = _arrange(source.names, path)
    name = parts["train"][0][0]
    with source.open(name) as file:
        channels, height, width = decode(file, f"{path}: {name}", size=size).shape
    for part, members in parts.items():
        labels = builder.array(f"{part}_labels", [len(members)], np.int64)
        labels[:] = [label for _, label in members]
    try:
        _decode_parts(builder, parts, (channels, height, width), source, path, size)
    except ColourFound:
        _decode_parts(builder, parts, (3, height, width), source, path, size)
    builder.classes(classes)


def _decode_parts(builder, parts, shape, source, path, size):
    for part, members in parts.items():
        images = builder.array(f"{part}_images", (len(members), *shape), np.uint8)
        _decode_all(images, members, source, path, size)


def _decode_all(images, members, source, path, size):
    channels, height, width = images.shape[1:]
    for index, (name, _) in enumerate(members):
        try:
            with source.open(name) as file:
                pixels = decode(file, f"{path}: {name}", channels, size)
        except (zipfile.BadZipFile, OSError, EOFError) as error:
            raise ValueError(f"{path}: {name}: expected an image, got a broken member ({error})") from None
        if pixels.shape[1:] != (height, width):
            raise ValueError(
                f"{path}: {name}: expected {height}x{width} pixels like the first image, "
                f"got {pixels.shape[1]}x{pixels.shape[2]}: give a size to scale all to"
            )
        images[index] = pixels


def _arrange(names, path):
    """Class names, and ``{"train" | "test": [(name, label)]}``, from the names of all files."""
    places = {
        name: PurePosixPath(name).parts
        for name in names
        if name.lower().endswith(SUFFIXES) and not _hidden(name)
    }
    if not places:
        raise ValueError(f"{path}: expected images ({', '.join(SUFFIXES)}) in class folders, got none")
    folders = sorted(parts[:-1] for parts in places.values())
    if folders[0] == folders[-1]:
        raise ValueError(
            f"{path}: expected at least two class folders, got images in {'/'.join(folders[0]) or 'none'}"
        )
    # Sorted, what the first and the last have in common all have.
    depth = next(
        (
            place
            for place, (one, other) in enumerate(zip(folders[0], folders[-1], strict=False))
            if one != other
        ),
        min(len(folders[0]), len(folders[-1])),
    )
    places = {name: parts[depth:] for name, parts in places.items()}
    tops = {parts[0] for parts in places.values() if len(parts) > 1}
    test = next((part for part in _TEST_PARTS if part in tops), None)
    if "train" in tops and test is not None:
        parts = {
            part: [(name, parts[1:]) for name, parts in places.items() if parts[0] == top]
            for part, top in (("train", "train"), ("test", test))
        }
    elif "train" in tops:
        raise ValueError(f"{path}: expected test, val or valid beside train, got {', '.join(sorted(tops))}")
    else:
        parts = {"train": list(places.items())}
    for members in parts.values():
        for name, place in members:
            if len(place) < 2:
                raise ValueError(
                    f"{path}: {name}: expected images in folders named by their class, got one beside them"
                )
    classes = sorted({place[0] for _, place in parts["train"]})
    if len(classes) < 2:
        raise ValueError(f"{path}: expected at least two class folders, got {', '.join(classes)}")
    label = {name: index for index, name in enumerate(classes)}
    for name, place in parts.get("test", ()):
        if place[0] not in label:
            raise ValueError(f"{path}: {name}: expected a class that is in train too, got {place[0]}")
    parts = {part: [(name, label[place[0]]) for name, place in members] for part, members in parts.items()}
    return classes, parts if "test" in parts else _split(parts["train"], classes, path)


def _hidden(name):
    return any(part.startswith((".", "__MACOSX")) for part in PurePosixPath(name).parts)


def _split(members, classes, path):
    random = np.random.default_rng(_SEED)
    parts = {"train": [], "test": []}
    for label, name in enumerate(classes):
        mine = [member for member in members if member[1] == label]
        if len(mine) < 2:
            raise ValueError(f"{path}: class {name}: expected at least two images to split, got {len(mine)}")
        chosen = set(random.permutation(len(mine))[: max(1, round(len(mine) * _TEST_SHARE))].tolist())
        for index, member in enumerate(mine):
            parts["test" if index in chosen else "train"].append(member)
    return parts
