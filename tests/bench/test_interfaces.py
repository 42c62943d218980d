"""What others build against: the page of presets and ports is that of the code."""

import re
from pathlib import Path

from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out, Signature

from bench.interfaces import PAGE, components, port_rows, written
from hw.config import Config

ROOT = Path(__file__).parents[2]


def test_the_page_has_presets_and_ports_as_they_are():
    assert PAGE.read_text() == written(), (
        "presets, ports or docstrings have changed: python -m bench.interfaces"
    )


def test_every_component_is_there():
    sources = "".join(path.read_text() for path in (ROOT / "hw").glob("*.py"))
    named = re.findall(r"^class (\w+)\(wiring\.Component\)", sources, re.MULTILINE)
    found = components(Config.preset("tiny"))
    assert sorted(found) == sorted(named)
    for name, made in found.items():
        assert f"\n### {name}\n" in PAGE.read_text()
        for port in made.signature.members:
            assert f"`{port}" in PAGE.read_text().split(f"\n### {name}\n")[1].split("\n### ")[0]


def test_ports_from_the_side_of_the_component():
    pair = data.StructLayout({"low": 3, "high": data.ArrayLayout(5, 2)})
    many = data.StructLayout({f"field_{number}": 2 for number in range(9)})
    inner = Signature({"ask": Out(1), "answer": In(stream.Signature(8, always_ready=True))})
    outer = Signature(
        {"given": In(inner).array(2), "own": Out(inner), "pairs": Out(pair).array(2, 3), "many": In(many)}
    )
    assert port_rows(outer) == [
        ["`given.ask`", "in", "2 x 1"],
        ["`given.answer`", "out", "2 x stream of 8, always ready"],
        ["`own.ask`", "out", "1"],
        ["`own.answer`", "in", "stream of 8, always ready"],
        ["`pairs`", "out", "2 x 3 x {low: 3, high: 2 x 5}"],
        ["`many`", "in", "9 fields, 18 bits"],
    ]
