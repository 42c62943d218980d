"""Settings as plain values, and back: what each value must be is what the dataclass says.

Plain values are those of TOML, which has no ``None``: the text ``"none"`` stands for it.
"""

import dataclasses
import difflib
import types
from typing import Union, get_args, get_origin, get_type_hints

__all__ = ["settings_from", "values_of"]

_NONE = "none"
_WORDS = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}


def values_of(value):
    """Plain values of settings: of a dataclass its members, by name."""
    if dataclasses.is_dataclass(value):
        return {member.name: values_of(getattr(value, member.name)) for member in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {name: values_of(member) for name, member in value.items()}
    return _NONE if value is None else value


def settings_from(kind, values, base=None):
    """Settings of the class ``kind``.

    Parameters
    ----------
    kind : type
        A frozen dataclass.
    values : dict
        Plain values by name, of some of its members.
    base : object or None
        Where the other members come from; ``None`` takes their defaults. Members that are settings themselves are read in the same way.

    Raises
    ------
    ValueError
        Naming the place: if there is no such member, a value is not of its type, or the settings do not go together.
    """
    hints = get_type_hints(kind)
    changes = {}
    for name, value in values.items():
        if name not in hints:
            close = difflib.get_close_matches(name, hints, 1)
            hint = f"; do you mean {close[0]}?" if close else f"; there are {', '.join(hints)}"
            raise ValueError(f"expected a setting of {kind.__name__}, got {name!r}{hint}")
        try:
            changes[name] = _value(hints[name], value, getattr(base, name, None))
        except ValueError as error:
            raise _below(name, error) from None
    missing = [
        member.name
        for member in dataclasses.fields(kind)
        if base is None
        and member.name not in changes
        and member.default is member.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise ValueError(f"expected a value of {missing[0]}, got none")
    return kind(**changes) if base is None else dataclasses.replace(base, **changes)


class _Place(ValueError):
    """An error in a member, with its place before it."""


def _below(name, error):
    # Places grow from the inside out: a.b: what is wrong.
    text = str(error)
    return _Place(f"{name}.{text}" if isinstance(error, _Place) else f"{name}: {text}")


def _value(hint, value, base):
    choices = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    if type(None) in choices:
        if value == _NONE:
            return None
        (hint,) = (choice for choice in choices if choice is not type(None))
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, dict):
            raise ValueError(f"expected a table, got {value!r}")
        return settings_from(hint, value, base if base is not None else _default(hint))
    if get_origin(hint) is dict:
        if not isinstance(value, dict):
            raise ValueError(f"expected a table, got {value!r}")
        return {name: _member(hint, name, member) for name, member in value.items()}
    if hint is float and type(value) is int:
        return float(value)
    if type(value) is not hint:
        raise ValueError(f"expected {_WORDS[hint]}, got {value!r}")
    return value


def _member(hint, name, value):
    try:
        return _value(get_args(hint)[1], value, None)
    except ValueError as error:
        raise _below(name, error) from None


def _default(kind):
    """Settings of nothing but defaults, or ``None`` where a member has none."""
    members = dataclasses.fields(kind)
    if any(member.default is member.default_factory is dataclasses.MISSING for member in members):
        return None
    return kind()
