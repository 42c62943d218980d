"""Floorplan: every multiplier and block RAM has a place of its own, PEs lie together, and small designs are left alone."""

import json
from collections import Counter

import pytest

from fpga.floorplan import LFE5U_85F, place_large_cells


def netlist(*, blocks=4, pes=4, taps=9, rams=6, others=8, banks=48, rest=18):
    """Cells of a design of PEs, as JSON."""
    names = {"MULT18X18D": [f"core.scale_unit_{unit}.product" for unit in range(others)]}
    names["DP16KD"] = [f"core.activations.bank_{'abc'[n % 3]}.0.{n // 3}" for n in range(banks)]
    names["DP16KD"] += [f"core.scales.words.0.{n}" for n in range(rest)]
    for block in range(blocks):
        for pe in range(pes):
            place = f"core.array.block_{block}.pe_{pe}"
            names["MULT18X18D"] += [f"{place}.mac.taps.product_{tap}" for tap in range(taps)]
            names["DP16KD"] += [f"{place}.row_0.memory.0.{number}" for number in range(rams)]
    cells = {
        name: {"type": kind, "attributes": {}, "connections": {}} for kind in names for name in names[kind]
    }
    cells["core.gate"] = {"type": "LUT4", "attributes": {}, "connections": {}}
    return json.dumps({"modules": {"farthing": {"attributes": {"top": "1"}, "cells": cells}}})


def places(text):
    """Column and row of each cell that has a place, and the name of its site."""
    cells = json.loads(text)["modules"]["farthing"]["cells"]
    found = {}
    for name, cell in cells.items():
        if "BEL" in cell["attributes"]:
            column, row, site = cell["attributes"]["BEL"].split("/")
            assert site.startswith({"MULT18X18D": "MULT18_", "DP16KD": "EBR"}[cell["type"]])
            found[name] = int(column[1:]), int(row[1:]), site
    return found


@pytest.mark.parametrize("shape", [{}, {"blocks": 1, "pes": 16}, {"others": 0, "pes": 3}, {"rams": 8}])
def test_every_large_cell_has_a_place_of_its_own(shape):
    text = netlist(**shape)
    found = places(place_large_cells(text, LFE5U_85F))
    cells = json.loads(text)["modules"]["farthing"]["cells"]
    assert found.keys() == {name for name, cell in cells.items() if cell["type"] != "LUT4"}
    assert len(set(found.values())) == len(found)
    columns = {column for column, _, _ in LFE5U_85F.multipliers}
    for name, (column, row, _) in found.items():
        product = "product" in name
        assert row in (LFE5U_85F.multiplier_rows if product else LFE5U_85F.ram_rows)
        assert not product or column in columns


def test_a_pe_lies_together():
    found = places(place_large_cells(netlist(), LFE5U_85F))
    for block in range(4):
        for pe in range(4):
            own = [place for name, place in found.items() if f"block_{block}.pe_{pe}." in name]
            assert len(own) == 15
            multipliers = [place for place in own if place[2].startswith("MULT")]
            (row, _), *_ = Counter(row for _, row, _ in multipliers).most_common(1)
            in_row = [column for column, other, _ in multipliers if other == row]
            # Nine of 52 in a row of 127 columns.
            assert max(in_row) - min(in_row) <= 24
            assert all(abs(column - in_row[0]) <= 60 for column, _, _ in own)


@pytest.mark.parametrize("shape", [{"pes": 1, "blocks": 2}, {"blocks": 5}, {"banks": 150}])
def test_what_has_room_or_does_not_fit_is_left_alone(shape):
    text = netlist(**shape)
    assert place_large_cells(text, LFE5U_85F) == text


def test_other_parts_are_left_alone():
    assert place_large_cells(netlist(), None) == netlist()


def test_the_part_has_what_the_board_says():
    from fpga.boards import BOARDS

    for board in BOARDS.values():
        if board.part is not None:
            assert (len(board.part.multipliers), len(board.part.rams)) == (board.dsps, board.block_rams)
