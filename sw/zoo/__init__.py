"""Networks by name, as plain PyTorch modules that users would bring themselves."""

from .registry import build, load_weights, names, pixels_for, read_state

__all__ = ["build", "load_weights", "names", "pixels_for", "read_state"]
