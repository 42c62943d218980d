"""The winning network of the CIFAR-100 task: its layers, from the checkpoint that its authors published.

A DenseNet with bottlenecks (Huang et al., CVPR 2017) of integer weights. Between them stand Scale layers, one number or two a
channel, into which batch norm and the scales of quantisation are fused.
Source: P. Wang et al., "MicroNet Challenge", branch ``cifar100``.
"""

import re
from dataclasses import dataclass

import numpy as np

__all__ = ["ACTIVATION_BITS", "Average", "Rectifier", "Scale", "Weighted", "entry_layers"]

#: Of every activation but the image and what the classifier reads, which are real numbers of ``REAL_BITS``. The checkpoint
#: does not say it.
ACTIVATION_BITS = 4
REAL_BITS = 32
#: Rows, and columns, of an image.
_SIDE = 32


@dataclass(frozen=True, kw_only=True, eq=False)
class Weighted:
    """A convolution, or the classifier."""

    name: str
    #: int64 [K, ...].
    weights: np.ndarray
    weight_bits: int
    input_bits: int
    #: Positions of the output.
    places: int

    @property
    def terms(self):
        """Weights that are not zero, of each output channel, int64 [K]."""
        return np.count_nonzero(self.weights.reshape(len(self.weights), -1), axis=1)


@dataclass(frozen=True, kw_only=True)
class Scale:
    """``scale * x + bias`` for each channel."""

    name: str
    channels: int
    places: int
    #: Whether any bias is not zero.
    bias: bool


@dataclass(frozen=True, kw_only=True)
class Average:
    """Mean over windows of ``side`` x ``side``."""

    name: str
    channels: int
    #: Positions of the output.
    places: int
    side: int


@dataclass(frozen=True, kw_only=True)
class Rectifier:
    """ReLU of real numbers; elsewhere rounding to integers without a sign is the ReLU."""

    name: str
    channels: int
    places: int


def entry_layers(state):
    """Layers in the order they run, of a state dict of arrays by name.

    Raises
    ------
    ValueError
        Naming the tensor, if it is not such a network.
    """
    names = {name.rpartition(".")[0] for name in state}
    for name in ("conv1", "scale1", "scale2", "fc", "scale3"):
        if name not in names:
            raise ValueError(
                f"expected a checkpoint of a fused DenseNet with {name}.weight, got none; score takes that of the MicroNet "
                "winner, or a network file of farthing compress"
            )
    reader = _Reader(state)
    reader.weighted("conv1", REAL_BITS)
    reader.scale("scale1")
    for block in range(1, 1 + len({name.split(".")[0] for name in names if name.startswith("dense")})):
        for index in range(_count(names, rf"dense{block}\.(\d+)\.conv1")):
            for part in (1, 2):
                reader.scale(f"dense{block}.{index}.scale{part}")
                reader.weighted(f"dense{block}.{index}.conv{part}", ACTIVATION_BITS)
            reader.scale(f"dense{block}.{index}.scale3")
        if f"trans{block}.conv1" in names:
            reader.scale(f"trans{block}.scale1")
            channels = reader.weighted(f"trans{block}.conv1", ACTIVATION_BITS)
            reader.average(f"trans{block}.average", channels, 2)
            reader.scale(f"trans{block}.scale2")
    channels = reader.scale("scale2")
    reader.layers.append(Rectifier(name="relu", channels=channels, places=reader.side**2))
    reader.average("average", channels, reader.side)
    reader.weighted("fc", REAL_BITS)
    reader.scale("scale3")
    return tuple(reader.layers)


def _count(names, pattern):
    return sum(re.fullmatch(pattern, name) is not None for name in names)


class _Reader:
    """Takes the layers from a state dict, one after the other."""

    def __init__(self, state):
        self._state = state
        self.layers, self.side = [], _SIDE
        #: All convolutions have weights of one width.
        self._bits = max(
            _width(name, array)
            for name, array in state.items()
            if name.endswith(".weight") and array.ndim == 4
        )

    def _array(self, name):
        if name not in self._state:
            raise ValueError(f"expected a checkpoint with the tensor {name}, got none; it is not whole")
        return self._state[name]

    def weighted(self, name, input_bits):
        weights = self._array(f"{name}.weight")
        bits = self._bits if weights.ndim == 4 else _width(f"{name}.weight", weights)
        self.layers.append(
            Weighted(
                name=name,
                weights=weights.astype(np.int64),
                weight_bits=bits,
                input_bits=input_bits,
                places=self.side**2,
            )
        )
        return len(weights)

    def scale(self, name):
        channels = self._array(f"{name}.weight").size
        bias = bool(np.any(self._array(f"{name}.bias")))
        self.layers.append(Scale(name=name, channels=channels, places=self.side**2, bias=bias))
        return channels

    def average(self, name, channels, side):
        self.side //= side
        self.layers.append(Average(name=name, channels=channels, places=self.side**2, side=side))


def _width(name, weights):
    """Bits of the narrowest signed integers that hold ``weights``."""
    if not np.array_equal(weights, np.rint(weights)):
        raise ValueError(f"expected integer weights, got other numbers in {name}; quantise the network first")
    low, high = int(weights.min()), int(weights.max())
    return 1 + max(high.bit_length(), (-low - 1).bit_length() if low < 0 else 0)
