"""The optimiser of a network, with a rate of its own for each group of parameters."""

import torch

from .schedules import rate_factor

__all__ = ["make_optimiser", "set_rate"]


def make_optimiser(network, settings, groups=None):
    """SGD with Nesterov momentum, or AdamW (Loshchilov and Hutter, 2019).

    Parameters
    ----------
    network : nn.Module
    settings : TrainingSettings
    groups : callable or None
        ``groups(network)`` lists dictionaries: ``"params"``, and if need be ``"rate"``, a multiple of
        ``settings.rate``, and ``"weight_decay"``.

    Raises
    ------
    ValueError
        If a parameter is in no group.
    """
    listed = [{"params": list(network.parameters())}] if groups is None else groups(network)
    listed = [{"rate": 1.0, **group, "params": list(group["params"])} for group in listed]
    held = {id(parameter) for group in listed for parameter in group["params"]}
    missing = [name for name, parameter in network.named_parameters() if id(parameter) not in held]
    if missing:
        raise ValueError(f"expected every parameter in a group, got none with {', '.join(missing)}")
    if settings.optimiser == "adamw":
        return torch.optim.AdamW(listed, lr=settings.rate, weight_decay=settings.weight_decay)
    return torch.optim.SGD(
        listed,
        lr=settings.rate,
        momentum=settings.momentum,
        nesterov=settings.momentum > 0,
        weight_decay=settings.weight_decay,
    )


def set_rate(optimiser, settings, step, steps):
    """Gives every group its rate at ``step`` of ``steps``; returns that of a group with the multiple 1."""
    rate = settings.rate * rate_factor(settings, step, steps)
    for group in optimiser.param_groups:
        group["lr"] = rate * group["rate"]
    return rate
