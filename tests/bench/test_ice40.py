"""What small configurations take of an iCE40 is counted as place and route does, and stored as the page shows it."""

import json

import pytest
from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from bench.boards import RESULT as BOARDS
from bench.ice40 import (
    COMMAND,
    CONFIGURATIONS,
    NETWORKS,
    PAGE,
    POINTS,
    RESULT,
    measure,
    measure_whole,
    network_table,
    table,
)
from bench.page import page_with
from bench.workloads import build
from fpga.boards import find_board
from fpga.serial_resources import count_serial_resources
from hw.config import Config
from sim.cycle_model import layer_cycles
from sw.compiler import compile_network

STORED = json.loads(RESULT.read_text())


class _Known(wiring.Component):
    """Four registers alone, four behind a LUT each, four behind a LUT that is read by others too."""

    def __init__(self):
        sums = {"alone": Out(4), "behind": Out(4), "beside": Out(4), "read": Out(4)}
        super().__init__({"a": In(4), "b": In(4), **sums})

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.read.eq(self.a ^ self.b)
        m.d.sync += [
            self.alone.eq(self.a),
            self.behind.eq(self.a & self.b),
            self.beside.eq(self.read),
        ]
        return m


def test_a_register_shares_the_cell_of_a_lut_that_feeds_nothing_else():
    found = measure(_Known())
    counted = {"logic_cells": 16, "luts": 8, "registers": 12, "dsps": 0, "block_rams": 0, "large_rams": 0}
    assert found == counted


def test_what_is_stored_is_of_these_configurations():
    assert {name: record["configuration"] for name, record in STORED["synthesis"].items()} == {
        name: config.to_dict() for name, config in CONFIGURATIONS.items()
    }


def check(config, measured):
    """Memories and multipliers are exact; logic cells and registers nearly."""
    found = count_serial_resources(config)
    for name in ("dsps", "block_rams", "large_rams"):
        assert getattr(found, name) == measured[name], name
    for name, cells in (("luts", "logic_cells"), ("registers", "registers")):
        assert abs(getattr(found, name) / measured[cells] - 1) <= 0.1, f"{cells}, {measured[cells]}"


def test_every_point_is_stored():
    stored = {name: record["configuration"] for name, record in STORED["points"].items()}
    assert stored == {name: config.to_dict() for name, config in POINTS.items()}, (
        "run `python -m bench.ice40`"
    )


@pytest.mark.parametrize("name", POINTS)
def test_points_are_as_estimated(name):
    check(POINTS[name], STORED["points"][name])


def test_the_check_can_fail():
    point, config = STORED["points"]["icebreaker"], POINTS["icebreaker"]
    for name, wrong in (("block_rams", 29), ("large_rams", 0), ("logic_cells", 1.2 * point["logic_cells"])):
        with pytest.raises(AssertionError):
            check(config, point | {name: wrong})


@pytest.mark.slow
def test_another_configuration_is_as_estimated():
    config = POINTS["small memories"].replace(chunk=8, lanes=8, kernel_height=2, kernel_width=2, z_bits=14)
    check(config, measure_whole(config))


def test_networks_are_what_the_model_says():
    for name in NETWORKS:
        work, record = build(name), STORED["networks"][name]
        program = compile_network(work.network, Config.preset("icebreaker"))
        assert record["cycles"] == layer_cycles(program, work.tensors).sum(), "run `python -m bench.ice40`"
        assert record["equal"] and record["exact"] and record["tensors"] == 1 + len(work.network.layers)


def test_the_readme_says_what_is_stored():
    readme = (PAGE.parents[1] / "README.md").read_text()
    speeds = [find_board("icebreaker").frequency / STORED["networks"][name]["cycles"] for name in NETWORKS]
    assert f"ResNet-8 at {speeds[0]:.1f} images a second and ResNet-20 at {speeds[1]:.1f}]" in readme
    assert (
        f"preset `icebreaker`, takes {json.loads(BOARDS.read_text())['icebreaker']['luts']:,}, and" in readme
    )


def test_the_page_shows_what_is_stored():
    text = PAGE.read_text()
    assert page_with(text, [], command=COMMAND) != text
    found = [network_table(STORED["networks"]), table(STORED["synthesis"])]
    assert page_with(text, found, command=COMMAND) == text, "run `python -m bench.ice40 --tables`"
