"""What a user has, as the integers that a compiled network reads."""

import numpy as np

from .network import INPUT

__all__ = ["input_integers"]


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
