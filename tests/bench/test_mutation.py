"""Mutants of the gateware: they are drawn as asked, tests that catch them are told from tests that do not."""

import json
from pathlib import Path

import pytest

from bench import mutation
from bench.page import page_with

ROOT = Path(__file__).parents[2]
STORED = json.loads(mutation.RESULT.read_text()) if mutation.RESULT.exists() else {}
SOURCE = """def clamp(number):
    if number > 7:
        return 7
    return number + 0
"""
CATCHES = """from hw.clamp import clamp

def test_clamp():
    assert [clamp(number) for number in (6, 7, 8, 9)] == [6, 7, 7, 7]
"""


def test_every_file_has_tests():
    for path in (ROOT / "hw").glob("*.py"):
        if path.stem != "__init__":
            assert all((ROOT / test).exists() for test in mutation.suite(path.stem)), path.stem
    assert all((ROOT / "hw" / f"{name}.py").exists() for name in mutation.SUITES)


PARTS = """WIDTH = 8

def packed(numbers):
    return np.packbits(numbers)

def sums(first, second):
    return first + second

class Adder:
    def __init__(self):
        self.width = 9

    @staticmethod
    def model(numbers):
        return sum(numbers)

    def elaborate(self, platform):
        def carry(bit):
            return bit & 1
        return carry(2)
"""


def test_what_software_reads_is_not_gateware_alone():
    lines = PARTS.splitlines()
    alone = {
        line.strip() for number, line in enumerate(lines, 1) if mutation.of_gateware_alone(PARTS, number)
    }
    assert {line for line in alone if line.startswith(("return", "self", "WIDTH"))} == {
        "return first + second",
        "self.width = 9",
        "return bit & 1",
        "return carry(2)",
    }


@pytest.fixture
def tree(tmp_path, monkeypatch):
    nothing = "def test_nothing():\n    pass\n"
    files = {
        "hw/clamp.py": SOURCE,
        "tests/hw/test_clamp.py": CATCHES,
        "tests/bench/test_interfaces.py": nothing,
    }
    for name, text in files.items():
        path = tmp_path / "tree" / name
        path.parent.mkdir(parents=True)
        path.write_text(text)
    monkeypatch.chdir(tmp_path / "tree")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "tree"))
    return tmp_path / "tree"


def test_the_same_seed_draws_the_same_mutants(tree):
    draws = [mutation.mutants_of(Path("hw/clamp.py"), 3, seed) for seed in (1, 1, 2, 3)]
    chosen = [[(spec.operator_name, spec.occurrence) for spec in specs] for specs, _ in draws]
    assert chosen[0] == chosen[1] and chosen[0] not in (chosen[2], chosen[3]) and len(chosen[0]) == 3
    fewer, _ = mutation.mutants_of(Path("hw/clamp.py"), 2, 1)
    assert {(spec.operator_name, spec.occurrence) for spec in fewer} < set(chosen[0])
    # Three numbers, a comparison, a condition, a sum.
    assert {places for _, places in draws} == {6}


@pytest.mark.slow
def test_survivors_are_found_and_runs_go_on(tree, tmp_path):
    found = mutation.run_mutants("clamp", 100, 1, tree, tmp_path)
    assert (tree / "hw" / "clamp.py").read_text() == SOURCE
    changes = {
        line[1:].strip() for mutant in found["mutants"] if not mutant["caught"] for line in mutant["change"]
    }
    # Nothing tells these from what they stand for; what else survives depends on which of a place's mutants were drawn.
    assert found["places"] == len(found["mutants"]) == 6 and changes <= {
        "if number > 6:",
        "if number > 7:",
        "if number >= 7:",
        "return number + 0",
        "return number - 0",
        "return number | 0",
        "return number ^ 0",
        "return number << 0",
        "return number >> 0",
    }
    assert sum(mutant["caught"] for mutant in found["mutants"]) >= 4
    # What is known is not run again.
    (tree / "tests" / "hw" / "test_clamp.py").write_text("def test_nothing():\n    raise AssertionError\n")
    assert mutation.run_mutants("clamp", 100, 1, tree, tmp_path) == found


def test_what_is_known_of_other_files_stays():
    survivor = {"line": 3, "kind": "AddNot", "change": ["-a", "+b"]}
    caught, missed = {"caught": True}, {"caught": False, "equal": True, **survivor}
    first = mutation._result(
        {name: {"places": 9, "mutants": [missed, caught]} for name in ("ring", "pe")}, 2, {}
    )
    found = mutation._result({"pe": {"places": 8, "mutants": [caught] * 3}}, 2, first)
    assert (found["mutants"], found["killed"], found["equal"]) == (5, 4, 1)
    assert [one["file"] for one in found["survivors"]] == ["ring"]
    assert list(found["files"]) == ["pe", "ring"] and found["files"]["ring"] == first["files"]["ring"]


def test_the_page_shows_what_is_stored():
    text = mutation.PAGE.read_text()
    assert page_with(text, mutation.mutation_tables(STORED)) == text, "run `python -m bench.mutation`"


def test_survivors_are_explained():
    assert all(survivor["explanation"] for survivor in STORED.get("survivors", [])), mutation.EXPLAINED
