"""PENNI's decomposition: every 2-D kernel of a layer as a combination of a few shared basis kernels.

Source: S. Li et al., "PENNI: Pruned Kernel Sharing for Efficient CNN Inference", ICML 2020. The
decomposition is uncentred, so that ``coefficients x bases`` is the kernel itself and not its
distance from a mean.
"""

import torch

__all__ = ["bases_for_energy", "decompose", "expand", "kept_bases", "rebuild"]


def decompose(weight, bases):
    """Leading right singular vectors of ``weight`` [K, C, R, S] taken as K*C rows of R*S numbers.

    Returns
    -------
    coefficients : Tensor [K, C, M]
    bases : Tensor [M, R, S]
        Orthonormal, the most important first.

    Raises
    ------
    ValueError
        If more bases are asked for than the R*S there are.
    """
    outputs, inputs, height, width = weight.shape
    if not 1 <= bases <= height * width:
        raise ValueError(
            f"expected from 1 to {height * width} bases for a {height}x{width} kernel, got {bases}"
        )
    rows = weight.detach().double().reshape(outputs * inputs, height * width)
    # The R*S x R*S Gram matrix has the same right singular vectors, also where K*C < R*S.
    _, vectors = torch.linalg.eigh(rows.T @ rows)
    leading = vectors.flip(1)[:, :bases].T
    # The sign of a singular vector is arbitrary; fix it so that the result does not hang on the library.
    largest = leading.gather(1, leading.abs().argmax(1, keepdim=True))
    leading = leading * largest.sign()
    coefficients = rows @ leading.T
    return (
        coefficients.reshape(outputs, inputs, bases).to(weight.dtype),
        leading.reshape(bases, height, width).to(weight.dtype),
    )


def bases_for_energy(weight, share):
    """Fewest bases that keep at least ``share`` (0 to 1) of the squared weights of ``weight`` [K, C, R, S]."""
    if not 0 < share <= 1:
        raise ValueError(f"expected a share of energy above 0 and at most 1, got {share}")
    rows = weight.detach().double().flatten(0, 1).flatten(1)
    energy = torch.linalg.eigvalsh(rows.T @ rows).flip(0).clamp(min=0).cumsum(0)
    # The last sum may be a rounding below the whole.
    return int((energy < share * energy[-1] * (1 - 1e-12)).sum()) + 1


def rebuild(coefficients, bases):
    """Kernel [K, C, R, S] of ``coefficients`` [K, C, M] and ``bases`` [M, R, S]."""
    return torch.einsum("kcm,mrs->kcrs", coefficients, bases)


def kept_bases(coefficients, kept):
    """Which bases each output channel keeps: the ``kept`` with most energy over its input channels.

    The energy of a group (k, m) is what leaving it out adds to the squared error, the bases being
    orthonormal. The accelerator never schedules an empty group, so the groups left out cost no cycle.

    Returns
    -------
    Tensor
        bool [K, M].
    """
    energy = coefficients.square().sum(1)
    best = energy.topk(min(kept, energy.shape[1]), dim=1).indices
    return torch.zeros_like(energy, dtype=torch.bool).scatter_(1, best, True)


def expand(weight, planes, project):
    """Ternary expansion of a 1x1 kernel, whose bases are scalars: each plane is fitted to what is left.

    Parameters
    ----------
    weight : Tensor [K, C, 1, 1]
    planes : int
        M.
    project : callable
        ``project(rest) -> (ternary, scale)``, both of ``rest``'s meaning: ``rest ~= scale * ternary``.

    Returns
    -------
    coefficients : Tensor [K, C, M]
        The rest that each plane was fitted to.
    bases : Tensor [M, 1, 1]
        Ones: the scales come with the ternary projection.
    """
    rest = weight.detach()[:, :, 0, 0]
    levels = []
    for _ in range(planes):
        levels.append(rest)
        ternary, scale = project(rest)
        rest = rest - scale * ternary
    return torch.stack(levels, 2), weight.new_ones(planes, 1, 1)
