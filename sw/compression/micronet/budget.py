"""Shares of zeros for every layer from a sensitivity scan, within a budget.

The authors chose theirs by hand. Ours: every layer may cost the same accuracy, the tolerance ``t``. Layer ``l`` gets the greatest share ``s``
with ``drop_l(s) <= t``, where ``drop_l`` is the greatest loss at any share up to ``s``, in straight lines between the
shares that were scanned. ``t`` is the least one with which the budget is met; what rounding leaves of the budget is given back.
"""

from dataclasses import dataclass

import numpy as np

from ..masked import masked_network, prunable_units

__all__ = ["COSTS", "Choice", "budget_of", "choose", "prune_to"]

#: What a budget can count: weights that are left, or multiply-adds with these.
COSTS = ("parameters", "operations")
_BISECTIONS = 60


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What ``choose`` found."""

    #: Weights of each layer that become zero, by name.
    zeros: dict
    #: Accuracy that each layer may cost by itself.
    tolerance: float
    #: What is left, at most the budget.
    left: int


def _weights_and_costs(sensitivity, cost):
    if cost not in COSTS:
        raise ValueError(f"expected a budget of {' or '.join(COSTS)}, got {cost!r}")
    weights = np.array([layer.weights for layer in sensitivity.layers], np.int64)
    places = np.array([layer.places for layer in sensitivity.layers], np.int64)
    return weights, places if cost == "operations" else np.ones_like(places)


def budget_of(sensitivity, share, cost="parameters"):
    """The whole number of weights or multiply-adds that is ``share`` of all, rounded down.

    Raises
    ------
    ValueError
        If ``share`` is not above 0 and at most 1, or ``cost`` is none of ``COSTS``.
    """
    if not 0 < share <= 1:
        raise ValueError(f"expected a share above 0 and at most 1 that is left, got {share}")
    weights, costs = _weights_and_costs(sensitivity, cost)
    return int(share * int((weights * costs).sum()))


def choose(sensitivity, budget, cost="parameters"):
    """Zeros of every layer so that at most ``budget`` weights, or multiply-adds, are left.

    Of weights exactly ``budget`` are left; of multiply-adds less than those of a weight of the layer with the largest map
    are missing.

    Raises
    ------
    ValueError
        If the budget is less than what the greatest scanned share leaves.
    """
    weights, costs = _weights_and_costs(sensitivity, cost)

    def zeros(tolerance):
        return np.array(
            [
                int(_robust_share(sensitivity, layer, tolerance) * layer.weights)
                for layer in sensitivity.layers
            ],
            np.int64,
        )

    def left(zeros):
        return int(((weights - zeros) * costs).sum())

    if left(zeros(np.inf)) > budget:
        raise ValueError(
            f"expected a budget of at least {left(zeros(np.inf)):,} {cost}, what zeros of {max(sensitivity.shares):.0%} leave, "
            f"got {budget:,}; scan greater shares or allow more"
        )
    tolerance, fewer, more = _bisect(zeros, lambda found: left(found) <= budget, 0.0, 1.0)
    # Measured accuracies have steps, and with the least tolerance many weights may go at once: a part of them is enough.
    _, too_few, chosen = _bisect(
        lambda part: fewer + ((more - fewer) * part).astype(np.int64),
        lambda found: left(found) <= budget,
        0.0,
        1.0,
    )
    spare = budget - left(chosen)
    for place in np.argsort(-costs, kind="stable"):
        back = min(spare // int(costs[place]), int(chosen[place] - too_few[place]))
        chosen[place] -= back
        spare -= back * int(costs[place])
    names = [layer.name for layer in sensitivity.layers]
    return Choice(
        zeros=dict(zip(names, chosen.tolist(), strict=True)), tolerance=float(tolerance), left=left(chosen)
    )


def _bisect(function, fits, low, high):
    """Least argument from ``low`` to ``high`` whose value fits, the value just below it, which does not, and its own.

    That of ``high`` fits; where that of ``low`` does, nothing but zeros is below it.
    """
    below, found = np.zeros_like(function(low)), function(low)
    if fits(found):
        return low, below, found
    below, found = found, function(high)
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        value = function(middle)
        if fits(value):
            high, found = middle, value
        else:
            low, below = middle, value
    return high, below, found


def _robust_share(sensitivity, layer, tolerance):
    """Greatest share of zeros at which ``layer`` loses at most ``tolerance``."""
    shares = (0.0, *sensitivity.shares)
    losses = [0.0, *(sensitivity.accuracy - found for found in layer.accuracies)]
    drops = np.maximum.accumulate(np.maximum(losses, 0.0))
    last = int(np.searchsorted(drops, tolerance, side="right")) - 1
    if last == len(shares) - 1:
        return shares[last]
    rise = (tolerance - drops[last]) / (drops[last + 1] - drops[last])
    return shares[last] + rise * (shares[last + 1] - shares[last])


def prune_to(network, zeros):
    """``network`` with masks, of which the ``zeros[name]`` least weights of each layer are zero."""
    made = masked_network(network)
    for layer, unit in prunable_units(made):
        unit.prune(zeros.get(layer.name, 0) / unit.weight.numel())
    return made
