"""A share of operations that may be left, as the setting of a method: what zeros or channels have to go.

Where it can be, the answer comes from the method itself, without its training, on the network before compression: the least share, in steps of
a thousandth, with which that has no more operations than asked for. What training changes is not in it.
"""

import copy
import dataclasses
from dataclasses import dataclass

from ..complexity import network_complexity, total
from .amc.pipeline import AmcSettings
from .amc.spaces import coefficient_space
from .channel_pruning.filters import FilterSettings, without_weakest
from .channel_pruning.groups import channel_groups
from .channel_pruning.lasso import LassoSettings, readable_groups
from .channel_pruning.slimming import SlimmingSettings, normalised_groups
from .decomposed import decompose_network
from .escalate import EscalateSettings, SearchedEscalateSettings, first_ternary, pruned_units
from .magnitude import MagnitudeSettings, RestoreSettings, prune_least
from .micronet.pipeline import SensitivitySettings
from .penni import PenniSettings, prune
from .plan import plan_layers
from .ternary import set_sparsity

__all__ = ["Asked", "with_operations"]

#: Greatest share that is asked for, in thousandths.
_MOST = 950


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a method was told because of a budget."""

    method: str
    #: Name and value of its setting.
    setting: str
    value: float
    #: Share of the dense network's operations that this is expected to leave; above the budget where no share meets it.
    estimate: float


def with_operations(recipe, network, share):
    """``recipe`` told to leave ``share`` of the operations of ``network``, which stays as it is.

    The last method that can be told is, unless its zeros come back later.

    Parameters
    ----------
    recipe : Recipe
    network : sw.model.Network
        Trained, with weights of its own.
    share : float
        Above 0, at most 1, of the multiply-adds of the dense network.

    Returns
    -------
    Recipe
    Asked or None
        ``None`` where no method can be told, and the recipe is as it was.
    """
    dense = total(network_complexity(network), "dense").operations
    for name, method in reversed(list(zip(recipe.names(), recipe.methods, strict=True))):
        kind = type(method)
        if kind is RestoreSettings:
            break
        if kind in _TRIALS:
            setting, trials = _TRIALS[kind]
            value, estimate = _least_share(trials(network, method), dense, share)
            changes = {setting: value}
        elif kind in _BUDGETS and (found := _BUDGETS[kind](network, method, dense, share)) is not None:
            setting = "sparsity"
            changes, estimate = found
        else:
            continue
        asked = Asked(method=name, setting=setting, value=changes[setting], estimate=estimate)
        return recipe.changed(kind, **changes), asked
    return recipe, None


def _least_share(trial, dense, share):
    """The least share of zeros whose network, ``trial(zeros)``, keeps the budget, else the greatest, and the share of operations left."""

    def left(thousandths):
        return total(network_complexity(trial(thousandths / 1000))).operations / dense

    low, high = -1, _MOST
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if left(middle) <= share else (middle, high)
    return high / 1000, left(high)


def _magnitude_trials(network, settings):
    return lambda zeros: prune_least(network, dataclasses.replace(settings, sparsity=zeros))


def _channel_trials(network, settings):
    """Which channels go makes no difference to the operations; that slimming takes more of one layer does."""
    if isinstance(settings, LassoSettings):
        groups = [group for group, _ in readable_groups(network)]
    else:
        groups = (normalised_groups if isinstance(settings, SlimmingSettings) else channel_groups)(network)

    layers = getattr(settings, "layers", {})
    return lambda gone: without_weakest(network, groups, gone, layers)


def _penni_trials(network, settings):
    whole = decompose_network(network, plan_layers(network, bases=settings.bases, energy=settings.energy))

    def trial(zeros):
        made = copy.deepcopy(whole)
        prune(made, zeros=zeros)
        return made

    return trial


def _escalate_trials(network, settings):
    made = first_ternary(network, settings)

    def trial(zeros):
        set_sparsity(pruned_units(made), zeros)
        return made

    return trial


def _sensitivity_budget(network, settings, dense, share):
    return {"sparsity": 1 - share, "cost": "operations"}, share


def _amc_budget(network, settings, dense, share):
    # Of coefficients the whole is what PENNI will have left.
    if settings.action == "coefficients":
        return None
    return {"sparsity": 1 - share, "search": _of_operations(settings.search)}, share


def _searched_budget(network, settings, dense, share):
    space = coefficient_space(first_ternary(network, settings))
    whole = space.work((0,) * len(space.counts)).operations
    sparsity = min(max(0.0, 1 - share * dense / whole), _MOST / 1000)
    changes = {"sparsity": sparsity, "search": _of_operations(settings.search)}
    return changes, (1 - sparsity) * whole / dense


def _of_operations(search):
    return dataclasses.replace(search, cost="operations", protocol="constrained")


#: Name of the setting, and ``function(network, settings)`` that gives a function from its value to a network.
_TRIALS = {
    MagnitudeSettings: ("sparsity", _magnitude_trials),
    FilterSettings: ("sparsity", _channel_trials),
    LassoSettings: ("sparsity", _channel_trials),
    SlimmingSettings: ("sparsity", _channel_trials),
    PenniSettings: ("zeros", _penni_trials),
    EscalateSettings: ("sparsity", _escalate_trials),
}
#: Methods that have a budget of their own: ``function(network, settings, dense, share)`` gives changes and the share left.
_BUDGETS = {
    SensitivitySettings: _sensitivity_budget,
    AmcSettings: _amc_budget,
    SearchedEscalateSettings: _searched_budget,
}
