"""One layer as a dense or unstructured-sparse accelerator sees it."""

from dataclasses import dataclass

import numpy as np

__all__ = ["DenseLayer"]


@dataclass(frozen=True, kw_only=True, eq=False)
class DenseLayer:
    """A convolution of real tensors. A fully connected layer is a 1x1 convolution on a 1x1 map."""

    #: Integers [C, H, W].
    activations: np.ndarray
    #: Integers [K, C / groups, R, S].
    weights: np.ndarray
    stride: int = 1
    #: Zeros (top, left, bottom, right).
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    #: Runs of channels that do not meet; as many as channels in a depthwise layer.
    groups: int = 1

    def __post_init__(self):
        outputs, channels = self.weights.shape[:2]
        if channels * self.groups != len(self.activations) or outputs % self.groups:
            raise ValueError(
                f"expected weights of {self.groups} groups for {len(self.activations)} channels, got {self.weights.shape}"
            )

    @property
    def kernel(self):
        """Rows and columns of the kernel."""
        return self.weights.shape[2:]

    @property
    def padded(self):
        """Activations with the zeros around them."""
        top, left, bottom, right = self.padding
        return np.pad(self.activations, ((0, 0), (top, bottom), (left, right)))

    @property
    def output_size(self):
        """Rows and columns of the output."""
        _, height, width = self.padded.shape
        return (
            (height - self.kernel[0]) // self.stride + 1,
            (width - self.kernel[1]) // self.stride + 1,
        )

    @property
    def dense_macs(self):
        """Multiply-adds when every weight meets an activation at every output, zero or padding or not."""
        rows, columns = self.output_size
        return self.weights.size * rows * columns

    @property
    def effectual_macs(self):
        """Multiply-adds of which neither factor is zero: the least that any accelerator has to do."""
        rows, columns = self.output_size
        nonzero = self.padded != 0
        filters = (self.weights != 0).reshape(self.groups, -1, *self.weights.shape[1:]).sum(axis=1)
        filters = filters.reshape(-1, *self.kernel)
        total = 0
        for row, column in np.ndindex(*self.kernel):
            met = nonzero[:, row :: self.stride, column :: self.stride][:, :rows, :columns]
            total += int(met.sum(axis=(1, 2)) @ filters[:, row, column])
        return total
