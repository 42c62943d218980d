"""Archives like CIFAR-10's official ones, with few images in them."""

import io
import struct
import tarfile

import numpy as np

NAMES = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch")


def batch(seed, count=4):
    """Random pixels uint8 [n, 3072] and labels."""
    random = np.random.default_rng(seed)
    return random.integers(0, 256, (count, 3072), np.uint8), random.integers(0, 10, count).tolist()


def binary(pixels, labels):
    """A batch of the binary version."""
    return b"".join(bytes([label]) + row.tobytes() for row, label in zip(pixels, labels, strict=True))


def pickled(pixels, labels):
    """A batch of the python version, as Python 2 and numpy 1 wrote it: opcode by opcode."""
    empty = b"".join(
        (
            _look_up(b"numpy.core.multiarray", b"_reconstruct"),
            b"(" + _look_up(b"numpy", b"ndarray") + b"(" + _small(0) + b"t" + _text(b"b") + b"tR",
        )
    )
    kind = _look_up(b"numpy", b"dtype") + b"(" + _text(b"u1") + _small(0) + _small(1) + b"tR"
    kind += b"(" + _small(3) + _text(b"|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xff" + _small(0) + b"tb"
    shape = b"(M" + struct.pack("<H", len(pixels)) + b"M" + struct.pack("<H", pixels.shape[1]) + b"t"
    # What numpy keeps of an array: version, shape, type, order, content.
    array = empty + b"(" + _small(1) + shape + kind + b"I00\n" + _long_text(pixels.tobytes()) + b"tb"
    marks = b"](" + b"".join(_small(label) for label in labels) + b"e"
    members = _text(b"batch_label") + _text(b"a batch") + _text(b"labels") + marks + _text(b"data") + array
    return b"\x80\x02}(" + members + b"u."


def _text(word):
    return b"U" + bytes([len(word)]) + word


def _long_text(content):
    return b"T" + struct.pack("<i", len(content)) + content


def _look_up(module, name):
    return b"c" + module + b"\n" + name + b"\n"


def _small(number):
    return b"K" + bytes([number])


def contents(encode, suffix):
    """``{file name: bytes}`` of six batches and what else is beside them."""
    files = {f"{name}{suffix}": encode(*batch(seed)) for seed, name in enumerate(NAMES)}
    return files | {"readme.html": b"<p>", "batches.meta": b"anything"}


def write_archive(path, files, folder="cifar-10-batches"):
    """The files in a compressed tar archive."""
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"{folder}/{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path
