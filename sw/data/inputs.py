"""What a user wants to have classified: pictures, folders of them, and arrays in ``.npy`` files."""

from pathlib import Path

import numpy as np

from .pictures import SUFFIXES, ColourFound, decode

__all__ = ["load_inputs"]


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
            pictures = sorted(file for file in path.rglob("*") if _is_picture(file.relative_to(path)))
            if not pictures:
                raise ValueError(f"{path}: expected images ({', '.join(SUFFIXES)}), got none")
            found += [(str(file), _picture(file, shape)) for file in pictures]
        elif path.suffix.lower() == ".npy":
            found += _arrays(path)
        else:
            found.append((str(path), _picture(path, shape)))
    return found


def _is_picture(name):
    return name.suffix.lower() in SUFFIXES and not any(part.startswith(".") for part in name.parts)


def _picture(path, shape):
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
