"""Floorplan: multipliers and block RAMs of a part that is nearly full get their places before nextpnr places the rest.

An ECP5 has its multipliers in a few rows, and its block RAMs in a few others. nextpnr's placers move them there last, from wherever
the logic around them had drawn them, and what was placed around them stays behind: in a part three quarters full a fifth of all wire
is due to that (``docs/synthesis.md``). PEs are all alike and each needs as many multipliers, so where they go is no question of search: one after
the other along the rows.
"""

import json
import re
from dataclasses import dataclass

__all__ = ["LFE5U_85F", "Part", "place_large_cells"]

#: Kinds of cells that are placed: multipliers, block RAMs.
MULTIPLIER, RAM = "MULT18X18D", "DP16KD"
#: What belongs to a processing element: its block, its number there.
_PE = re.compile(r"(?:^|\.)block_(\d+)\.pe_(\d+)\.")
#: Share of multipliers from which on a part counts as nearly full; below it nextpnr does better alone.
_NEARLY_FULL = 0.5


@dataclass(frozen=True, kw_only=True)
class Part:
    """Where an ECP5 has its multipliers and block RAMs, in tiles: names of sites are those of nextpnr."""

    #: First columns of the groups of four of either kind.
    groups: tuple[int, ...]
    multiplier_rows: tuple[int, ...]
    ram_rows: tuple[int, ...]
    #: Row around which what belongs to no PE is placed.
    centre_row: int

    @property
    def multipliers(self):
        """Places of multipliers along the rows, back and forth: (column, row, name of the site)."""
        offsets = {0: 0, 1: 1, 4: 4, 5: 5}
        rows = []
        for number, row in enumerate(self.multiplier_rows):
            sites = [
                (first + offset, row, f"X{first + offset}/Y{row}/MULT18_{index}")
                for first in self.groups
                for offset, index in offsets.items()
            ]
            rows += sites[::-1] if number % 2 else sites
        return rows

    @property
    def rams(self):
        """Places of block RAMs: (column, row, name of the site)."""
        return [
            (first + 2 * index, row, f"X{first + 2 * index}/Y{row}/EBR{index}")
            for row in self.ram_rows
            for first in self.groups
            for index in range(4)
        ]


#: The largest ECP5, with or without fast transceivers.
LFE5U_85F = Part(
    groups=(*range(4, 59, 9), *range(69, 115, 9)),
    multiplier_rows=(10, 34, 58),
    ram_rows=(22, 46, 70, 82),
    centre_row=76,
)


def place_large_cells(netlist, part):
    """Give multipliers and block RAMs of a flat netlist their places; leave a part alone that has room.

    PE after PE takes the next multipliers, and the block RAMs next to them that are left when what belongs to no PE has taken those
    in the centre. The other multipliers lie in the middle of the last row.

    Parameters
    ----------
    netlist : str
        Of Yosys, as JSON, flattened.
    part : Part or None

    Returns
    -------
    str
        The netlist with attributes ``BEL``, as nextpnr reads them.
    """
    if part is None:
        return netlist
    design = json.loads(netlist)
    (top,) = (module for module in design["modules"].values() if "top" in module["attributes"])
    cells = {
        kind: sorted((name for name, cell in top["cells"].items() if cell["type"] == kind), key=_natural)
        for kind in (MULTIPLIER, RAM)
    }
    if not _NEARLY_FULL * len(part.multipliers) < len(cells[MULTIPLIER]) <= len(part.multipliers):
        return netlist
    if len(cells[RAM]) > len(part.rams):
        return netlist
    places = _place_multipliers(cells[MULTIPLIER], part)
    places |= _place_rams(cells[RAM], places, part)
    for name, (_, _, site) in places.items():
        top["cells"][name]["attributes"]["BEL"] = site
    return json.dumps(design)


def _natural(name):
    """Key that sorts ``pe_2`` before ``pe_10``."""
    return [int(piece) if piece.isdigit() else piece for piece in re.split(r"(\d+)", name)]


def _pe(name):
    """Block and number of the PE that a cell belongs to, or ``None``."""
    found = _PE.search(name)
    return found and (int(found[1]), int(found[2]))


def _place_multipliers(names, part):
    sites = part.multipliers
    of_pes = sorted((name for name in names if _pe(name)), key=lambda name: (_pe(name), _natural(name)))
    others = [name for name in names if not _pe(name)]
    spare = len(sites) - len(names)
    # What lies in the last row: whole PEs on both sides, the others between them.
    row = len(sites) // len(part.multiplier_rows)
    wanted = len(of_pes) - (row - len(others) - spare) // 2
    ends = [
        0,
        *(at for at, name in enumerate(of_pes, 1) if at == len(of_pes) or _pe(of_pes[at]) != _pe(name)),
    ]
    before = min(ends, key=lambda end: abs(end - wanted))
    ordered = (
        of_pes[:before] + [None] * (spare // 2) + others + [None] * (spare - spare // 2) + of_pes[before:]
    )
    return {name: site for name, site in zip(ordered, sites, strict=True) if name}


def _place_rams(names, multipliers, part):
    columns = [column for column, _, _ in part.rams]
    middle = (min(columns) + max(columns)) / 2
    others = [name for name in names if not _pe(name)]
    free = sorted(part.rams, key=lambda site: abs(site[0] - middle) + abs(site[1] - part.centre_row))
    # Lanes of the three banks of activations side by side, half of them on either side of all else.
    banks = sorted((name for name in others if ".bank_" in name), key=lambda name: _natural(name)[::-1])
    rest = [name for name in others if name not in banks]
    half = len(banks) // 2
    places = dict(zip(banks[:half] + rest + banks[half:], sorted(free[: len(others)]), strict=True))
    free = free[len(others) :]
    by_pe = {}
    for name in names:
        if _pe(name):
            by_pe.setdefault(_pe(name), []).append(name)
    for pe, own in by_pe.items():
        around = [site for name, site in multipliers.items() if _pe(name) == pe]
        column, row = (sum(site[axis] for site in around) / len(around) for axis in range(2))
        free.sort(key=lambda site: abs(site[0] - column) + abs(site[1] - row))
        places.update(zip(own, sorted(free[: len(own)]), strict=True))
        free = free[len(own) :]
    return places
