"""Scales of integer grids that minimise the squared error, by alternation.

``min over alpha and q of sum (x - alpha * q)^2``, ``q`` integers from ``low`` to ``high``: with ``alpha`` fixed the best ``q`` is
``clip(round(x / alpha), low, high)``, with ``q`` fixed the best ``alpha`` is ``sum(x * q) / sum(q * q)``. Neither step can raise
the error, and there are finitely many ``q``, so the alternation ends: in a local minimum.
Source: P. Wang et al., MicroNet Challenge 2019.
"""

import torch

from ..grids import best_scale, sample

__all__ = ["alternations", "kernel_scales", "tensor_scale", "weight_range"]

#: A bound for what always ended within 200.
_ROUNDS = 1000


def weight_range(bits):
    """Least and greatest weight of ``bits`` bits.

    Raises
    ------
    ValueError
        If ``bits`` is not from 2 to 8.
    """
    if not 2 <= bits <= 8:
        raise ValueError(f"expected weights of 2 to 8 bits, got {bits}")
    return -(1 << bits - 1), (1 << bits - 1) - 1


def alternations(numbers, scales, low, high):
    """Alternate until the integers of every row stay as they are.

    Parameters
    ----------
    numbers : Tensor [rows, n]
    scales : Tensor [rows]
        Where to start; positive.
    low, high : int

    Yields
    ------
    scales : Tensor [rows]
        float64: the best ones for ``integers``. A row without integers other than zero keeps the scale it has.
    integers : Tensor [rows, n]
        float64: the best ones for the scales before.
    """
    numbers, scales = numbers.detach().double(), scales.detach().double()
    before = None
    for _ in range(_ROUNDS):
        integers = torch.floor(numbers / scales[:, None] + 0.5).clamp(low, high)
        if before is not None and torch.equal(integers, before):
            return
        norm = integers.square().sum(1)
        scales = torch.where(norm > 0, (numbers * integers).sum(1) / norm.clamp(min=1), scales)
        before = integers
        yield scales, integers


def kernel_scales(weight, bits):
    """A scale for each 3-D kernel of a weight [K, ...], float64 [K], 1 where all of it is zero.

    The alternation starts where the greatest magnitude is the end of the range: ``max |w| / 2^(bits - 1)``.
    """
    low, high = weight_range(bits)
    rows = weight.detach().double().flatten(1)
    peak = rows.abs().amax(1)
    scales = torch.where(peak > 0, peak / -low, torch.ones_like(peak))
    return _last(alternations(rows, scales, low, high))


def tensor_scale(values, low, high):
    """One scale for a sample of activations, a float; arguments and errors as for ``sw.compression.grids.best_scale``.

    The alternation starts from the best of the candidates that function tries, so it is never worse.
    """
    rows = sample(values)[None]
    scales = torch.tensor([best_scale(values, low, high)], dtype=torch.float64)
    return float(_last(alternations(rows, scales, low, high)))


def _last(found):
    """The scales that an alternation ends with."""
    *_, (scales, _) = found
    return scales
