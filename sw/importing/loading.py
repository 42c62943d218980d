"""One function for every kind of source."""

from pathlib import Path

from torch import nn

from ..compression.model_file import MODEL_SUFFIX, read_model
from ..zoo import build, load_weights, names, pixels_for
from .from_onnx import import_onnx
from .from_torch import import_program, import_torch

__all__ = ["load_model"]


def load_model(source, *, input_shape=None, pixels=None, weights=None):
    """A trained network from whatever holds it.

    Parameters
    ----------
    source : nn.Module, str or Path
        A PyTorch module; the name of a file: ONNX (.onnx), a program of ``torch.export.save`` (.pt2) or what ``farthing compress``
        wrote in real numbers (.model); or a name of ``sw.zoo.names()``.
    input_shape : tuple of int, or None
        C, H and W of an image, where the source leaves them open.
    pixels : Pixels or None
        What the network was trained to see of an image (``pixels_of``). ``None`` is what the zoo says of its own networks,
        ``pixel / 255`` of PyTorch's, and the pixel as it is of ONNX files; a model file says it.
    weights : str, Path or None
        A state dict to put into a module first, as ``torch.save`` writes it.

    Returns
    -------
    Network
        In evaluation mode; ``network.notes`` says what was left out or assumed.

    Raises
    ------
    ValueError
        In one line, if an operation has no layer, a file is none of these, or a weight is no finite number.
    OSError
        If a file cannot be read.
    """
    if isinstance(source, str) and source in names():
        name, source = source, build(source)
        pixels = pixels or pixels_for(name)
    if isinstance(source, nn.Module):
        if weights is not None:
            load_weights(source, weights)
        return import_torch(source, input_shape, pixels)
    path = Path(source)
    if weights is not None:
        raise ValueError(f"expected weights for a module only, got some for {path}; leave them out")
    if path.suffix == ".onnx":
        return import_onnx(path, pixels, input_shape=input_shape)
    if path.suffix == ".pt2":
        return import_program(path, pixels)
    if path.suffix == MODEL_SUFFIX:
        if pixels is not None:
            raise ValueError(
                f"expected no mean and std for {path}, which has its own, got some; leave them out"
            )
        network, _ = read_model(path)
        network.notes = []
        return network
    raise ValueError(
        f"expected a module, a file .onnx, .pt2 or .model, or one of {', '.join(names())}, got {str(source)!r}; a state dict (.pt, "
        ".th) goes to weights= beside its module"
    )
