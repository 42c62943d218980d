"""How the learning rate moves: its share of the highest rate at each step."""

import math

__all__ = ["rate_factor"]


def rate_factor(settings, step, steps):
    """Share of ``settings.rate`` at ``step`` of ``steps``, counted from 0.

    A rise in equal parts over the warm-up; then a half cosine to zero (Loshchilov and Hutter, 2017), steps to a tenth
    at 50 % and 75 % of all steps, or a constant.
    """
    warm = round(steps * settings.warm_up)
    if step < warm:
        return (step + 1) / (warm + 1)
    if settings.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * (step - warm) / (steps - warm)))
    if settings.schedule == "step":
        return 0.1 ** ((step >= steps * 0.5) + (step >= steps * 0.75))
    return 1.0
