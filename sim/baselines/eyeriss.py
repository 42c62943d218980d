"""Eyeriss: a dense array with the row-stationary dataflow.

Source: Chen, Emer, Sze, "Eyeriss: A Spatial Architecture for Energy-Efficient Dataflow for Convolutional Neural Networks",
ISCA 2016; the array of 12 x 14 and its mappings after Chen et al., JSSC 2017.

The model
- An array of rows x columns of processing elements, one multiplier each.
- A *set* convolves one input channel with one kernel plane for ``e`` rows of the output: R x e elements, each of which slides
  one row of the kernel along one row of the map: S multiply-adds for each of the F outputs of the row, one a cycle.
- Sets stand side by side and one above the other as far as whole ones fit. Each takes F x S cycles for each of its
  (output channel, input channel, strip of ``e`` output rows), of which there are K x C / groups x ceil(E / e).
- A kernel of more rows than the array is folded.
- Zeros are gated for energy; they take their cycle.

In its favour
- The array has the shape, of any up to the number of multipliers, that is best for the network, and ``e`` is the best one for each layer.
- Sets share out channels and strips freely: whatever a set still could do, it does.
- Scratch pads and global buffer are as large and fast as needed; filling and draining the pipelines, passing partial sums on,
  configuring a layer and off-chip memory take no time.
"""

__all__ = ["array_cycles", "cycles", "shapes"]


def shapes(multipliers):
    """Rows and columns of the array."""
    return [(height, multipliers // height) for height in range(1, multipliers + 1)]


def cycles(layer, shape):
    """Cycles of one layer on an array of ``shape``."""
    outputs, channels, *kernel = layer.weights.shape
    return array_cycles(outputs * channels, *kernel, *layer.output_size, *shape)


def array_cycles(planes, kernel_height, kernel_width, rows, columns, array_height, array_width):
    """Cycles on one array: ``planes`` kernel planes, an output of ``rows`` x ``columns``."""
    folds = -(-kernel_height // array_height)
    stacked = max(1, array_height // kernel_height)
    return min(
        -(-planes * -(-rows // strip) * folds // (stacked * (array_width // strip)))
        for strip in range(1, min(rows, array_width) + 1)
    ) * (columns * kernel_width)
