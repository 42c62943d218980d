"""Trained networks from PyTorch, ONNX and the zoo, as networks of this package's layers."""

from ..pixels import pixels_of
from .from_onnx import import_onnx
from .from_torch import import_program, import_torch
from .loading import load_model

__all__ = ["import_onnx", "import_program", "import_torch", "load_model", "pixels_of"]
