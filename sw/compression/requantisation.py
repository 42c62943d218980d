"""Scales as the integers of requantisation, and the widths that integers must fit."""

from dataclasses import dataclass

import numpy as np
import torch

from hw.config import PRESETS

from .ternary import straight_through

__all__ = ["DEFAULT_LIMITS", "IntegerLimits", "fold", "round_half_up"]

_SHIFTS = range(31, 0, -1)
_LEAST_BITS = 12


@dataclass(frozen=True, kw_only=True)
class IntegerLimits:
    """Bits of signed integers that a network may use."""

    accumulator_bits: int = 24
    multiplier_bits: int = 16
    bias_bits: int = 40

    @classmethod
    def of(cls, *configs):
        """What fits every one of ``configs``; of none, every preset with multipliers of 12 bits or more.

        With fewer bits, layers that add a residual are left with scales of one or two units: a network for such a preset is
        trained with the preset's own limits.
        """
        configs = configs or tuple(
            config for config in PRESETS.values() if config.multiplier_bits >= _LEAST_BITS
        )
        return cls(
            **{name: min(getattr(config, name) for config in configs) for name in cls.__dataclass_fields__}
        )

    @property
    def accumulator(self):
        """Partial sums stay below it."""
        return 1 << self.accumulator_bits - 1

    @property
    def multiplier(self):
        """Multipliers stay below it."""
        return 1 << self.multiplier_bits - 1

    @property
    def bias(self):
        """Biases stay below it."""
        return 1 << self.bias_bits - 1


#: Those of a ``Config`` of which nothing else is said.
DEFAULT_LIMITS = IntegerLimits()


def round_half_up(numbers):
    """The rounding of the integer formula, with a gradient of 1."""
    return straight_through(torch.floor(numbers + 0.5), numbers)


def fold(ratio, offset, residual_ratio=0.0, limits=DEFAULT_LIMITS):
    """Integers of ``ratio * acc + offset + residual_ratio * residual``, at the largest shift they fit.

    Parameters
    ----------
    ratio, offset : float array [K]
        In units of the output.
    residual_ratio : float
    limits : IntegerLimits

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
        if max(np.abs(multiplier).max(), residual) < limits.multiplier and np.abs(bias).max() < limits.bias:
            return multiplier.astype(np.int64), bias.astype(np.int64), shift, int(residual)
    raise ValueError(
        f"expected ratios below {limits.multiplier / 2:.0f} and offsets below {limits.bias / 2:.3g}, got "
        f"{np.abs(ratio).max():.3g}, {residual_ratio:.3g} and {np.abs(offset).max():.3g}"
    )
