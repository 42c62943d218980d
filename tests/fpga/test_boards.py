import re
from pathlib import Path

import pytest

from fpga.boards import BOARDS, find_board
from fpga.ecp5 import ECP5, pll_dividers
from fpga.gowin import GOWIN
from fpga.ice40 import ICE40
from fpga.ice40 import pll_dividers as ice40_dividers


@pytest.mark.parametrize(
    ("frequency", "dividers"),
    [
        (50_000_000, {"input": 1, "feedback": 2, "output": 12}),
        (62_500_000, {"input": 2, "feedback": 5, "output": 10}),
        (75_000_000, {"input": 1, "feedback": 3, "output": 8}),
        (400_000_000, {"input": 1, "feedback": 16, "output": 2}),
    ],
)
def test_pll_dividers(frequency, dividers):
    assert pll_dividers(25_000_000, frequency) == dividers
    assert frequency == 25_000_000 * dividers["feedback"] / dividers["input"]


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_every_board_has_what_its_platform_says(board):
    platform = board.create_platform()
    assert platform.default_clk_frequency == board.crystal
    part = {ECP5: "device", GOWIN: "family", ICE40: "device"}[board.family]
    parts = {
        "ulx3s-25f": "25F",
        "ulx3s-85f": "85F",
        "ecpix5-85f": "85F",
        "tang-nano-9k": "9C",
        "icebreaker": "iCE40UP5K",
    }
    assert parts[board.name] == getattr(platform, part).rpartition("-")[2]


@pytest.mark.parametrize(
    ("frequency", "dividers"),
    [
        (16_500_000, {"DIVF": 87, "DIVQ": 6}),
        (24_000_000, {"DIVF": 63, "DIVQ": 5}),
        (48_000_000, {"DIVF": 63, "DIVQ": 4}),
        (264_000_000, {"DIVF": 87, "DIVQ": 2}),
    ],
)
def test_pll_dividers_of_an_ice40(frequency, dividers):
    found = ice40_dividers(12_000_000, frequency)
    oscillator = 12_000_000 * (found["DIVF"] + 1)
    assert oscillator == frequency << found["DIVQ"] and 533_000_000 <= oscillator <= 1_066_000_000
    assert found == dividers


def test_serial_line():
    assert find_board("ulx3s-85f").uart_divisor == 50
    assert find_board("ulx3s-85f").replace(frequency=62_500_000, baud=3_000_000).uart_divisor == 21


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"frequency": 33_333_333},
            r"expected a clock that the PLL makes from 25000000 Hz .*got 33333333 Hz",
        ),
        ({"frequency": 900_000_000}, "expected a clock that the PLL makes"),
        ({"baud": 20_000_000}, "expected a baud rate .* got 20000000"),
        ({"baud": 7_900_000}, "expected a baud rate .* got 7900000"),
    ],
)
def test_impossible_clocks(changes, message):
    with pytest.raises(ValueError, match=message):
        find_board("ulx3s-85f").replace(**changes)


def test_a_part_without_pll_has_the_clock_of_its_crystal():
    with pytest.raises(ValueError, match=r"expected the clock of the crystal, 27000000 Hz, got 54000000 Hz"):
        find_board("tang-nano-9k").replace(frequency=54_000_000)


@pytest.mark.parametrize("frequency", [8_000_000, 25_000_000, 600_000_000])
def test_clocks_that_an_ice40_cannot_make(frequency):
    with pytest.raises(
        ValueError, match=f"expected a clock that the PLL makes from 12000000 Hz .*got {frequency} Hz"
    ):
        find_board("icebreaker").replace(frequency=frequency)


def test_unknown_board():
    with pytest.raises(
        ValueError,
        match=r"expected a board from ulx3s-25f, ulx3s-85f, ecpix5-85f, tang-nano-9k, icebreaker, got 'ulx4s'",
    ):
        find_board("ulx4s")


def test_the_page_lists_every_board():
    page = (Path(__file__).parents[2] / "docs" / "boards.md").read_text()
    # What has been built comes after it.
    listed = re.findall(r"^\| `.*$", page.split("<!--")[0], re.M)
    rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in listed]
    assert [row[0].strip("`") for row in rows] == list(BOARDS)
    for (_, _, luts, dsps, block_rams, crystal, clock, _), board in zip(rows, BOARDS.values(), strict=True):
        assert (luts, dsps, block_rams) == (f"{board.luts:,}", str(board.dsps), str(board.block_rams))
        assert (crystal, clock) == (f"{board.crystal / 1e6:g} MHz", f"{board.frequency / 1e6:g} MHz")
