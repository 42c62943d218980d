"""Cycles of policies without the cycle model: straight lines between a few measured shares, for each layer by itself.

The model is asked once for each of ``SHARES``, with that share of zeros in all layers, before the search. What it does not see: zeros of
one layer change what the next one reads, and channels without coefficients leave, which takes cycles from both.
"""

import numpy as np

__all__ = ["SHARES", "estimate_cycles"]

#: Shares of zeros that cycles are measured at.
SHARES = (0.0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95)


def estimate_cycles(space, integers, run):
    """A function of what is removed of each layer, that gives cycles an image.

    Parameters
    ----------
    space : NumberSpace
        Of ternary coefficients.
    integers : callable
        ``IntegerNetwork`` of a network of the space, without retraining.
    run : Run
        Whose ``cycles`` measures.

    Returns
    -------
    callable
        It never rises when more is removed.

    Raises
    ------
    ValueError
        If nobody counts cycles.
    """
    if run.cycles is None:
        raise ValueError(
            "expected a Run with a function that counts cycles, got none; take operations as the cost"
        )
    measured = []
    for number, share in enumerate(SHARES):
        run.show(0.0, f"cycles at {share:.0%}, {number + 1} of {len(SHARES)}")
        removed = [
            max(round(share * count), gone) for count, gone in zip(space.counts, space.gone, strict=True)
        ]
        measured.append(run.cycles(integers(space.network(removed))))
    names = [layer.name for layer in space.layers]
    lines = [np.minimum.accumulate([cycles[name] for cycles in measured]) for name in names]
    others = max(sum(count for name, count in cycles.items() if name not in names) for cycles in measured)

    def estimate(removed):
        found = [
            np.interp(gone / count, SHARES, line)
            for gone, count, line in zip(removed, space.counts, lines, strict=True)
        ]
        return float(others + sum(found))

    return estimate
