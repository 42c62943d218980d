"""Cycles that published accelerators would take for one layer, as models of their schedules.

Every model is a function ``cycles(layer, multipliers)`` of a ``DenseLayer``: real tensors with their zeros, and a number of
multipliers. They are generous: what a model leaves out, its docstring says, and it is always in favour of the accelerator that
is modelled. For all of them, as for ours, weights and activations are on the chip before the layer starts. For none of them
anything is counted that ours does not count too; pooling and the reading of descriptions, which ours does count, are free.
"""

from .layer import DenseLayer

__all__ = ["DenseLayer"]
