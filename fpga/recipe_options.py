"""Options of ``farthing compress`` that change a recipe."""

import dataclasses

from fpga.presets import find_config
from sw.compression.escalate import EscalateSettings
from sw.compression.recipe import Recipe, TrainSettings
from sw.compression.requantisation import IntegerLimits
from sw.training import TrainingSettings

__all__ = ["recipe_with_options", "sweep_points"]


def recipe_with_options(
    recipe,
    *,
    bases=None,
    energy=None,
    kept=None,
    sparsity=None,
    epochs=None,
    rate=None,
    dense_epochs=None,
    preset=None,
    precision=None,
    device=None,
    seed=None,
):
    """A recipe with what was asked for besides; ``None`` leaves what it says.

    Parameters
    ----------
    bases, energy, kept, preset
        Of every method that has them; ``preset`` is the name or file of the configuration that integers must fit.
    sparsity : float
        Share of zeros of the last method that has one.
    epochs, rate
        Of the longest training after that of the dense network; all others change in proportion. Of 0 epochs there are none.
    dense_epochs : int
        Of a training that comes first, with the rate of the longest one; 0 leaves it out.
    precision, device, seed
        Of every training; the seed also of every search. The precision is not that of refining, as integers are exact in float32 only.

    Returns
    -------
    Recipe

    Raises
    ------
    ValueError
        If no method has what an option sets.
    """
    for name, value in (("bases", bases), ("energy", energy), ("kept", kept)):
        recipe = _set_everywhere(recipe, name, value)
    if preset is not None:
        recipe = _set_everywhere(recipe, "limits", IntegerLimits.of(find_config(preset)), option="preset")
    if sparsity is not None:
        recipe = _with_zeros(recipe, sparsity)
    recipe = _scaled(recipe, epochs, rate)
    if dense_epochs is not None:
        recipe = _with_dense(recipe, dense_epochs)
    shared = {name: value for name, value in (("device", device), ("seed", seed)) if value is not None}

    def everywhere(method, name, training):
        exact = isinstance(method, EscalateSettings) and name == "refining"
        changes = shared if precision is None or exact else {**shared, "precision": precision}
        return dataclasses.replace(training, **changes)

    recipe = _retrained(recipe, everywhere)
    return recipe if seed is None else _searched_from(recipe, seed)


def sweep_points(recipe, bases, shares, sparsity):
    """Recipes of the points of a sweep, by label: one for each number of ``bases`` and each share of zeros.

    Without ``shares`` it is one recipe, with ``sparsity``.

    Raises
    ------
    ValueError
        If there are ``shares`` and the recipe does not end in ESCALATE.
    """
    if shares is None:
        return {"": recipe_with_options(recipe, bases=bases[0] if bases else None, sparsity=sparsity)}
    if recipe.find(EscalateSettings) is None:
        raise ValueError(
            f"expected a recipe that ends in escalate with --sweep, got {', '.join(recipe.names())}"
        )
    points = [
        recipe_with_options(recipe, bases=count, sparsity=share)
        for count in bases or (None,)
        for share in shares
    ]
    last = [point.find(EscalateSettings) for point in points]
    return {f"{one.bases}-{one.sparsity:g}": point for one, point in zip(last, points, strict=True)}


def _set_everywhere(recipe, name, value, option=None):
    if value is None:
        return recipe
    if not any(hasattr(method, name) for method in recipe.methods):
        raise _refusal(recipe, option or name)
    return Recipe(
        methods=tuple(
            dataclasses.replace(method, **{name: value}) if hasattr(method, name) else method
            for method in recipe.methods
        )
    )


def _with_zeros(recipe, share):
    for method in reversed(recipe.methods):
        for name in ("sparsity", "zeros"):
            if hasattr(method, name):
                return recipe.changed(type(method), **{name: share})
    raise _refusal(recipe, "sparsity")


def _searched_from(recipe, seed):
    return Recipe(
        methods=tuple(
            dataclasses.replace(method, search=dataclasses.replace(method.search, seed=seed))
            if hasattr(method, "search")
            else method
            for method in recipe.methods
        )
    )


def _refusal(recipe, option):
    return ValueError(
        f"expected a recipe with a method that --{option} sets, got {', '.join(recipe.names())}; leave the option out"
    )


def _trainings(recipe):
    """Every training after that of the dense network."""
    found = []
    _retrained(recipe, lambda method, name, training: found.append(training) or training)
    return found if recipe.dense is None else found[1:]


def _scaled(recipe, epochs, rate):
    trainings = _trainings(recipe)
    if epochs is None and rate is None:
        return recipe
    if not trainings:
        raise _refusal(recipe, "epochs" if epochs is not None else "rate")
    longest = max(trainings, key=lambda training: training.epochs)

    def scaled(method, name, training):
        if not any(training is one for one in trainings):
            return training
        changes = {}
        if epochs is not None:
            share = epochs * training.epochs // max(1, longest.epochs)
            changes["epochs"] = max(min(1, epochs), share)
        if rate is not None:
            changes["rate"] = rate * (training.rate / longest.rate)
        return dataclasses.replace(training, **changes)

    return _retrained(recipe, scaled)


def _with_dense(recipe, epochs):
    if epochs == 0:
        return recipe.after_training()
    if recipe.dense is not None:
        first = dataclasses.replace(recipe.dense, epochs=epochs)
        return Recipe(methods=(TrainSettings(training=first), *recipe.methods[1:]))
    longest = max(_trainings(recipe), key=lambda training: training.epochs)
    first = TrainingSettings(epochs=epochs, rate=longest.rate, augmentation=longest.augmentation)
    return Recipe(methods=(TrainSettings(training=first), *recipe.methods))


def _retrained(recipe, change):
    """The recipe with every training replaced by ``change(method, name, training)``."""
    return Recipe(
        methods=tuple(
            dataclasses.replace(
                method,
                **{
                    member.name: change(method, member.name, getattr(method, member.name))
                    for member in dataclasses.fields(method)
                    if isinstance(getattr(method, member.name), TrainingSettings)
                },
            )
            for method in recipe.methods
        )
    )
