"""From a ternary network to integers: calibration, retraining on the integer grid, folding of all scales.

Between layers run 8-bit integers with zero point 0, one scale a tensor; bases are 8-bit integers, one
scale a layer, so that their sum keeps its meaning. Everything else (batch norm, offsets, scales) folds
into one multiplier and one bias for each output channel and one shift a layer.
"""

import numpy as np
import torch
from torch import nn

from .decomposition import rebuild
from .model import Affine, AverageSpec, ConvolutionSpec, Network, convolve
from .network import INPUT, AveragePool, Convolution, IntegerNetwork, MaxPool, TensorInfo
from .ternary import straight_through

__all__ = [
    "PIXEL_SCALE",
    "QuantisedNetwork",
    "best_scale",
    "calibrate",
    "fold",
    "integer_network",
    "quantised_network",
]

#: Real value of one unit of the input: pixels are used as they are, 0..255 for 0..1.
PIXEL_SCALE = 1 / 255
#: Partial sums must stay below this by the worst-case bound; the default accumulator has 24 bits.
ACCUMULATOR_LIMIT = 1 << 23
#: Share of that limit that the bases may use before retraining moves them.
HEADROOM = 0.75

_BASIS_HIGH = 127
_MULTIPLIER_LIMIT = 1 << 15
_BIAS_LIMIT = 1 << 39
_SHIFTS = range(31, 0, -1)
_CANDIDATES = 40
_SAMPLES = 1 << 17


def round_half_up(numbers):
    """The rounding of the integer formula, with a gradient of 1."""
    return straight_through(torch.floor(numbers + 0.5), numbers)


def best_scale(values, low, high):
    """Scale of an integer grid ``low``..``high`` that represents ``values`` with the least squared error.

    Raises
    ------
    ValueError
        If all values are zero: there is nothing to choose a scale by.
    """
    values = values.detach().flatten().double()
    values = values[:: max(1, values.numel() // _SAMPLES)]
    peak = max(float(values.max()) / high, float(values.min()) / low if low else 0.0)
    if peak <= 0:
        raise ValueError("expected activations other than zero to calibrate on, got none")
    candidates = [peak * step / _CANDIDATES for step in range(_CANDIDATES // 4, _CANDIDATES + 1)]
    return min(
        candidates,
        key=lambda scale: float(
            (torch.floor(values / scale + 0.5).clamp(low, high) * scale - values).square().sum()
        ),
    )


@torch.no_grad()
def calibrate(network, images):
    """Scale of every tensor of ``network``, ``{name: float}``, from its activations on training ``images``.

    Logits keep their whole range: only their order matters, and the largest decides it.
    """
    network.eval()
    tensors = network.tensors(images)
    scales = {INPUT: PIXEL_SCALE}
    for spec in network.specs:
        values = tensors[spec.name]
        if isinstance(spec, MaxPool):
            scales[spec.name] = scales[spec.input]
        elif spec is network.specs[-1]:
            scales[spec.name] = float(values.abs().max()) / 127
        else:
            scales[spec.name] = best_scale(values, *_limits(spec))
    return scales


def _limits(spec):
    return (-128, 127) if isinstance(spec, ConvolutionSpec) and not spec.relu else (0, 255)


class QuantisedConvolution(nn.Module):
    """Twin of ``sw.network.Convolution``: integers in and out, gradients to what the integers come from.

    Sums are exact, being below 2**24; the requantisation is rounded to 24 bits by torch's floats, so an
    output may differ by one from the integer formula where that lies on the edge between two integers.

    Parameters
    ----------
    ternary : TernaryConvolution
    input_scale, output_scale : float
    residual_scale : float or None
    input_high : int
        Largest magnitude of an input, for the bound of the partial sums.
    """

    def __init__(self, ternary, input_scale, output_scale, residual_scale, input_high):
        super().__init__()
        spec = self.spec = ternary.spec
        self.ternary = ternary
        self.input_scale, self.output_scale, self.residual_scale = input_scale, output_scale, residual_scale
        self.input_high = input_high
        self.low, self.high = _limits(spec)
        gain, offset = _gain_offset(ternary.normalise)
        ternary.normalise = None
        self.gain, self.offset = nn.Parameter(gain), nn.Parameter(offset)
        self.basis_scale = float(ternary.bases.detach().abs().max()) / _BASIS_HIGH
        used = self.bound() / (ACCUMULATOR_LIMIT * HEADROOM)
        self.basis_scale *= max(1.0, used)

    def integer_bases(self):
        """Bases [M, R, S] in -127..127."""
        return round_half_up((self.ternary.bases / self.basis_scale).clamp(-_BASIS_HIGH, _BASIS_HIGH))

    def bound(self):
        """Largest magnitude that a partial sum could reach, whatever the input and the order of summing."""
        with torch.no_grad():
            counts = self.ternary.ternary().abs().sum(1)
            return int(self.input_high * (counts @ self.integer_bases().abs().sum((1, 2))).max())

    def forward(self, images, residual=None):
        kernel = rebuild(self.ternary.ternary(), self.integer_bases())
        multiplier, bias, shift, residual_multiplier = self.folded()
        unit = 2.0**-shift
        ratio = straight_through(
            torch.from_numpy(multiplier * unit).to(self.gain), self.gain * self.unit_ratio
        )
        offset = straight_through(
            torch.from_numpy(bias * unit).to(self.gain), self.offset / self.output_scale
        )
        total = convolve(images, kernel, self.spec) * ratio[:, None, None] + offset[:, None, None]
        if residual is not None:
            total = total + residual * (residual_multiplier * unit)
        return round_half_up(total.clamp(self.low, self.high))

    @property
    def unit_ratio(self):
        """Output units for one unit of a sum, where the gain is 1."""
        return self.basis_scale * self.input_scale / self.output_scale

    def folded(self):
        """``multiplier``, ``bias``, ``shift`` and ``residual_multiplier`` of the layer, from ``fold``."""
        return fold(
            self.gain.detach().double().numpy() * self.unit_ratio,
            self.offset.detach().double().numpy() / self.output_scale,
            0.0 if self.residual_scale is None else self.residual_scale / self.output_scale,
        )


class QuantisedAverage(nn.Module):
    """Twin of a global ``sw.network.AveragePool``."""

    def __init__(self, input_scale, output_scale):
        super().__init__()
        self.input_scale, self.output_scale = input_scale, output_scale
        self.window = None

    def forward(self, images):
        self.window = tuple(images.shape[2:])
        multiplier, shift = self.folded()
        return round_half_up((images.sum((2, 3), keepdim=True) * (multiplier * 2.0**-shift)).clamp(0, 255))

    def folded(self):
        """``multiplier`` and ``shift`` for the map size last seen."""
        area = self.window[0] * self.window[1]
        multiplier, _, shift, _ = fold([self.input_scale / (self.output_scale * area)], [0.0])
        return int(multiplier[0]), shift


class QuantisedNetwork(Network):
    """Network on integers: images are taken as 0..1, tensors are integers, logits are scaled back."""

    def __init__(self, specs, units, scales):
        super().__init__(specs, units)
        self.scales = scales

    def tensors(self, images):
        return super().tensors(torch.floor(images / PIXEL_SCALE + 0.5))

    def forward(self, images):
        return super().forward(images) * self.scales[self.specs[-1].name]


def quantised_network(network, scales):
    """The integer twin of the ternary ``network``, whose modules it takes over, at ``scales`` from ``calibrate``."""
    units = {}
    signed = {INPUT: False}
    for spec in network.specs:
        signed[spec.name] = signed[spec.input] if isinstance(spec, MaxPool) else _limits(spec)[0] < 0
        if isinstance(spec, AverageSpec):
            units[spec.name] = QuantisedAverage(scales[spec.input], scales[spec.name])
        elif isinstance(spec, ConvolutionSpec):
            units[spec.name] = QuantisedConvolution(
                network.units[spec.name],
                scales[spec.input],
                scales[spec.name],
                None if spec.residual is None else scales[spec.residual],
                128 if signed[spec.input] else 255,
            )
    return QuantisedNetwork(network.specs, units, scales)


def _gain_offset(normalise):
    """What a batch norm (or ``Affine``) does to one channel: ``gain * sum + offset``."""
    if isinstance(normalise, Affine):
        return normalise.gain.detach().clone(), normalise.offset.detach().clone()
    gain = normalise.weight.detach() / torch.sqrt(normalise.running_var + normalise.eps)
    return gain, normalise.bias.detach() - normalise.running_mean * gain


def fold(ratio, offset, residual_ratio=0.0):
    """Integers of ``ratio * acc + offset + residual_ratio * residual``, at the largest shift they fit.

    Parameters
    ----------
    ratio, offset : float array [K]
        In units of the output.
    residual_ratio : float

    Returns
    -------
    multiplier, bias : int64 array [K]
    shift, residual_multiplier : int

    Raises
    ------
    ValueError
        If they fit at no shift from 1 to 31.
    """
    ratio, offset = np.asarray(ratio, np.float64), np.asarray(offset, np.float64)
    for shift in _SHIFTS:
        multiplier, bias = (np.floor(part * 2.0**shift + 0.5) for part in (ratio, offset))
        residual = np.floor(residual_ratio * 2.0**shift + 0.5)
        if max(np.abs(multiplier).max(), residual) < _MULTIPLIER_LIMIT and np.abs(bias).max() < _BIAS_LIMIT:
            return multiplier.astype(np.int64), bias.astype(np.int64), shift, int(residual)
    raise ValueError(
        f"expected ratios below {_MULTIPLIER_LIMIT / 2:.0f}, got {np.abs(ratio).max():.3g}, {residual_ratio:.3g}"
    )


@torch.no_grad()
def integer_network(network, name, shape):
    """The integers of a trained ``QuantisedNetwork``.

    Parameters
    ----------
    network : QuantisedNetwork
    name : str
    shape : tuple
        C, H, W of the images, unsigned 8 bits.

    Returns
    -------
    sw.network.IntegerNetwork

    Raises
    ------
    ValueError
        If retraining moved a layer beyond what the accumulator holds.
    """
    network(torch.zeros(1, *shape))
    layers = []
    for spec in network.specs:
        if isinstance(spec, MaxPool):
            layers.append(spec)
        elif isinstance(spec, AverageSpec):
            unit = network.units[spec.name]
            multiplier, shift = unit.folded()
            layers.append(
                AveragePool(
                    name=spec.name,
                    input=spec.input,
                    window=unit.window,
                    stride=1,
                    multiplier=multiplier,
                    shift=shift,
                    low=0,
                    high=255,
                )
            )
        else:
            layers.append(_integer_convolution(spec, network.units[spec.name]))
    channels, height, width = shape
    return IntegerNetwork(
        name=name,
        input=TensorInfo(channels=channels, height=height, width=width, signed=False),
        input_scale=PIXEL_SCALE,
        layers=tuple(layers),
    )


def _integer_convolution(spec, unit):
    if unit.bound() >= ACCUMULATOR_LIMIT:
        raise ValueError(f"layer {spec.name}: expected sums below {ACCUMULATOR_LIMIT}, got {unit.bound()}")
    multiplier, bias, shift, residual_multiplier = unit.folded()
    return Convolution(
        name=spec.name,
        input=spec.input,
        coefficients=unit.ternary.ternary().numpy().astype(np.int8),
        bases=unit.integer_bases().numpy().astype(np.int8),
        stride=spec.stride,
        padding=spec.padding,
        multiplier=multiplier,
        bias=bias,
        shift=shift,
        low=unit.low,
        high=unit.high,
        residual=spec.residual,
        residual_multiplier=residual_multiplier,
    )
