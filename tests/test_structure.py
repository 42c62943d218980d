"""The shape of the project itself: who imports whom, what is documented, what a file may say."""

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
#: Each folder may import from itself and from those before it.
FOLDERS = ("hw", "sw", "sim", "fpga")
SOURCES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def _name(path):
    return str(path.relative_to(ROOT))


def _imported(tree):
    """Top-level names of everything a module imports; relative imports stay in its folder."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module.split(".")[0]


def _wrong_imports(text, folder):
    later = FOLDERS[FOLDERS.index(folder) + 1 :]
    return sorted(set(_imported(ast.parse(text))) & {*later, "tests"})


def _undocumented(text):
    tree = ast.parse(text)
    named = [
        node
        for node in tree.body
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
        and not node.name.startswith("_")
        # The name of a test says what it asks.
        and not any("cocotb.test" in ast.unparse(decorator) for decorator in node.decorator_list)
    ]
    missing = [node.name for node in named if not ast.get_docstring(node)]
    return missing if ast.get_docstring(tree) or not tree.body else ["the module", *missing]


def _requirements():
    extras = PROJECT["project"]["optional-dependencies"].values()
    return [*PROJECT["project"]["dependencies"], *(line for lines in extras for line in lines)]


def _tracked_files():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a checkout")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_sources_are_found():
    assert {path.relative_to(ROOT).parts[0] for path in SOURCES} == set(FOLDERS)


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_imports_point_one_way(path):
    assert _wrong_imports(path.read_text(), path.relative_to(ROOT).parts[0]) == []


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_public_names_are_documented(path):
    assert _undocumented(path.read_text()) == []


def test_the_checks_can_fail():
    assert _wrong_imports("from sim.runner import run_bench\nimport fpga.cli", "hw") == ["fpga", "sim"]
    assert _wrong_imports("from hw.config import Config\nfrom . import network", "sw") == []
    assert _undocumented("def run():\n    pass") == ["the module", "run"]


def test_packages_are_installed():
    folders = {".".join(path.parent.relative_to(ROOT).parts) for path in SOURCES}
    assert set(PROJECT["tool"]["setuptools"]["packages"]) == folders


def test_dependencies_have_a_bound_and_a_reason():
    lines = (ROOT / "pyproject.toml").read_text().splitlines()
    for text in [*PROJECT["build-system"]["requires"], *_requirements()]:
        operators = {specifier.operator for specifier in Requirement(text).specifier}
        assert operators == {">=", "<"}, f"expected a lower and an upper bound, got {text}"
        (line,) = (line for line in lines if f'"{text}"' in line)
        assert re.search(r"# \w+", line.split(f'"{text}"')[1]), f"expected a reason, got {line.strip()}"


def test_tested_versions_are_exact_and_within_the_bounds():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if not line.startswith("#"))
    for text in _requirements():
        requirement = Requirement(text)
        assert requirement.specifier.contains(pins[requirement.name], prereleases=True), text


def test_tracked_files_name_no_machine():
    roots = "|".join(("home", "root", "work", "tmp", "Users", "opt", "var"))
    pattern = re.compile(rf"(?<![\w./~$}}*:])/(?:{roots})/\w")
    assert pattern.search("see /" + "home/somebody")
    for path in _tracked_files():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        found = pattern.search(text)
        assert found is None, f"{_name(path)}: {found}"


def test_nothing_is_left_to_do():
    pattern = re.compile("|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X")))
    for path in SOURCES:
        assert pattern.search(path.read_text()) is None, _name(path)
