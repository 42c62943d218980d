"""What is stored of the boards' bitstreams is what the gateware as it is would take, and what the page shows."""

import json

import pytest

from bench.boards import BUILDS, COMMAND, PAGE, RESULT, table
from bench.page import page_with
from fpga.boards import BOARDS
from fpga.resources import count_resources
from hw.config import Config

STORED = json.loads(RESULT.read_text())


def test_every_board_has_a_preset():
    assert list(BUILDS) == list(BOARDS)
    assert set(STORED) <= set(BOARDS)


@pytest.mark.parametrize("name", STORED)
def test_stored_resources_are_those_of_the_gateware(name):
    record, board = STORED[name], BOARDS[name]
    assert record["preset"] == BUILDS[name] and record["target_mhz"] == board.frequency / 1e6
    assert record["luts"] <= board.luts and record["block_rams"] <= board.block_rams
    config = Config.preset(record["preset"])
    found = count_resources(config, board.family)
    anew = f"build it anew: python -m bench.boards --only {name}"
    assert (record["dsps"], record["block_rams"]) == (found.dsps, found.block_rams), anew
    assert abs(found.luts / record["luts"] - 1) < 0.1, anew


def test_the_page_shows_what_is_stored():
    text = PAGE.read_text()
    assert page_with(text, [], command=COMMAND) != text
    assert page_with(text, [table(STORED)], command=COMMAND) == text, "run `python -m bench.boards --tables`"
