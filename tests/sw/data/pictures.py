"""Small pictures in class folders, and the same in a zip file."""

import zipfile
from io import BytesIO

import numpy as np
from PIL import Image


def pixels(seed, *, channels=3, height=6, width=5):
    """Random uint8 [H, W] or [H, W, 3]."""
    shape = (height, width) if channels == 1 else (height, width, channels)
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def encoded(array, form="png"):
    """Bytes of an image file."""
    buffer = BytesIO()
    Image.fromarray(array).save(buffer, form)
    return buffer.getvalue()


def split_files(*, channels=3, test="test"):
    """``{name: array}``: three training images and two for testing, of cats and dogs."""
    names = [
        "train/cat/a.png",
        "train/cat/b.png",
        "train/dog/a.png",
        f"{test}/cat/c.png",
        f"{test}/dog/c.png",
    ]
    return {name: pixels(seed, channels=channels) for seed, name in enumerate(names)}


def write_folder(path, files):
    """Writes ``{name: array or bytes}`` below ``path``."""
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content if isinstance(content, bytes) else encoded(content))
    return path


def write_zip(path, files):
    """The same into a zip file."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content if isinstance(content, bytes) else encoded(content))
    return path
