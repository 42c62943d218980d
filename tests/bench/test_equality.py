"""Netlists of changed gateware: the same is proved to be, another is not, be it in what registers hold or begin with."""

import pytest

from bench import equality
from bench.equality import proved_equal, write_netlists

#: Register, next value and value at the start of a small module, by what is written into it.
MODULE = """\
module \\top
  wire width 1 input 0 \\clk
  wire width 2 input 1 \\i
  wire width 1 output 2 \\o
  attribute \\init 1'{init}
  wire width 1 \\held
  wire width 1 \\next
  cell ${gate} $1
    parameter \\A_SIGNED 0
    parameter \\B_SIGNED 0
    parameter \\A_WIDTH 1
    parameter \\B_WIDTH 1
    parameter \\Y_WIDTH 1
    connect \\A \\i [0]
    connect \\B \\i [1]
    connect \\Y \\next
  end
  cell $dff $2
    parameter \\WIDTH 1
    parameter \\CLK_POLARITY 1
    connect \\CLK \\clk
    connect \\D \\next
    connect \\Q \\held
  end
  connect \\o \\held
end
"""


@pytest.fixture
def netlists(tmp_path):
    def write(**words):
        folder = tmp_path / f"{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        (folder / "one.il").write_text(MODULE.format(**words))
        return folder

    return write


def test_another_text_that_does_the_same(netlists):
    plain = netlists(gate="and", init=0)
    assert proved_equal(plain, netlists(gate="and", init=0))
    assert proved_equal(plain, netlists(gate="mul", init=0))


@pytest.mark.parametrize("changed", [{"gate": "or", "init": 0}, {"gate": "mul", "init": 1}])
def test_what_does_something_else(netlists, changed):
    assert not proved_equal(netlists(gate="and", init=0), netlists(**changed))


def test_missing_netlists_are_not_equal(netlists, tmp_path):
    plain = netlists(gate="and", init=0)
    more = netlists(gate="and", init=0)
    (more / "two.il").write_text("")
    assert not proved_equal(plain, more) and not proved_equal(more, plain)


@pytest.mark.parametrize(("name", "parts"), [("relay", ["Relay"]), ("comparison", ["Accelerator", "AxiTop"])])
def test_netlists_of_a_file(name, parts, tmp_path, monkeypatch):
    monkeypatch.setattr(equality, "CONFIGURATIONS", {"one": equality.CONFIGURATIONS["one"]})
    write_netlists(name, tmp_path / "before")
    assert sorted(path.name for path in (tmp_path / "before").iterdir()) == [
        f"{part}-one.il" for part in parts
    ]


def test_what_has_been_made_before_changes_no_name(tmp_path):
    for folder in ("before", "after"):
        write_netlists("relay", tmp_path / folder)
    assert len(list((tmp_path / "before").iterdir())) == sum(
        not config.serial for config in equality.CONFIGURATIONS.values()
    )
    assert proved_equal(tmp_path / "before", tmp_path / "after")
