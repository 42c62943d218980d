"""What a convolution computes and stores, from its shapes and from how many of its numbers are not zero."""

import math
from dataclasses import dataclass

__all__ = [
    "FLOAT32",
    "INTEGERS",
    "Geometry",
    "Stored",
    "Widths",
    "Work",
    "operations",
    "penni_operations",
    "storage",
]


@dataclass(frozen=True, kw_only=True)
class Widths:
    """Bits of every kind of number."""

    #: An activation.
    maps: int
    #: What stands beside the mask for a coefficient or weight that is not zero.
    value: int
    #: The same where zeros are free, and masks too.
    free_value: int
    #: A number of a basis kernel.
    tap: int
    #: What an output channel needs behind its sum.
    scale: int


#: Networks in training: 32 bits for everything, a bias for each output channel.
FLOAT32 = Widths(maps=32, value=32, free_value=32, tap=32, scale=32)
#: The accelerator's numbers: a sign beside the mask (2 bits as papers count), a multiplier of 16 and a bias of 40 bits.
INTEGERS = Widths(maps=8, value=1, free_value=2, tap=8, scale=56)


@dataclass(frozen=True, kw_only=True)
class Work:
    """What a layer, or several, compute, store and move for one image."""

    #: Channel accumulation: additions of activations, one for each coefficient that is not zero at each position.
    adds: int = 0
    #: Multiply-adds of kernels; padding counts.
    multiply_adds: int = 0
    #: Numbers that are stored: weights or coefficients other than 0, basis kernels, one for each output channel.
    parameters: int = 0
    #: Bits of these, zeros counted: a mask says where they are, unless storing the zeros takes less.
    bits: int = 0
    #: Bits of these as papers count, zeros and masks free. Not to be compared with ``bits``.
    bits_zeros_free: int = 0
    #: Tensors that are read (a residual too) and written, each once.
    map_bytes: int = 0

    @property
    def operations(self):
        """Additions and multiply-adds together."""
        return self.adds + self.multiply_adds

    @property
    def traffic_bytes(self):
        """Weights with their masks, and maps."""
        return self.bits / 8 + self.map_bytes

    @property
    def intensity(self):
        """Operations for each byte of traffic; 0 where nothing moves."""
        return self.operations / self.traffic_bytes if self.traffic_bytes else 0.0

    def __add__(self, other):
        return Work(
            **{name: getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__}
        )


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """A convolution: shapes of what it reads, of what it writes, and its kernel."""

    source: tuple
    target: tuple
    kernel: tuple
    stride: int
    groups: int
    fixed: bool

    @property
    def kind(self):
        """One of those of ``sw.complexity.LayerComplexity``."""
        if self.fixed:
            return "fixed"
        if self.target[1:] == (1, 1) and self.kernel == self.source[1:]:
            return "fully connected"
        if self.groups > 1:
            return "depthwise" if self.groups == self.source[0] == self.target[0] else "grouped"
        return "1x1" if self.kernel == (1, 1) else "convolution"

    @property
    def weights(self):
        """Weights of the layer before compression."""
        if self.fixed:
            return 0
        return self.target[0] * (self.source[0] // self.groups) * math.prod(self.kernel)

    @property
    def places(self):
        """Positions of the output."""
        return math.prod(self.target[1:])

    @property
    def fed(self):
        """Positions of the input that channels are accumulated at: a 1x1 kernel needs only those it steps on."""
        step = self.stride if self.kernel == (1, 1) else 1
        return math.prod(-(-extent // step) for extent in self.source[1:])


@dataclass(frozen=True, kw_only=True)
class Stored:
    """Numbers of a compressed convolution."""

    #: Coefficients, or weights where there are no bases, and those that are not zero.
    coefficients: int
    nonzero: int
    #: Output channels that need numbers behind their sum.
    scales: int
    #: Pairs of output channel and basis with any coefficient, and numbers of all bases; ``None``: there are no bases.
    pairs: int | None = None
    taps: int = 0
    #: Numbers of bases that are weights of single output channels, and those that are not zero: what is left of the dense
    #: weights. Their coefficients are then only ones. ``None`` where bases are shared.
    own: tuple[int, int] | None = None
    #: Bases that PENNI would convolve every input channel with, or ``None`` where it would not.
    shared: int | None = None


def operations(geometry, stored):
    """``adds`` and ``multiply_adds`` of ``Work``, by name."""
    if geometry.fixed:
        return {}
    if stored.pairs is None:
        return {"multiply_adds": stored.nonzero * geometry.places}
    return {
        "adds": stored.nonzero * geometry.fed,
        "multiply_adds": stored.pairs * geometry.places * math.prod(geometry.kernel),
    }


def storage(stored, widths, bits):
    """``parameters``, ``bits`` and ``bits_zeros_free`` of ``Work``, by name; ``bits`` of the image if they are known."""
    # Weights that are no sums of bases are as wide as a tap.
    value, free = (widths.tap, widths.tap) if stored.pairs is None else (widths.value, widths.free_value)
    others = stored.taps * widths.tap + stored.scales * widths.scale
    with_mask = stored.coefficients + stored.nonzero * value
    counted = with_mask
    if stored.pairs is None or value > 1:
        # Without a mask every place takes a value; a sign alone cannot be zero.
        counted = min(with_mask, stored.coefficients * value)
    parameters = stored.nonzero + stored.taps if stored.own is None else stored.own[1]
    return {
        "parameters": parameters + stored.scales,
        "bits": counted + others if bits is None else bits,
        "bits_zeros_free": stored.nonzero * free + others,
    }


def penni_operations(geometry, stored):
    """As ``sw.complexity.LayerComplexity`` says."""
    if geometry.fixed:
        return 0
    channels = geometry.source[0]
    if geometry.kind == "fully connected":
        inputs = channels // geometry.groups * math.prod(geometry.kernel)
        # As many multiplications, one addition less, the bias.
        return 2 * inputs * geometry.target[0]
    if stored.shared is not None:
        bases = channels * stored.shared * math.prod(geometry.kernel)
        return geometry.places * (bases + stored.nonzero)
    return geometry.places * (stored.nonzero if stored.own is None else stored.own[1])
