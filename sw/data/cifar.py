"""CIFAR-10 (Krizhevsky, 2009) from its official archives, ``python`` or ``binary`` version, packed or unpacked."""

import codecs
import io
import os
import pickle
import tarfile
from pathlib import Path, PurePosixPath

import numpy as np

from .dataset import Dataset

__all__ = ["find_cifar10", "is_cifar10", "load_cifar10"]

_CLASSES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
_SHAPE = (3, 32, 32)
_PIXELS = 3 * 32 * 32
#: What is looked for, as packed or as unpacked.
_PLACES = (
    "cifar-10-batches-py",
    "cifar-10-batches-bin",
    "cifar-10-python.tar.gz",
    "cifar-10-binary.tar.gz",
)
_TRAIN = tuple(f"data_batch_{number}" for number in range(1, 6))
_TEST = "test_batch"


def find_cifar10():
    """Path of the archive, or of what it unpacks to, in ``$FARTHING_DATA`` or ``data``.

    Raises
    ------
    ValueError
        If it is in neither.
    """
    folders = [Path(folder) for folder in (os.environ.get("FARTHING_DATA"), "data") if folder]
    for folder in folders:
        for name in _PLACES:
            if (folder / name).exists():
                return folder / name
    raise ValueError(
        f"expected {_PLACES[2]} or {_PLACES[3]}, packed or unpacked, in {' or '.join(map(str, folders))}, "
        "got neither: get it from its authors' page, or set FARTHING_DATA to its folder"
    )


def is_cifar10(path):
    """Whether ``path`` looks like the archive or the folder that it unpacks to."""
    if path.is_dir():
        return any((path / f"{_TRAIN[0]}{suffix}").is_file() for suffix in ("", ".bin"))
    return path.name.endswith((".tar.gz", ".tgz", ".tar"))


def load_cifar10(path):
    """50,000 training and 10,000 test images of 3 x 32 x 32 pixels in ten classes, in the archive's order.

    Nothing in the archive is executed: of the pickled ``python`` version only arrays of bytes and plain containers are read.

    Raises
    ------
    ValueError
        Naming the file, if it is broken or holds something else.
    """
    batches = {}
    for name, content in _contents(path):
        stem = name.removesuffix(".bin")
        if stem in (*_TRAIN, _TEST):
            read = _binary if name.endswith(".bin") else _pickled
            batches[stem] = read(content, f"{path}: {name}")
    missing = [name for name in (*_TRAIN, _TEST) if name not in batches]
    if missing:
        raise ValueError(f"{path}: expected the six batches of CIFAR-10, got none named {', '.join(missing)}")
    images, labels = zip(*(batches[name] for name in _TRAIN), strict=True)
    return Dataset(
        train_images=np.concatenate(images),
        train_labels=np.concatenate(labels),
        test_images=batches[_TEST][0],
        test_labels=batches[_TEST][1],
        classes=_CLASSES,
        name="cifar10",
    )


def _contents(path):
    """Name and bytes of every file in a folder or archive."""
    if path.is_dir():
        for file in sorted(path.iterdir()):
            if file.is_file():
                yield file.name, file.read_bytes()
        return
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                if member.isfile():
                    yield PurePosixPath(member.name).name, archive.extractfile(member).read()
    except (OSError, EOFError, tarfile.TarError) as error:
        raise ValueError(f"{path}: expected an archive of CIFAR-10, got a broken file ({error})") from None


class _ArraysOnly(pickle.Unpickler):
    """Makes arrays of bytes and plain containers, and refuses to look up anything else."""

    def find_class(self, module, name):
        if (module, name) in _ALLOWED:
            return _ALLOWED[module, name]
        raise pickle.UnpicklingError(f"{module}.{name} in it, which no batch needs")


def _bytes_type(kind, *_):
    if kind not in (b"u1", "u1"):
        raise pickle.UnpicklingError(f"expected an array of u1, got {kind}")
    return np.dtype(np.uint8)


def _from_buffer(content, kind, shape, order):
    return np.frombuffer(content, kind).reshape(shape, order=order)


_rebuild = np.empty(0, np.uint8).__reduce__()[0]
#: What a pickled array of bytes refers to, by the names of numpy 1 and 2, and how Python 3 writes bytes for Python 2.
_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): _rebuild,
    ("numpy._core.multiarray", "_reconstruct"): _rebuild,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): _bytes_type,
    ("numpy._core.numeric", "_frombuffer"): _from_buffer,
    ("_codecs", "encode"): codecs.encode,
}


def _binary(content, name):
    """Records of a label and 3,072 pixels."""
    if not content or len(content) % (1 + _PIXELS):
        raise ValueError(f"{name}: expected records of {1 + _PIXELS} bytes, got {len(content)} bytes")
    records = np.frombuffer(content, np.uint8).reshape(-1, 1 + _PIXELS)
    return _checked(records[:, 1:], records[:, 0], name)


def _pickled(content, name):
    """A dictionary with ``data``, uint8 [n, 3072], and ``labels``, a list."""
    try:
        table = _ArraysOnly(io.BytesIO(content), encoding="bytes").load()
        data, labels = table[b"data"], table[b"labels"]
    # A broken pickle may raise anything.
    except Exception as error:
        raise ValueError(
            f"{name}: expected a batch of CIFAR-10, got {type(error).__name__}: {error}"
        ) from None
    if not isinstance(data, np.ndarray) or data.ndim != 2 or data.shape[1] != _PIXELS:
        raise ValueError(f"{name}: expected data of uint8 [n, {_PIXELS}], got {np.shape(data)}")
    return _checked(data, np.array(labels, np.int64), name)


def _checked(pixels, labels, name):
    if len(labels) != len(pixels) or labels.min() < 0 or labels.max() >= len(_CLASSES):
        raise ValueError(f"{name}: expected {len(pixels)} labels from 0 to 9, got {len(labels)} others")
    return pixels.reshape(-1, *_SHAPE), labels.astype(np.int64)
