"""What small configurations take of an iCE40 is counted as place and route does, and stored as the page shows it."""

import json

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from bench.ice40 import COMMAND, CONFIGURATIONS, PAGE, RESULT, measure, table
from bench.page import page_with

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
    assert found == {"logic_cells": 16, "luts": 8, "registers": 12, "dsps": 0, "block_rams": 0}


def test_what_is_stored_is_of_these_configurations():
    assert {name: record["configuration"] for name, record in STORED.items()} == {
        name: config.to_dict() for name, config in CONFIGURATIONS.items()
    }


def test_the_page_shows_what_is_stored():
    text = PAGE.read_text()
    assert page_with(text, [], command=COMMAND) != text
    assert page_with(text, [table(STORED)], command=COMMAND) == text, "run `python -m bench.ice40 --tables`"
