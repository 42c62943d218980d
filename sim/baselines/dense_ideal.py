"""The dense ideal: every multiplier is busy in every cycle.

Source: definition of this project (`docs/performance.md`). No real dense accelerator is faster, as it multiplies zeros and
padding like everything else. Left out in its favour: everything but the multiplications.
"""

__all__ = ["cycles", "shapes"]


def shapes(multipliers):
    """Only their number counts."""
    return [(multipliers,)]


def cycles(layer, shape):
    """Multiply-adds of the layer over the multipliers; not rounded."""
    return layer.dense_macs / shape[0]
