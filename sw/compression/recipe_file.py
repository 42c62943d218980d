"""Recipes as TOML files: one table ``[[methods]]`` for each method, in order; what it does not say is the method's default.

    [[methods]]
    method = "magnitude"
    sparsity = 0.8

    [methods.tuning]
    epochs = 10

Recipes by name are such files, in ``sw/compression/recipes``.
"""

import tomllib
from pathlib import Path

import tomli_w

from .recipe import METHODS, Recipe
from .typed import settings_from, values_of

__all__ = ["load_recipe", "parse_recipe", "recipe_names", "recipe_text"]

_FOLDER = Path(__file__).parent / "recipes"


def recipe_names():
    """Names that ``load_recipe`` knows."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))


def load_recipe(source):
    """The ``Recipe`` of a name of ``recipe_names()``, or of a file.

    Raises
    ------
    ValueError
        In one line: the file, the method and the setting that is not as expected.
    """
    path = _FOLDER / f"{source}.toml" if str(source) in recipe_names() else Path(source)
    if not path.is_file():
        raise ValueError(
            f"expected a recipe from {', '.join(recipe_names())}, or a file of one, got {str(source)!r}: no such file"
        )
    try:
        return parse_recipe(path.read_text())
    except (UnicodeDecodeError, ValueError) as error:
        raise ValueError(f"{source}: {error}") from None


def parse_recipe(text):
    """The ``Recipe`` of a text.

    Raises
    ------
    ValueError
        Naming the method and the setting that is not as expected, or the line that is no TOML.
    """
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"expected a recipe in TOML, got {error}") from None
    unknown = [name for name in values if name != "methods"]
    tables = values.get("methods", [])
    if unknown or not isinstance(tables, list):
        raise ValueError(f"expected nothing but tables [[methods]], got {(unknown or ['methods'])[0]!r}")
    return Recipe(methods=tuple(_method(number, table) for number, table in enumerate(tables, 1)))


def recipe_text(recipe):
    """A recipe as the text of a file, with every setting: ``parse_recipe`` gives the same recipe."""
    tables = [
        {"method": name} | values_of(settings)
        for name, settings in zip(recipe.names(), recipe.methods, strict=True)
    ]
    return tomli_w.dumps({"methods": tables})


def _method(number, table):
    if not isinstance(table, dict):
        raise ValueError(f"method {number}: expected a table [[methods]], got {table!r}")
    name = table.get("method")
    if name not in METHODS:
        raise ValueError(f"method {number}: expected a method from {', '.join(METHODS)}, got {name!r}")
    values = {key: value for key, value in table.items() if key != "method"}
    kind = METHODS[name].settings
    try:
        return settings_from(kind, values, kind())
    except ValueError as error:
        raise ValueError(f"method {number}, {name}: {error}") from None
