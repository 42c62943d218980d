"""What small configurations take of an iCE40 is counted as place and route does, and stored as the page shows it."""

import json

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from bench.boards import RESULT as BOARDS
from bench.ice40 import (
    COMMAND,
    CONFIGURATIONS,
    NETWORKS,
    PAGE,
    RESULT,
    measure,
    network_table,
    table,
)
from bench.page import page_with
from bench.workloads import build
from fpga.boards import find_board
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
    counted = {"luts": 16, "registers": 12, "dsps": 0, "block_rams": 0, "large_rams": 0}
    assert found == counted


def test_what_is_stored_is_of_these_configurations():
    assert {name: record["configuration"] for name, record in STORED["synthesis"].items()} == {
        name: config.to_dict() for name, config in CONFIGURATIONS.items()
    }


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
