"""Random changes of training images that leave their class as it is."""

import math

import torch
from torch.nn import functional

__all__ = ["affine", "augment", "crop_flip"]


def augment(kind, images, random):
    """Images changed at random.

    Parameters
    ----------
    kind : {"crop-flip", "affine", None}
    images : Tensor
        uint8 [n, C, H, W].
    random : torch.Generator
        On the CPU, so that every device sees the same numbers.

    Returns
    -------
    Tensor
        uint8 [n, C, H, W].
    """
    if kind == "crop-flip":
        return crop_flip(images, random)
    if kind == "affine":
        return affine(images, random)
    return images


def crop_flip(images, random, *, pad=4):
    """Each image moved by up to ``pad`` pixels, black at the border, and half of them mirrored.

    As in "Deeply-supervised nets" (Lee et al., 2015), and since then in nearly all work on CIFAR.
    """
    count, _, height, width = images.shape
    places = torch.randint(2 * pad + 1, (2, count), generator=random)
    mirrored = torch.rand(count, generator=random) < 0.5
    top, left = places.to(images.device, non_blocking=True)
    mirrored = mirrored.to(images.device, non_blocking=True)
    windows = functional.pad(images, (pad, pad, pad, pad)).unfold(2, height, 1).unfold(3, width, 1)
    moved = windows[torch.arange(count, device=images.device), :, top, left]
    return torch.where(mirrored[:, None, None, None], moved.flip(3), moved)


def affine(images, random, *, degrees=12.0, zoom=0.1, shear=0.1, shift=2.0):
    """Each image turned, zoomed, slanted and moved (by up to ``shift`` pixels), black where nothing was."""
    count, _, height, width = images.shape
    draws = torch.rand(6, count, generator=random).to(images.device, non_blocking=True) * 2 - 1
    turn, wide, high, slant, right, down = draws.unbind()
    turn = turn * math.radians(degrees)
    wide, high = 1 + wide * zoom, 1 + high * zoom
    slant = slant * shear
    matrix = torch.stack(
        (
            torch.stack((wide * turn.cos(), -high * turn.sin() + slant, right * 2 * shift / width), 1),
            torch.stack((wide * turn.sin(), high * turn.cos(), down * 2 * shift / height), 1),
        ),
        1,
    )
    grid = functional.affine_grid(matrix, images.shape, align_corners=False)
    moved = functional.grid_sample(images.float(), grid, align_corners=False)
    return moved.round_().clamp_(0, 255).to(torch.uint8)
