"""Cycles that published accelerators would take for one layer, as models of their schedules.

Every model is a module with ``shapes(multipliers)``, the ways to build the accelerator with that many multipliers, and
``cycles(layer, shape)`` of a ``DenseLayer``: real tensors with their zeros. ``best_shape`` chooses the one shape that suits a whole network
best, as a chip has one.

The models are generous: what one leaves out, its docstring says, and it is always in favour of the accelerator that is modelled. For all of
them, as for ours, weights and activations are on the chip before the layer starts. For none of them anything is counted that ours does not
count too; pooling and the reading of descriptions, which ours does count, are free.
"""

from . import dense_ideal, eyeriss, scnn, sparten
from .layer import DenseLayer

__all__ = ["BASELINES", "DenseLayer", "best_shape"]

BASELINES = {"dense_ideal": dense_ideal, "eyeriss": eyeriss, "scnn": scnn, "sparten": sparten}


def best_shape(model, layers, multipliers):
    """The shape of least cycles for all layers together, and the cycles of each layer with it."""
    shapes = model.shapes(multipliers)
    table = [[model.cycles(layer, shape) for shape in shapes] for layer in layers]
    best = min(range(len(shapes)), key=lambda number: sum(row[number] for row in table))
    return shapes[best], [row[best] for row in table]
