"""Integer networks with random coefficients, layer by layer, that behave as trained ones do where speed is concerned.

Only three things about a network decide its cycles: shapes, where its coefficients are zero, and where its activations are. Shapes are
the real ones; the share of zero coefficients and their structure are stated; activations come out of the network itself:
images are smooth random fields (as natural images: amplitude falls with frequency), every channel is normalised as batch
norm does, with random offsets. The offsets are such that ReLU leaves the shares of zeros that were measured on a trained ResNet-20 (CIFAR-10,
20 test images): 66 % within blocks, 38 % after the sum with a shortcut, 51 % of all activations. For other networks Albericio et al. (ISCA 2016)
give 44 % on average.
"""

from dataclasses import dataclass, field

import numpy as np

from sim.reference import kernels, layer_output
from sw.network import INPUT, AveragePool, Convolution, IntegerNetwork, MaxPool, TensorInfo

__all__ = ["NetworkBuilder", "Structure", "smooth_image"]

#: Positions of the output from which mean and deviation of a channel are taken.
_SAMPLES = 512
#: Mean offset of a channel in deviations, without and with a shortcut that is added, and how much it varies.
_OFFSETS, _VARIATION = (-0.2, -0.1), 0.35
#: Share of a tensor's values that its range holds.
_INSIDE = 0.999
#: Width of a requantisation multiplier, signed.
_MULTIPLIER_BITS = 12


@dataclass(frozen=True, kw_only=True)
class Structure:
    """How the coefficients of a compressed layer are distributed."""

    #: Share of all coefficients that are zero.
    zeros: float
    #: M of a kernel larger than 1x1, and how many of them an output channel uses; the others are zero as a whole.
    bases: int
    kept: int
    #: M of a 1x1 kernel: ternary planes, each with the same share of zeros.
    planes: int


def smooth_image(random, channels, height, width):
    """A natural-looking image: int64 [C, H, W] from 0 to 255, amplitudes falling with frequency, channels alike."""
    rows, columns = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)
    amplitude = np.maximum(np.hypot(rows, columns), 1 / max(height, width)) ** -1.3

    def plane():
        noise = np.fft.rfft2(random.standard_normal((height, width)))
        values = np.fft.irfft2(noise * amplitude, s=(height, width))
        return (values - values.mean()) / values.std()

    common = plane()
    image = np.stack([0.9 * common + 0.4 * plane() for _ in range(channels)])
    return np.clip(np.rint(image * 55 + 120), 0, 255).astype(np.int64)


@dataclass
class NetworkBuilder:
    """Adds layers one after the other and runs each, as its scales depend on what comes out.

    Parameters
    ----------
    name : str
    image : int64 array [C, H, W] from 0 to 255
    structure : Structure
    accumulator_bits : int
        Taps are as large as sums of this width allow, at most 8 bits.
    """

    name: str
    image: np.ndarray
    structure: Structure
    accumulator_bits: int
    seed: int = 0
    layers: list = field(default_factory=list)
    tensors: dict = field(default_factory=dict)

    def __post_init__(self):
        self._random = np.random.default_rng(self.seed)
        self.tensors[INPUT] = self.image[np.newaxis]
        self._units = {INPUT: 255.0}

    def network(self):
        """The network of all layers added so far."""
        channels, height, width = self.image.shape
        info = TensorInfo(channels=channels, height=height, width=width, signed=False)
        return IntegerNetwork(name=self.name, input=info, input_scale=1 / 255, layers=tuple(self.layers))

    def shared(
        self,
        name,
        input,
        outputs,
        *,
        kernel=3,
        stride=1,
        padding=None,
        residual=None,
        relu=True,
        structure=None,
    ):
        """A compressed layer: shared bases and ternary coefficients; planes if the kernel is 1x1."""
        structure = structure or self.structure
        channels, random = self._channels(input), self._random
        bases = structure.bases if kernel > 1 else structure.planes
        kept = min(structure.kept, bases) if kernel > 1 else bases
        used = np.argsort(random.random((outputs, bases)), axis=1) < kept
        places = np.argwhere(np.broadcast_to(used[:, None], (outputs, channels, bases)))
        number = min(len(places), round(outputs * channels * bases * (1 - structure.zeros)))
        chosen = places[random.choice(len(places), number, replace=False)]
        coefficients = np.zeros((outputs, channels, bases), np.int8)
        coefficients[tuple(chosen.T)] = random.choice([-1, 1], number)
        taps = random.standard_normal((bases, kernel, kernel))
        self._convolution(name, input, coefficients, taps, stride, padding, residual, relu)

    def dense(self, name, input, outputs, *, stride=1, padding=None, taps=None):
        """An uncompressed 8-bit layer of 3x3 kernels: every output channel has one basis for each input channel."""
        channels = self._channels(input)
        coefficients = np.broadcast_to(np.eye(channels, dtype=np.int8), (outputs, channels, channels)).copy()
        if taps is None:
            taps = self._random.standard_normal((outputs, channels, 3, 3))
        self._convolution(name, input, coefficients, taps, stride, padding, None, True)

    def depthwise(self, name, input, *, stride=1, padding=None):
        """An uncompressed 8-bit depthwise layer of 3x3 kernels."""
        channels = self._channels(input)
        coefficients = np.eye(channels, dtype=np.int8)[:, :, None]
        taps = self._random.standard_normal((channels, 1, 3, 3))
        self._convolution(name, input, coefficients, taps, stride, padding, None, True, groups=channels)

    def shortcut(self, name, input, outputs):
        """The option-A shortcut of ResNet-20: every second pixel, new channels of zeros on both sides."""
        channels = self._channels(input)
        coefficients = np.zeros((outputs, channels, 1), np.int8)
        before = (outputs - channels) // 2
        coefficients[before + np.arange(channels), np.arange(channels), 0] = 1
        self._add(
            Convolution(
                name=name,
                input=input,
                coefficients=coefficients,
                bases=np.ones((1, 1, 1), np.int8),
                stride=2,
                padding=(0, 0, 0, 0),
                multiplier=np.ones(outputs, np.int64) << 1,
                bias=np.zeros(outputs, np.int64),
                shift=1,
                low=0,
                high=255,
            )
        )
        self._units[name] = self._units[input]

    def max_pool(self, name, input, window, stride, padding=(0, 0, 0, 0)):
        """Maximum over square windows."""
        self._add(MaxPool(name=name, input=input, window=(window, window), stride=stride, padding=padding))
        self._units[name] = self._units[input]

    def global_average(self, name, input):
        """Average over the whole map; brought back to the full range, as a quantiser would."""
        height, width = self.tensors[input].shape[2:]
        means = self.tensors[input].mean(axis=(2, 3))
        gain = 255 / max(1.0, float(np.quantile(means, _INSIDE)))
        shift, factor = _scale(np.array([gain / (height * width)]))
        self._add(
            AveragePool(
                name=name,
                input=input,
                window=(height, width),
                stride=1,
                multiplier=int(factor[0]),
                shift=shift,
                low=0,
                high=255,
            )
        )
        self._units[name] = self._units[input] * gain

    def _channels(self, name):
        return self.tensors[name].shape[1]

    def _add(self, layer):
        self.layers.append(layer)
        self.tensors[layer.name] = layer_output(layer, self.tensors)

    def _convolution(self, name, input, coefficients, taps, stride, padding, residual, relu, groups=1):
        outputs = len(coefficients)
        if padding is None:
            before = taps.shape[-1] // 2
            padding = (before,) * 4
        layer = Convolution(
            name=name,
            input=input,
            coefficients=coefficients,
            bases=self._quantise(coefficients, taps),
            stride=stride,
            padding=padding,
            multiplier=np.ones(outputs, np.int64),
            bias=np.zeros(outputs, np.int64),
            shift=1,
            low=0 if relu else -128,
            high=255 if relu else 127,
            residual=residual,
            groups=groups,
        )
        scales = self._normalise(layer, relu)
        self._add(Convolution(**{**vars(layer), **scales}))

    def _quantise(self, coefficients, taps):
        """Taps as integers, as large as the accumulator allows."""
        amplitude = 127.0
        while True:
            bases = np.clip(np.rint(taps / np.abs(taps).max() * amplitude), -128, 127).astype(np.int8)
            own = np.broadcast_to(bases, (len(coefficients), *bases.shape[-3:])).astype(np.float64)
            kernel = np.einsum("kcm,kmrs->kcrs", coefficients.astype(np.float64), own, optimize=True)
            most = max(np.maximum(sign * kernel, 0).sum(axis=(1, 2, 3)).max() for sign in (1, -1)) * 255
            room = (1 << self.accumulator_bits - 1) - 1
            if most <= room:
                return bases
            amplitude *= min(0.98, room / most)

    def _normalise(self, layer, relu):
        """Multipliers, biases and shift: batch norm with random offsets, and the range of the result."""
        random = self._random
        sums, added = self._sample(layer)
        deviation = np.maximum(sums.std(axis=0), 1.0)
        offsets = random.normal(_OFFSETS[layer.residual is not None], _VARIATION, len(deviation))
        values = (sums - sums.mean(axis=0)) / deviation + offsets
        if layer.residual is not None:
            values = values + added / self._units[layer.residual]
        reach = values if relu else np.abs(values)
        unit = layer.high / max(0.5, float(np.quantile(reach, _INSIDE)))
        factors = unit / deviation
        if layer.residual is not None:
            factors = np.append(factors, unit / self._units[layer.residual])
        shift, scaled = _scale(factors)
        multiplier = scaled[: len(deviation)]
        bias = np.rint(offsets * unit * (1 << shift) - sums.mean(axis=0) * multiplier).astype(np.int64)
        self._units[layer.name] = unit
        return {
            "multiplier": multiplier,
            "bias": bias,
            "shift": shift,
            "residual_multiplier": 0 if layer.residual is None else int(scaled[-1]),
        }

    def _sample(self, layer):
        """Sums of all output channels at random positions, and the values of the shortcut there."""
        source = self.tensors[layer.input][0]
        top, left, bottom, right = layer.padding
        padded = np.pad(source, ((0, 0), (top, bottom), (left, right)))
        views = np.lib.stride_tricks.sliding_window_view(padded, layer.kernel, axis=(1, 2))
        views = views[:, :: layer.stride, :: layer.stride]
        rows, columns = (self._random.integers(0, length, _SAMPLES) for length in views.shape[1:3])
        windows = views[:, rows, columns].transpose(1, 0, 2, 3).reshape(_SAMPLES, -1).astype(np.float64)
        sums = windows @ kernels(layer).reshape(len(layer.coefficients), -1).T.astype(np.float64)
        added = None if layer.residual is None else self.tensors[layer.residual][0][:, rows, columns].T
        return sums, added


def _scale(factors):
    """Shift and integers such that ``integers / 2^shift`` are the factors, in a signed number of 12 bits."""
    shift = 31
    while shift > 1 and np.rint(factors.max() * (1 << shift)) >= 1 << _MULTIPLIER_BITS - 1:
        shift -= 1
    return shift, np.maximum(1, np.rint(factors * (1 << shift))).astype(np.int64)
