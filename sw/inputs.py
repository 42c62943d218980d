"""What a user has, pictures and arrays, as the integers that a compiled network reads.

Reading pictures takes packages of the extra ``compress``, which are imported when there is one.
"""

from pathlib import Path

import numpy as np

from .network import INPUT

__all__ = ["input_integers", "load_inputs"]


def input_integers(program, images):
    """Int64 [n, C, H, W] that the device reads of ``images``, one or several.

    Parameters
    ----------
    program : Program
    images : array [C, H, W] or [n, C, H, W]
        Bytes (uint8) are pixels, from which the network's integers are made where it wants other integers. Integers of any
        other type are those that the network reads.

    Raises
    ------
    ValueError
        If the shape, the type or a value is not one that the network reads.
    """
    images, placement = np.asarray(images), program.tensors[INPUT]
    if images.ndim == 3:
        images = images[None]
    if images.ndim != 4 or images.shape[1:] != placement.shape or not np.issubdtype(images.dtype, np.integer):
        shape = ", ".join(map(str, placement.shape))
        raise ValueError(
            f"expected images of integers, [{shape}] or [n, {shape}], as {program.name} reads them, got "
            f"{images.dtype} {list(images.shape)}: scale or convert them"
        )
    if images.dtype == np.uint8 and program.pixels is not None:
        return program.pixels.integers(images)
    low, high = (-128, 127) if placement.signed else (0, 255)
    if images.size and not low <= images.min() <= images.max() <= high:
        raise ValueError(
            f"expected values from {low} to {high}, as {program.name} reads them, got {images.min()} to {images.max()}"
        )
    return images.astype(np.int64)


def load_inputs(paths, shape):
    """``[(name, array)]``: an array [C, H, W] for each picture or array in ``paths``, in the order given.

    Parameters
    ----------
    paths : paths
        Pictures; folders, of which every picture below is taken, by name; and ``.npy`` files of one array [C, H, W] or of
        several [n, C, H, W], which are taken as they are.
    shape : (int, int, int)
        Of the network's input: pictures are scaled until they cover it, and cropped around the centre.

    Raises
    ------
    ValueError
        Naming the file that is no picture or array, or the folder without a picture.
    """
    found = []
    for path in map(Path, paths):
        if path.is_dir():
            found += [(str(file), _picture(file, shape)) for file in _pictures_below(path)]
        elif path.suffix.lower() == ".npy":
            found += _arrays(path)
        else:
            found.append((str(path), _picture(path, shape)))
    return found


def _pictures_below(folder):
    from .data.pictures import SUFFIXES

    def fits(name):
        return name.suffix.lower() in SUFFIXES and not any(part.startswith(".") for part in name.parts)

    pictures = sorted(file for file in folder.rglob("*") if fits(file.relative_to(folder)))
    if not pictures:
        raise ValueError(f"{folder}: expected images ({', '.join(SUFFIXES)}), got none")
    return pictures


def _picture(path, shape):
    from .data.pictures import ColourFound, decode

    channels, *size = shape
    if channels not in (1, 3):
        raise ValueError(
            f"{path}: expected an .npy file, as the network reads {channels} channels, got a picture of at most 3"
        )
    with open(path, "rb") as file:
        try:
            return decode(file, str(path), channels, tuple(size))
        except ColourFound:
            raise ValueError(f"{path}: expected a grey image, got one with colours: convert it") from None


def _arrays(path):
    try:
        array = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(f"{path}: expected an array, got something else ({error})") from None
    if array.ndim != 4:
        return [(str(path), array)]
    return [(f"{path}[{number}]", part) for number, part in enumerate(array)]
