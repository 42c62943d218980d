import io
import json

import pytest
from rich.console import Console

from fpga.boards import find_board
from fpga.ecp5 import ECP5
from fpga.report import check_fit, check_timing, read_place_and_route, read_synthesis, show
from fpga.tools import BuildFailure

#: As Yosys 0.70 and nextpnr 0.11 write them, shortened.
STAT = """\

{
   "creator": "Yosys 0.70",
   "modules": {"\\\\farthing": {"num_cells": 156}},
   "design": {
      "num_cells": 156,
      "num_cells_by_type": {"CCU2C": 6, "EHXPLLL": 1, "LUT4": 67, "TRELLIS_FF": 52, "DP16KD": 3}
   }
}
"""


def step(kind, start, end, delay):
    ends = [{"cell": name, "loc": [1, 1], "port": port} for name, port in (start, end)]
    return {"type": kind, "from": ends[0], "to": ends[1], "delay": delay}


REPORT = {
    "critical_paths": [
        {
            "from": "posedge clock",
            "to": "posedge clock",
            "path": [
                step("clk-to-q", ("memory", "CLKA"), ("memory", "DOA0"), 5.6101),
                step("routing", ("memory", "DOA0"), ("sum", "DI"), 1.0004),
            ],
        },
        {"from": "<async>", "to": "posedge clock", "path": [step("source", ("a", "b"), ("c", "d"), 9.0)]},
    ],
    "fmax": {"clock": {"achieved": 85.2173, "constraint": 50.0}},
    "utilization": {
        "TRELLIS_COMB": {"used": 2428, "available": 24288},
        "TRELLIS_FF": {"used": 52, "available": 24288},
        "MULT18X18D": {"used": 18, "available": 28},
        "DP16KD": {"used": 3, "available": 56},
        "TRELLIS_IO": {"used": 4, "available": 197},
    },
}


@pytest.fixture
def read(tmp_path):
    (tmp_path / "report.json").write_text(json.dumps(REPORT))
    return read_place_and_route(tmp_path / "report.json", ECP5)


def test_synthesis(tmp_path):
    (tmp_path / "stat.json").write_text(STAT)
    cells = read_synthesis(tmp_path / "stat.json")
    assert cells == {"CCU2C": 6, "EHXPLLL": 1, "LUT4": 67, "TRELLIS_FF": 52, "DP16KD": 3}


def test_place_and_route(read):
    assert read["resources"] == {
        "luts": {"used": 2428, "available": 24288},
        "registers": {"used": 52, "available": 24288},
        "dsps": {"used": 18, "available": 28},
        "block_rams": {"used": 3, "available": 56},
    }
    assert read["clocks"] == {"clock": {"achieved_mhz": 85.22, "required_mhz": 50.0}}
    assert read["critical_path"] == {
        "posedge clock": [
            {"kind": "clk-to-q", "from": "memory.CLKA", "to": "memory.DOA0", "ns": 5.61},
            {"kind": "routing", "from": "memory.DOA0", "to": "sum.DI", "ns": 1.0},
        ]
    }


def test_timing(read):
    check_timing(read["clocks"])
    read["clocks"]["clock"]["required_mhz"] = 90
    with pytest.raises(BuildFailure, match=r"expected at least 90 MHz on clock, got 85\.22 MHz; try"):
        check_timing(read["clocks"])


def test_fit():
    board = find_board("ulx3s-25f")
    check_fit({"LUT4": 24_288, "MULT18X18D": 28, "DP16KD": 56}, board)
    message = (
        r"expected a design that fits ulx3s-25f: at most 24288 LUTs, got 24290; at most 28 multipliers, got 36; "
        "choose"
    )
    with pytest.raises(BuildFailure, match=message):
        check_fit({"LUT4": 24_288, "CCU2C": 1, "MULT18X18D": 36}, board)


def test_table(read):
    text = io.StringIO()
    report = {"board": "ulx3s-25f", "preset": "small", "seconds": {"synthesis": 1.5}, **read}
    show(Console(file=text, width=120), report, "folder")
    for part in (
        "ulx3s-25f, preset small",
        "2,428",
        "24,288",
        "10.0%",
        "85.22 MHz",
        "6.6 ns from memory.CLKA",
    ):
        assert part in text.getvalue()
