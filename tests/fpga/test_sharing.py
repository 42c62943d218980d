import re
import subprocess

import pytest
from amaranth import *
from amaranth.back import rtlil
from amaranth.lib import wiring
from amaranth.lib.wiring import Out

from fpga.sharing import share_modules
from fpga.tools import find_tool


class Counter(wiring.Component):
    count: Out(4)

    def __init__(self, step):
        self.step = step
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        m.d.sync += self.count.eq(self.count + self.step)
        return m


class Pair(wiring.Component):
    total: Out(5)

    def __init__(self, steps):
        self.steps = steps
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        m.submodules.a, m.submodules.b = a, b = [Counter(step) for step in self.steps]
        m.d.comb += self.total.eq(a.count + b.count)
        return m


class Top(wiring.Component):
    o: Out(7)

    def __init__(self, *pairs):
        self.pairs = [Pair(steps) for steps in pairs]
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        for index, pair in enumerate(self.pairs):
            m.submodules[f"pair_{index}"] = pair
        m.d.comb += self.o.eq(sum(pair.total for pair in self.pairs))
        return m


def convert(top):
    return rtlil.convert(top, name="top", emit_src=False)


class Counters(wiring.Component):
    """Two values without names pass through two levels."""

    o: Out(4)

    def elaborate(self, platform):
        m = Module()
        for index in range(3):
            inner = Signal(4, name="")
            hold = Module()
            hold.d.sync += inner.eq(inner + 1)
            level = Module()
            level.submodules.hold = hold
            beside = Signal(4, name="")
            level.d.sync += beside.eq(inner ^ beside)
            m.submodules[f"level_{index}"] = level
            total = Signal(4)
            m.d.sync += total.eq(inner + beside + self.o)
            m.d.sync += self.o.eq(self.o ^ total)
        return m


def names(text):
    return re.findall(r"^module (\S+)", text, re.MULTILINE)


def test_equal_modules_become_one():
    text = share_modules(convert(Top((1, 1), (1, 2), (1, 2))), whole=r"pair_\d+")
    assert names(text) == ["\\top", "\\top.pair_0", "\\top.pair_0.a", "\\top.pair_1", "\\top.pair_1.b"]
    assert re.findall(r"cell (\S+) (\\\S+)", text) == [
        ("\\top.pair_0", "\\pair_0"),
        ("\\top.pair_1", "\\pair_1"),
        ("\\top.pair_1", "\\pair_2"),
        ("\\top.pair_0.a", "\\a"),
        ("\\top.pair_0.a", "\\b"),
        ("\\top.pair_0.a", "\\a"),
        ("\\top.pair_1.b", "\\b"),
    ]


def test_numbers_of_ports_make_no_difference():
    text = convert(Counters())
    assert len(set(re.findall(r"port\$\d+\$\d+", text))) >= 6
    text = share_modules(text, whole="none")
    assert names(text) == ["\\top", "\\top.level_0", "\\top.level_0.hold"]


def test_modules_that_stay_whole_are_marked():
    text = share_modules(convert(Top((1, 1), (1, 2))), whole=r"pair_0|b")
    assert re.findall(r"keep_hierarchy 1\n(?:attribute .*\n)*module (\S+)", text) == [
        "\\top.pair_0",
        "\\top.pair_0.b",
        "\\top.pair_1.b",
    ]


def test_nothing_equal_leaves_the_text():
    text = convert(Top((1, 2), (3, 4)))
    assert share_modules(text, whole="none") == text


@pytest.mark.parametrize("top", [lambda: Top((1, 1), (1, 2), (1, 2)), Counters], ids=["named", "numbered"])
def test_shared_design_is_equivalent(tmp_path, top):
    text = convert(top())
    (tmp_path / "plain.il").write_text(text)
    (tmp_path / "shared.il").write_text(share_modules(text, whole="none"))
    script = "".join(
        f"read_rtlil {name}.il; hierarchy -top top; proc; flatten; opt_clean; rename top {name}; "
        f"design -stash {name}; "
        for name in ("plain", "shared")
    )
    script += (
        "design -copy-from plain plain; design -copy-from shared shared; "
        "equiv_make plain shared both; hierarchy -top both; equiv_simple; equiv_induct; equiv_status -assert"
    )
    command = [find_tool("yosys"), "-q", "-p", script]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=120, capture_output=True)
