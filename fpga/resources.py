"""What of a part an accelerator takes, whichever family it is of."""

from dataclasses import dataclass

__all__ = ["Resources", "count_resources", "total"]


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What a part of the design takes; ``+`` joins parts, ``*`` repeats one."""

    luts: float = 0
    registers: float = 0
    dsps: int = 0
    block_rams: int = 0
    large_rams: int = 0

    def __add__(self, other):
        return Resources(**{name: value + getattr(other, name) for name, value in vars(self).items()})

    def __mul__(self, times):
        return Resources(**{name: value * times for name, value in vars(self).items()})


def count_resources(config, family):
    """``Resources`` of the accelerator of a ``Config`` with a serial line on a part of a ``Family``; whole numbers.

    Raises
    ------
    ValueError
        If the machine is not the one that is counted for the family.
    """
    return total(family.count_parts(config))


def total(parts):
    """``Resources`` of all parts, a dict by name; whole numbers."""
    found = sum(parts.values(), Resources())
    return Resources(**{name: round(value) for name, value in vars(found).items()})
