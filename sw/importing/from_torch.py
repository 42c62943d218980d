"""PyTorch modules and saved programs as primitive operations, through ``torch.export``."""

import warnings
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn
from torch.utils._pytree import tree_leaves

from ..pixels import pixels_of
from .fusing import fuse, note_of_softmax, without_softmax
from .torch_program import BATCH, first_line, read_program

__all__ = ["import_program", "import_torch"]

#: Largest difference of an imported network's output from its source's, as a part of the largest output.
TOLERANCE = 1e-4


def import_torch(module, input_shape=None, pixels=None):
    """The trained network that a PyTorch module is in evaluation mode.

    Parameters
    ----------
    module : nn.Module
        Stays as it is.
    input_shape : tuple of int, or None
        C, H and W of an image; ``None`` takes those of ``pixels``.
    pixels : Pixels or None
        What the module sees of an image; ``None`` is ``pixel / 255``.

    Returns
    -------
    Network
        Its output was compared with the module's. ``network.notes`` says what was left out or assumed.

    Raises
    ------
    ValueError
        Naming the node, if a layer does not exist for an operation, or if the module cannot be traced.
    """
    if input_shape is None and pixels is None:
        raise ValueError(
            "expected the shape of an image, got none; give input_shape=(channels, height, width)"
        )
    input_shape = tuple(pixels.shape if input_shape is None else input_shape)
    parallel = (nn.DataParallel, nn.parallel.DistributedDataParallel)
    module = module.module if isinstance(module, parallel) else module
    with _evaluating(module):
        like = next(module.parameters(), torch.zeros(0))
        example = torch.zeros(BATCH, *input_shape, dtype=like.dtype, device=like.device)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                program = torch.export.export(module, (example,))
        except Exception as error:
            raise ValueError(
                f"expected a module that torch.export can trace with images of {input_shape}, got "
                f"{type(error).__name__}: {first_line(error)}; make its forward free of decisions on values"
            ) from error
        return _import(program, pixels)


def import_program(path, pixels=None):
    """The trained network in a file of ``torch.export.save``.

    Parameters
    ----------
    path : str or Path
        As ``torch.export.save`` writes it (.pt2), of a module in evaluation mode.
    pixels : Pixels or None
        As for ``import_torch``.

    Raises
    ------
    ValueError
        As ``import_torch``, and if the file holds no program.
    OSError
        If it cannot be read.
    """
    try:
        program = torch.export.load(Path(path))
    except OSError:
        raise
    except Exception as error:
        raise ValueError(
            f"{path}: expected a program of torch.export.save, got {first_line(error)}; save it anew"
        ) from error
    return _import(program, pixels)


@contextmanager
def _evaluating(module):
    """The module in evaluation mode, and afterwards as it was."""
    training = [part for part in module.modules() if part.training]
    module.eval()
    try:
        yield
    finally:
        for part in training:
            part.training = True


def _import(program, pixels):
    graph, image = read_program(program)
    graph, softmax = without_softmax(graph)
    notes = []
    if pixels is None:
        pixels = pixels_of(*graph.shape)
        notes.append("pixels taken as pixel / 255: give mean and std if the network was trained with others")
    network = fuse(graph, pixels)
    if softmax is not None:
        notes.append(note_of_softmax(softmax))
    network.notes = [*notes, _compare(program, image, network, pixels, softmax)]
    return network


@torch.no_grad()
def _compare(program, image, network, pixels, softmax):
    """Runs both on random images; what they differ by, in words."""
    count = image.shape[0] if isinstance(image.shape[0], int) else BATCH
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (count, *pixels.shape), generator=generator).float()
    offset, gain = (torch.tensor(values)[:, None, None] for values in (pixels.offset, pixels.gain))
    seen = ((images - offset) * gain).to(image.device, image.dtype)
    expected = program.module()(seen)
    expected = tree_leaves(expected)[0].float().cpu()
    result = network(images).reshape(expected.shape)
    if softmax is not None:
        result = torch.log_softmax(result, 1) if "log" in softmax.source else torch.softmax(result, 1)
    part = float((result - expected).abs().max()) / max(float(expected.abs().max()), 1e-30)
    if not part < TOLERANCE:
        raise ValueError(
            f"expected an imported network that computes what its source does, got a difference of {part:.1e} of the "
            "largest output; report it with the network"
        )
    return f"largest difference from the source on {count} random images: {part:.1e} of the largest output"
