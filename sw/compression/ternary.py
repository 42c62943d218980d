"""Ternary coefficients: projection, the layer that is retrained through it, and the one knob of its sparsity."""

import copy

import torch

from .decomposed import DecomposedConvolution
from .decomposition import decompose, expand, kept_bases

__all__ = [
    "TernaryConvolution",
    "project",
    "set_sparsity",
    "sparsity",
    "straight_through",
    "ternary_network",
    "ternary_units",
]

#: Threshold over mean magnitude that minimises the squared error of Gaussian numbers, nearly
#: (F. Li et al., "Ternary Weight Networks", 2016).
THRESHOLD = 0.7
#: How far beyond their threshold numbers behind ternary coefficients count, in units of their scale: further out they gain
#: nothing, and would take long to come back.
_BEYOND = 1.0
#: Least energy of a basis that is counted with, of their mean.
_LEAST_ENERGY = 1e-6
#: Share of what coefficients usually are that is remembered from one step of training to the next.
_MEMORY = 0.99


def project(numbers, kept=None):
    """Nearest ``scale * ternary`` to ``numbers``, by threshold.

    Parameters
    ----------
    numbers : Tensor
    kept : Tensor or None
        bool, of the same shape: elements outside it are zero and count for nothing.

    Returns
    -------
    ternary : Tensor
        -1, 0 and +1.
    scale : Tensor
        The best one for ``ternary`` in squared error; 1 if all of it is zero.
    """
    kept = torch.ones_like(numbers, dtype=torch.bool) if kept is None else kept
    magnitude = numbers.abs() * kept
    threshold = THRESHOLD * mean_magnitude(numbers, kept)
    chosen = magnitude > threshold
    scale = magnitude[chosen].mean() if chosen.any() else torch.ones_like(threshold)
    return numbers.sign() * chosen, scale


def mean_magnitude(numbers, kept):
    """Mean magnitude of the ``numbers`` that are ``kept``; 0 where none are."""
    return (numbers.abs() * kept).sum() / kept.sum().clamp(min=1)


def straight_through(exact, latent):
    """``exact`` going forward, the gradient of ``latent`` going back."""
    return latent + (exact - latent).detach()


class TernaryConvolution(DecomposedConvolution):
    """Convolution with the kernel ``sum_m q[k, c, m] * B[m]``, ``q`` ternary.

    Coefficients are trained as real numbers in units of their basis' scale and cut at a threshold, the basis' own; bases
    carry the scales. Coefficients and bases are trained together: a step of training changes few signs, so they need not
    be told apart as in PENNI.

    Training draws many of these numbers to a threshold, where they go to and fro at any rate: batch norms never have the
    statistics of the coefficients that come out, and all else learns to bear what will not be there. So in the course of a
    training one coefficient after the other, in random order, stays at what it has usually been, and those that are left
    make up for it (M. Nagel et al., "Overcoming Oscillations in Quantization-Aware Training", ICML 2022, who freeze those
    that go to and fro most often; A. Zhou et al., "Incremental Network Quantization", ICLR 2017, in halves of all weights).

    Parameters
    ----------
    layer, normalise
        As for ``ConvolutionUnit``.
    coefficients : Tensor [K, C / groups, M]
        Real numbers that the ternary ones are fitted to, in units of ``bases`` [M, R, S].
    kept : Tensor
        bool, of the shape of ``coefficients``: the others stay zero.
    """

    per_channel = (*DecomposedConvolution.per_channel, "usual", "turn")
    per_input = ("threshold", "moments")
    per_coefficient = (*DecomposedConvolution.per_coefficient, "threshold", "usual", "turn")

    def __init__(self, layer, coefficients, bases, normalise, kept):
        planes = [(coefficients[:, :, m], kept[:, :, m]) for m in range(len(bases))]
        scales = torch.stack([project(*plane)[1] for plane in planes])
        super().__init__(layer, coefficients / scales, bases * scales[:, None, None], normalise, kept)
        threshold = THRESHOLD * torch.stack([mean_magnitude(*plane) for plane in planes]) / scales
        places = bases[0].numel()
        #: [C, M]
        self.register_buffer("threshold", threshold.repeat(layer.inputs, 1))
        #: [C, R * S, R * S]: covariances of the pixels that the places of a kernel read; those of noise, until a fit knows better.
        self.register_buffer(
            "moments", torch.eye(places, dtype=bases.dtype).repeat(layer.inputs, 1, 1).to(bases.device)
        )
        #: [K, C / groups, M]: moving average of the ternary coefficients.
        self.register_buffer("usual", self.combination().detach())
        turn = torch.rand(coefficients.shape, generator=torch.Generator().manual_seed(0))
        #: [K, C / groups, M], from 0 to below 1: share of settled coefficients from which each is one of them.
        self.register_buffer("turn", turn.to(coefficients))

    @classmethod
    def of(cls, unit, plan):
        """The closest one to a ``DenseConvolution`` or a ``DecomposedConvolution``, which stays as it is."""
        layer, normalise = unit.layer, copy.deepcopy(unit.normalise)
        kernel = unit.kernel().detach()
        if layer.kernel == (1, 1):
            coefficients, bases = expand(kernel, plan.bases, project)
            return cls(layer, coefficients, bases, normalise, torch.ones_like(coefficients, dtype=torch.bool))
        if isinstance(unit, DecomposedConvolution):
            coefficients, bases, allowed = unit.coefficients.detach(), unit.bases.detach(), unit.kept
            norms = bases.flatten(1).norm(dim=1).clamp(min=torch.finfo(bases.dtype).tiny)
            coefficients, bases = coefficients * norms, bases / norms[:, None, None]
        else:
            coefficients, bases = decompose(kernel, plan.bases)
            allowed = torch.ones_like(coefficients, dtype=torch.bool)
        kept = kept_bases(coefficients * allowed, plan.kept)[:, None, :] & allowed
        return cls(layer, coefficients, bases, normalise, kept)

    def combination(self):
        """Coefficients [K, C / groups, M] of -1, 0 and +1, with a gradient to the numbers behind them."""
        threshold = self._of_inputs(self.threshold)
        limit = threshold + _BEYOND
        latent = torch.minimum(torch.maximum(self.coefficients, -limit), limit)
        exact = latent.sign() * (latent.abs() > threshold) * self.kept
        return straight_through(exact, latent * self.kept)

    def losses(self):
        """What the sums of the layer lose in squared error where a coefficient is zero instead of one, [K, C / groups, M]; ``-inf`` for those that are not kept.

        Of a number ``r`` in units of its scale that is ``r ** 2 - (r - 1) ** 2`` times the energy of what its basis gives for its input channel,
        whose mean in the layer is 1.
        """
        losses = (2 * self.coefficients.detach().abs() - 1) * self._of_inputs(self._energies())
        return torch.where(self.kept, losses, -torch.inf)

    @torch.no_grad()
    def give_up(self, loss):
        """Move the thresholds so that coefficients become zero whose loss is at most ``loss``, a Tensor of no dimension."""
        self.threshold.copy_(((1 + loss / self._energies()) / 2).clamp(min=0))

    @torch.no_grad()
    def take(self, fit):
        """Become what a ``Fit`` found, to be trained; batch norm stays as it is."""
        self.bases.copy_(fit.bases)
        self.moments.copy_(fit.moments)
        self.give_up(fit.loss.to(self.bases.dtype))
        # Beyond it they would have no gradient.
        limit = self._of_inputs(self.threshold) + 0.9 * _BEYOND
        self.coefficients.copy_(torch.minimum(torch.maximum(fit.coefficients, -limit), limit))
        self.unsettle()

    @torch.no_grad()
    def remember(self):
        """Count the coefficients after a step of training among what they usually are."""
        self.usual.lerp_(self.combination(), 1 - _MEMORY)

    @torch.no_grad()
    def settle(self, share):
        """Leave this share of the coefficients, at random, at what they usually were; if it is 1, train them no more.

        To be called after each step from then on, with a share that does not fall: settled coefficients are trained with the others, and put back.
        """
        settled = self.turn < share
        usual = self.usual.round()
        self.usual.copy_(torch.where(settled, usual, self.usual))
        clear = usual * (self._of_inputs(self.threshold) + _BEYOND / 2)
        # The others still say which of them would be given up first.
        moved = settled & (self.combination() != usual)
        self.coefficients.copy_(torch.where(moved, clear, self.coefficients))
        if share == 1:
            self.coefficients.requires_grad_(False)

    @torch.no_grad()
    def unsettle(self):
        """Train coefficients, again if they had settled; what they usually are is what they are now."""
        self.coefficients.requires_grad_(True)
        self.usual.copy_(self.combination())

    def _energies(self):
        """[C, M]"""
        bases = self.bases.detach().flatten(1)
        energies = torch.einsum("cpq,mp,mq->cm", self.moments, bases, bases)
        return (energies / energies.mean()).clamp(min=_LEAST_ENERGY)

    def _of_inputs(self, numbers):
        """``numbers`` [C, M] as they are for each output channel, to be combined with [K, C / groups, M]."""
        groups = self.layer.groups
        numbers = numbers.unflatten(0, (groups, -1))
        return numbers if groups == 1 else numbers.repeat_interleave(self.layer.outputs // groups, 0)


def ternary_units(network):
    """Layers and units of a network whose coefficients are ternary, in order."""
    return [(layer, unit) for layer, unit in network.units() if isinstance(unit, TernaryConvolution)]


def ternary_network(network, plans):
    """``network`` with every layer ternary that ``plans``, ``{name: LayerPlan}``, decomposes; other units are copied."""
    units = {
        layer.name: TernaryConvolution.of(unit, plans[layer.name])
        if plans[layer.name].decomposed
        else copy.deepcopy(unit)
        for layer, unit in network.units()
    }
    return network.replaced(units)


@torch.no_grad()
def sparsity(units):
    """Share of zeros among the coefficients of ternary ``units``."""
    if not units:
        raise ValueError("expected at least one layer with ternary coefficients, got none")
    nonzero = sum(int(torch.count_nonzero(unit.combination())) for unit in units)
    return 1 - nonzero / sum(unit.coefficients.numel() for unit in units)


@torch.no_grad()
def set_sparsity(units, share):
    """Move the thresholds of ternary ``units`` so that ``share`` of all their coefficients is zero, or more where sums gain by it.

    It is those by which sums lose least: where what a basis gives for an input channel has little energy, more coefficients become zero.

    Raises
    ------
    ValueError
        If ``share`` is not from 0 to below 1.
    """
    if not units:
        raise ValueError("expected at least one layer with ternary coefficients, got none")
    if not 0 <= share < 1:
        raise ValueError(f"expected a share of zeros from 0 to below 1, got {share}")
    losses = torch.cat([unit.losses().flatten() for unit in units])
    zeros = round(share * losses.numel())
    most = losses.kthvalue(zeros).values.clamp(min=0) if zeros else losses.new_zeros(())
    for unit in units:
        unit.give_up(most)
