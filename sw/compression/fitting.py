"""Ternary coefficients and bases fitted to what a trained layer computes, without training.

A layer of the kernel ``w`` reads patches ``x`` in the trained network and ``y`` in the one that is being made, where layers before
have been fitted. Sought are bases ``B`` and ternary ``q`` that minimise the variance of ``w . x - (sum_m q[m] B[m]) . y`` over the
patches of some images, so that a layer makes up for the errors of those before it; its mean goes into the batch norm, or the offset,
that follows. By turns

- bases are the least squares for these coefficients, a system of M * R * S equations;
- coefficients are gone through one by one, for all output channels together, each becoming the best of -1, 0 and 1 for the others as
  they are, where an error that is less than a price is taken for a zero.

The second is the quantisation of weights by covariances of their inputs (E. Frantar et al., "GPTQ", ICLR 2023), in coordinates that
change with the bases.
"""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from ..layers import ConvolutionLayer
from ..model import convolve
from .side_by_side import side_by_side
from .ternary import TernaryConvolution

__all__ = ["Fit", "fit_layer", "fit_network"]

#: Turns, and how often coefficients are gone through in each.
_ROUNDS, _SWEEPS = 10, 2
#: Patches that moments are taken of, about.
_PATCHES = 100_000
#: Added to the variance of each pixel of a patch, over the mean variance: keeps moments of few patches from being believed too much.
_DAMPING = 0.01
_LEAST_VARIANCE = 1e-6


@dataclass(frozen=True, kw_only=True, eq=False)
class Fit:
    """What was found for one layer."""

    #: Tensor [M, R, S].
    bases: torch.Tensor
    #: Tensor [K, C / groups, M]: what each coefficient would be if it could be any number and the others stayed ternary.
    coefficients: torch.Tensor
    #: Tensor [C, R * S, R * S]: covariances of the pixels of a patch that are of one channel.
    moments: torch.Tensor
    #: Coefficients are zero that lose at most this, as ``TernaryConvolution.losses`` counts it.
    loss: torch.Tensor


def fit_layer(unit, weight, moments, cross, zeros=None):
    """Coefficients and bases for one layer.

    Parameters
    ----------
    unit : TernaryConvolution
        Where to start, and which coefficients there are; stays as it is.
    weight : Tensor [K, C / groups, R, S]
        Of the trained layer.
    moments : Tensor [groups, N, N]
        float64, ``N = C / groups * R * S``: covariances of the pixels of patches that this layer reads.
    cross : Tensor [groups, N, N]
        Those of pixels that the trained layer reads, the first axis, with pixels that this one does.
    zeros : float or None
        Share of coefficients to be zero; ``None``: those that are best so.

    Returns
    -------
    Fit
    """
    layer = unit.layer
    groups, channels, places = layer.groups, layer.inputs // layer.groups, weight[0, 0].numel()
    by_group = (groups, layer.outputs // groups, -1)
    wanted = weight.double().reshape(by_group) @ cross
    ternary = unit.combination().detach().double().reshape(by_group)
    kept = unit.kept.reshape(by_group)
    bases = unit.bases.detach().double().flatten(1)
    for _ in range(_ROUNDS):
        bases = _fit_bases(ternary, moments, wanted, bases)
        parts = moments.reshape(groups, channels, places, channels, places)
        seen = torch.einsum("mp,gcpds->gcmds", bases, parts)
        system = torch.einsum("gcmds,ns->gcmdn", seen, bases).flatten(3).flatten(1, 2)
        target = torch.einsum("gkcp,mp->gkcm", wanted.unflatten(2, (channels, places)), bases).flatten(2)
        ternary, wishes, price = _fit_coefficients(ternary, system, target, kept, zeros)
    energies = system.diagonal(dim1=1, dim2=2)
    own = torch.einsum("gcpcs->gcps", parts).flatten(0, 1)
    return Fit(
        bases=bases.reshape(unit.bases.shape),
        coefficients=wishes.reshape(unit.coefficients.shape),
        moments=own,
        loss=price / energies.mean(),
    )


def _fit_bases(ternary, moments, wanted, bases):
    """Bases [M, R * S] of least squared error for coefficients; those that no coefficient is left for stay as they are."""
    groups, channels = len(ternary), ternary.shape[2] // len(bases)
    count, places = bases.shape
    pairs = torch.einsum("gka,gkb->gab", ternary, ternary)
    pairs = pairs.reshape(groups, channels, count, channels, count)
    parts = moments.reshape(groups, channels, places, channels, places)
    system = torch.einsum("gcmdn,gcpds->mpns", pairs, parts).reshape(count * places, -1)
    target = torch.einsum(
        "gkcm,gkcp->mp",
        ternary.unflatten(2, (channels, count)),
        wanted.unflatten(2, (channels, places)),
    )
    # A little of the bases as they are keeps the system solvable.
    little = 1e-6 * system.diagonal().mean().clamp(min=_LEAST_VARIANCE)
    system = system + little * torch.eye(len(system), dtype=system.dtype)
    return torch.linalg.solve(system, target.flatten() + little * bases.flatten()).reshape(bases.shape)


def _fit_coefficients(ternary, system, target, kept, zeros):
    """Better ternary coefficients [groups, K / groups, C / groups * M]; what each would like to be; and the price of those that are not zero."""
    ternary = ternary.clone()
    slopes = ternary @ system - target
    energies = system.diagonal(dim1=1, dim2=2).clamp(min=torch.finfo(system.dtype).tiny)[:, None]
    price = _price(ternary - slopes / energies, energies, kept, zeros)
    for _ in range(_SWEEPS):
        for place in range(ternary.shape[2]):
            energy, before = energies[:, :, place], ternary[:, :, place]
            pull = before * energy - slopes[:, :, place]
            chosen = pull.sign() * (2 * pull.abs() > energy + price) * kept[:, :, place]
            # Few are others than before, after the first turns.
            group, channel = (chosen != before).nonzero(as_tuple=True)
            change = (chosen - before)[group, channel]
            slopes[group, channel] += change[:, None] * system[group, place]
            ternary[:, :, place] = chosen
    return ternary, ternary - slopes / energies, price


def _price(wishes, energies, kept, zeros):
    """What a coefficient must gain, so that a share of them is zero."""
    if zeros is None:
        return energies.new_zeros(())
    gains = torch.where(kept, (2 * wishes.abs() - 1) * energies, -torch.inf).flatten()
    count = round(zeros * len(gains))
    return gains.kthvalue(count).values.clamp(min=0) if count else energies.new_zeros(())


@torch.no_grad()
def fit_network(network, made, images, zeros=None):
    """Fit the ternary layers of ``made``, one after the other, to those of the trained ``network``, on what they read of ``images``.

    Batch norms behind them get the means and variances of these images, others an offset that keeps the means.

    Parameters
    ----------
    network : sw.model.Network
        Trained; stays as it is.
    made : sw.model.Network
        Of the same layers, some of them ``TernaryConvolution``. Changed in place.
    images : Tensor [n, C, H, W]
        Pixels from 0 to 255, float.
    zeros : dict
        Share of zeros by name of layer; layers without get those that are best.

    Returns
    -------
    sw.model.Network
        ``made``, for inference.
    """
    for layer, before, now in side_by_side(network, made, images):
        if isinstance(layer, ConvolutionLayer) and isinstance(made.unit(layer.name), TernaryConvolution):
            unit = made.unit(layer.name)
            moments, cross = _moments(layer, before[0], now[0])
            weight = network.unit(layer.name).kernel()
            unit.take(fit_layer(unit, weight, moments, cross, (zeros or {}).get(layer.name)))
            _settle(
                unit.normalise, convolve(now[0], unit.kernel(), layer), convolve(before[0], weight, layer)
            )
    return made


def _settle(normalise, sums, wanted):
    """Statistics of a batch norm for its ``sums``, or an offset by which their means are those ``wanted``."""
    means = sums.mean((0, 2, 3))
    if isinstance(normalise, nn.BatchNorm2d):
        normalise.running_mean.copy_(means)
        normalise.running_var.copy_(sums.var((0, 2, 3)))
    else:
        normalise.offset += normalise.gain * (wanted.mean((0, 2, 3)) - means)


def _moments(layer, before, now):
    """Covariances of the pixels of patches ``now``, and of those ``before`` with those ``now``, float64 [groups, N, N]."""
    patches = [_patches(layer, images) for images in (before, now)]
    patches = [part - part.mean(2, keepdim=True) for part in patches]
    count = patches[0].shape[2]
    cross, moments = (part @ patches[1].mT for part in patches)
    cross, moments = cross.double() / count, moments.double() / count
    size = moments.shape[1]
    # Channels may all be zero.
    variance = moments.diagonal(dim1=1, dim2=2).mean().clamp(min=_LEAST_VARIANCE)
    damping = _DAMPING * variance * torch.eye(size, dtype=moments.dtype)
    return moments + damping, cross + damping


def _patches(layer, images):
    """What a convolution reads for its output pixels, some of them, float32 [groups, N, count]."""
    top, left, bottom, right = layer.padding
    padded = functional.pad(images, (left, right, top, bottom))
    patches = functional.unfold(padded, layer.kernel, stride=layer.stride)
    # Odd, so that no columns of pixels are left out.
    every = patches.shape[0] * patches.shape[2] // _PATCHES | 1
    patches = patches.permute(1, 0, 2).flatten(1)[:, ::every]
    return patches.unflatten(0, (layer.groups, -1))
