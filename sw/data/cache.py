"""Decoded images kept as ``.npy`` files, so that a data set is decoded once."""

import contextlib
import hashlib
import json
import os
import shutil
import tempfile

import numpy as np
import platformdirs

from .dataset import Dataset

__all__ = ["Builder", "cached"]

#: Bytes of pixels above which a data set is mapped from its file instead of read into memory.
_IN_MEMORY = 4 << 30
#: Part of every key: to be raised when the same files would give other arrays.
_VERSION = 1
_ARRAYS = ("train_images", "train_labels", "test_images", "test_labels")


class Builder:
    """Where a data set is written to, array by array, without ever being in memory whole."""

    def __init__(self, folder):
        self._folder = folder

    def array(self, name, shape, dtype):
        """New array in a file, to be filled in place; a former one of that name is forgotten."""
        return np.lib.format.open_memmap(self._folder / f"{name}.npy", "w+", dtype, tuple(shape))

    def classes(self, names):
        """Keeps the names of the labels."""
        (self._folder / "classes.json").write_text(json.dumps(list(names)))


def cached(key, name, build):
    """The data set that ``build`` made for this ``key``, now or earlier.

    Files are in ``platformdirs.user_cache_path("farthing")`` (``$XDG_CACHE_HOME/farthing`` on Linux), in a folder that
    appears whole or not at all, even if several processes make it at the same time.

    Parameters
    ----------
    key : object
        All that the arrays depend on, expressible as JSON.
    name : str
        The data set's.
    build : callable
        ``build(builder)``, with a ``Builder``, makes the four arrays of a ``Dataset`` and its classes.

    Raises
    ------
    ValueError
        If the folder cannot be written, and what ``build`` raises.
    """
    root = platformdirs.user_cache_path("farthing") / "datasets"
    digest = hashlib.sha256(json.dumps([_VERSION, key]).encode()).hexdigest()[:24]
    folder = root / digest
    with contextlib.suppress(OSError, ValueError, EOFError):
        return _read(folder, name)
    # Something that cannot be read is there, if anything is: made by a machine that stopped at the wrong moment.
    shutil.rmtree(folder, ignore_errors=True)
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=root, prefix=f"{digest}.", ignore_cleanup_errors=True) as part:
            made = root / part / "made"
            made.mkdir()
            build(Builder(made))
            # If another process was first, what it made is the same.
            with contextlib.suppress(OSError):
                os.rename(made, folder)
        return _read(folder, name)
    except OSError as error:
        raise ValueError(
            f"{name}: expected to keep its pixels in {root}, got {error.strerror or error}: "
            "make room, or set XDG_CACHE_HOME to another folder"
        ) from None


def _read(folder, name):
    paths = {array: folder / f"{array}.npy" for array in _ARRAYS}
    large = sum(path.stat().st_size for path in paths.values()) > _IN_MEMORY
    arrays = {
        array: np.load(path, mmap_mode="r" if large and array.endswith("images") else None)
        for array, path in paths.items()
    }
    classes = tuple(json.loads((folder / "classes.json").read_text()))
    return Dataset(**arrays, classes=classes, name=name)
