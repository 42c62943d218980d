"""The integer twin of a network in torch: trained on the grid that the accelerator computes on, then read out as integers.

Between layers run 8-bit integers with zero point 0, one scale a tensor. Everything else (batch norm, offsets, scales) folds
into one multiplier and one bias for each output channel and one shift a layer.
"""

import copy

import numpy as np
import torch
from torch import nn

from ..layers import AverageLayer
from ..model import Network, activate, convolve, gain_and_offset
from ..network import INPUT, AveragePool, Convolution, IntegerNetwork, TensorInfo
from .integer_weights import integer_weights
from .requantisation import DEFAULT_LIMITS, fold, round_half_up
from .ternary import straight_through

__all__ = ["QuantisedConvolution", "QuantisedNetwork", "integer_network", "quantised_network"]

#: Units of weights that are tried, in those of the finest; the first of equals is taken.
_COARSER = tuple(2 ** (step / 4) for step in range(21))


class QuantisedConvolution(nn.Module):
    """Twin of ``sw.network.Convolution``: integers in and out, gradients to what the integers come from.

    Sums are exact, being below 2**24; the requantisation is rounded to 24 bits by torch's floats, so an
    output may differ by one from the integer formula where that lies on the edge between two integers.

    Parameters
    ----------
    unit : ConvolutionUnit
        Taken over.
    source, output : Grid
    residual, sums : Grid or None
        Of the residual, and of what a table is applied to.
    limits : IntegerLimits
    """

    def __init__(self, unit, source, output, residual, sums, limits):
        super().__init__()
        self.layer, self.limits = unit.layer, limits
        gain, offset = gain_and_offset(unit.normalise)
        self.gain, self.offset = nn.Parameter(gain.detach().clone()), nn.Parameter(offset.detach().clone())
        self.weights = integer_weights(unit)
        self.source, self.output, self.residual, self.sums = source, output, residual, sums
        kernel = unit.kernel().detach()
        self.weights.fit(source.low, source.high, limits.accumulator)
        self._balance(kernel)

    @torch.no_grad()
    def _balance(self, kernel):
        """Make weights coarser where multipliers gain more by it, so that both together come closest to the real ``kernel``.

        A residual limits the shift: multipliers of the finest weights would be of a few units, and channels would lose their gains.
        """
        if not self.weights.adjustable:
            return
        wanted = kernel.double() * (self.real_ratio() / self.weights.scale).double()[:, None, None, None]
        finest = self.weights.scale.clone()

        def error(factor):
            self.weights.scale.copy_(finest * factor)
            try:
                multiplier, _, shift, _ = self.folded()
            except ValueError:
                return torch.inf
            ratio = torch.from_numpy(multiplier * 2.0**-shift).to(wanted)
            return float((self.weights.kernel() * ratio[:, None, None, None] - wanted).square().sum())

        self.weights.scale.copy_(finest * min(_COARSER, key=error))

    @property
    def grid(self):
        """Grid of what leaves the requantisation."""
        return self.output if self.sums is None else self.sums

    def clamp(self):
        """Least and greatest integer that leaves the requantisation."""
        return self.output.clamp(self.layer.activation) if self.sums is None else (-128, 127)

    def real_ratio(self):
        """Output units for one unit of a sum, [K]."""
        return self.gain * self.weights.scale * self.source.scale / self.grid.scale

    def folded(self):
        """``multiplier``, ``bias``, ``shift`` and ``residual_multiplier`` of the layer, from ``fold``."""
        with torch.no_grad():
            scale = self.grid.scale.double()
            residual = 0.0 if self.residual is None else float(self.residual.scale.double() / scale)
            ratio = self.gain.double() * self.weights.scale.double() * self.source.scale.double() / scale
            return fold(
                ratio.cpu().numpy(), (self.offset.double() / scale).cpu().numpy(), residual, self.limits
            )

    def sums_in_units(self, images, residual=None):
        """What is rounded and clamped, in units of ``grid``, [n, K, H, W]."""
        multiplier, bias, shift, residual_multiplier = self.folded()
        unit = 2.0**-shift
        ratio = straight_through(torch.from_numpy(multiplier * unit).to(self.gain), self.real_ratio())
        offset = straight_through(torch.from_numpy(bias * unit).to(self.gain), self.offset / self.grid.scale)
        kernel = self.weights.kernel()
        total = convolve(images, kernel, self.layer) * ratio[:, None, None] + offset[:, None, None]
        if residual is not None:
            factor = straight_through(
                ratio.new_tensor(residual_multiplier * unit), self.residual.scale / self.grid.scale
            )
            total = total + residual * factor
        return total

    def forward(self, images, residual=None):
        total = round_half_up(self.sums_in_units(images, residual).clamp(*self.clamp()))
        if self.sums is None:
            return total
        real = activate(self.layer.activation, total * self.sums.scale)
        return round_half_up((real / self.output.scale).clamp(self.output.low, self.output.high))

    @torch.no_grad()
    def table(self):
        """Output for each of the 256 integers before the function, at their lowest 8 bits; ``None`` without a function."""
        if self.sums is None:
            return None
        numbers = torch.arange(256).to(torch.int8).double()
        real = activate(self.layer.activation, numbers * self.sums.scale.double())
        grid = self.output
        return round_half_up(real / grid.scale.double()).clamp(grid.low, grid.high).numpy().astype(np.int64)

    def integers(self):
        """The layer of integers.

        Raises
        ------
        ValueError
            If training moved it beyond what the accumulator holds.
        """
        reach = int(self.weights.reach(self.source.low, self.source.high).max())
        if reach >= self.limits.accumulator:
            raise ValueError(
                f"layer {self.layer.name}: expected sums below {self.limits.accumulator}, got {reach}; "
                "allow more bits or train with a lower rate"
            )
        coefficients, bases = self.weights.integers()
        multiplier, bias, shift, residual_multiplier = self.folded()
        low, high = self.clamp()
        return Convolution(
            name=self.layer.name,
            input=self.layer.input,
            coefficients=coefficients,
            bases=bases,
            stride=self.layer.stride,
            padding=self.layer.padding,
            multiplier=multiplier,
            bias=bias,
            shift=shift,
            low=low,
            high=high,
            residual=self.layer.residual,
            residual_multiplier=residual_multiplier,
            groups=self.layer.groups,
            fixed=self.layer.fixed,
            table=self.table(),
            table_signed=self.sums is not None and self.output.signed,
        )


class QuantisedAverage(nn.Module):
    """Twin of ``sw.network.AveragePool``."""

    def __init__(self, layer, window, source, output, limits):
        super().__init__()
        self.layer, self.window, self.limits = layer, window, limits
        self.source, self.output = source, output

    def folded(self):
        """``multiplier`` and ``shift``."""
        area = self.window[0] * self.window[1]
        ratio = float(self.source.scale.detach().double() / (self.output.scale.detach().double() * area))
        multiplier, _, shift, _ = fold([ratio], [0.0], limits=self.limits)
        return int(multiplier[0]), shift

    def forward(self, images):
        multiplier, shift = self.folded()
        area = self.window[0] * self.window[1]
        sums = nn.functional.avg_pool2d(images, self.window, self.layer.stride) * area
        ratio = straight_through(
            images.new_tensor(multiplier * 2.0**-shift), self.source.scale / (self.output.scale * area)
        )
        return round_half_up((round_half_up(sums) * ratio).clamp(self.output.low, self.output.high))

    def integers(self):
        """The layer of integers."""
        multiplier, shift = self.folded()
        return AveragePool(
            name=self.layer.name,
            input=self.layer.input,
            window=self.window,
            stride=self.layer.stride,
            multiplier=multiplier,
            shift=shift,
            low=self.output.low,
            high=self.output.high,
        )


class QuantisedNetwork(Network):
    """Network on integers: images are pixels, tensors are integers, logits are scaled back."""

    def __init__(self, pixels, layers, units, averages, grids):
        super().__init__(pixels, layers, units)
        self.grids = grids
        self.averages = nn.ModuleDict({self.key(name): unit for name, unit in averages.items()})

    def read(self, images):
        if not self.pixels.signed:
            return images.float()
        real = super().read(images) / self.pixels.scale
        return torch.floor(real + 0.5).clamp(-128, 127)

    def compute(self, layer, sources):
        if isinstance(layer, AverageLayer):
            return self.averages[self.key(layer.name)](*sources)
        return super().compute(layer, sources)

    def forward(self, images):
        return super().forward(images) * self.grids[self.layers[-1].name].scale.detach()


def quantised_network(network, grids, limits=DEFAULT_LIMITS):
    """The integer twin of ``network``, which stays as it is, at ``grids`` from ``calibrate``.

    Raises
    ------
    ValueError
        If a layer has real coefficients, or its integers do not fit ``limits``.
    """
    units, averages = {}, {}
    for layer in network.layers:
        grid = grids[layer.name]
        if isinstance(layer, AverageLayer):
            window = layer.window or network.shapes[layer.input][1:]
            averages[layer.name] = QuantisedAverage(layer, window, grids[layer.input], grid, limits)
    for layer, unit in network.units():
        residual = None if layer.residual is None else grids[layer.residual]
        sums = grids.get(f"{layer.name}.sum")
        units[layer.name] = QuantisedConvolution(
            copy.deepcopy(unit), grids[layer.input], grids[layer.name], residual, sums, limits
        )
    return QuantisedNetwork(network.pixels, network.layers, units, averages, grids)


def integer_network(network, name):
    """The integers of a ``QuantisedNetwork``, as a ``sw.network.IntegerNetwork`` called ``name``.

    Raises
    ------
    ValueError
        If training moved a layer beyond what the accumulator holds.
    """
    layers = []
    twins = {layer.name: unit for layer, unit in network.units()}
    for layer in network.layers:
        if isinstance(layer, AverageLayer):
            layers.append(network.averages[network.key(layer.name)].integers())
        else:
            layers.append(twins[layer.name].integers() if layer.name in twins else layer)
    channels, height, width = network.pixels.shape
    return IntegerNetwork(
        name=name,
        input=TensorInfo(channels=channels, height=height, width=width, signed=network.grids[INPUT].signed),
        input_scale=network.pixels.scale,
        layers=tuple(layers),
        pixels=network.pixels,
    )
