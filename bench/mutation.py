"""Mutants of the gateware: how many of them the tests catch.

``python -m bench.mutation`` changes one operator, constant or condition of ``hw/`` at a time, as Cosmic Ray does, in a copy of the
repository, and runs the tests of the file that it is in. Mutants are drawn at random, the same with the same seed, one of the many that a
place has, as many of each file as asked for, those of fewer among those of more. Results are kept in ``build/mutation``: a run that was killed goes on where it was. Of survivors it is proved, where it can be, that they are
the same gateware (``bench.equality``). They and the others' explanations (``bench/mutation_survivors.toml``) go into ``bench/results/mutation.json`` and ``docs/verification.md``.
"""

import ast
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import click
from rich.console import Console
from rich.progress import track

from sw.files import replace_file

from .equality import proved_equal
from .page import page_with

__all__ = [
    "EXPLAINED",
    "PAGE",
    "RESULT",
    "SUITES",
    "mutants_of",
    "mutation_tables",
    "of_gateware_alone",
    "run_mutants",
    "suite",
]

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "bench" / "results" / "mutation.json"
EXPLAINED = ROOT / "bench" / "mutation_survivors.toml"
PAGE = ROOT / "docs" / "verification.md"
FOLDER = Path("build") / "mutation"
#: Operators, constants and conditions, as Cosmic Ray names them; others delete decorators and change exceptions.
_KINDS = (
    *("ReplaceBinaryOperator", "ReplaceComparisonOperator", "ReplaceUnaryOperator", "NumberReplacer"),
    *("AddNot", "ReplaceTrueWithFalse", "ReplaceFalseWithTrue", "ReplaceAndWithOr", "ReplaceOrWithAnd"),
)
#: What others build against, of every file.
_INTERFACES = "tests/bench/test_interfaces.py"
_DEVICE = ["tests/sim/test_convolution.py", "tests/sim/test_network.py"]
#: Tests of a file of ``hw/`` that has none of its name.
SUITES = {
    "accelerator": ["tests/sim/test_network.py", "tests/sim/test_serial_machine.py"],
    "axi_accelerator": ["tests/hw/test_axi.py"],
    "axi_lite": ["tests/hw/test_axi.py", "tests/formal/test_streams.py"],
    "axi_registers": ["tests/hw/test_axi.py"],
    "axi_stream": ["tests/hw/test_axi.py", "tests/formal/test_streams.py"],
    "block": ["tests/hw/test_relay.py", *_DEVICE],
    "double_buffer": ["tests/hw/test_buffers.py"],
    "config": [
        *(
            "tests/hw/test_config.py",
            "tests/fpga/test_cli.py",
            "tests/hw/test_pe.py",
            "tests/hw/test_requantiser.py",
        ),
        *_DEVICE,
    ],
    "formats": ["tests/hw/test_coefficients.py", "tests/hw/test_sequencer.py", *_DEVICE],
    "frame_receiver": ["tests/hw/test_link.py"],
    "frame_serializer": ["tests/hw/test_frame_serializer.py", "tests/hw/test_link.py"],
    "frame_transmitter": ["tests/hw/test_link.py"],
    "issue": ["tests/hw/test_mac.py"],
    "link_executor": ["tests/hw/test_link.py"],
    "link_words": ["tests/hw/test_link.py"],
    "masked_tree": ["tests/hw/test_channel_accumulation.py"],
    "pe_array": _DEVICE,
    "protocol": ["tests/bench/test_protocol.py", "tests/sw/test_frames.py", "tests/hw/test_link.py"],
    "ring": ["tests/formal/test_ring.py", "tests/hw/test_pe.py"],
    "run_order": ["tests/hw/test_link.py", "tests/hw/test_axi.py"],
    "skid": ["tests/hw/test_buffers.py"],
    "serial_machine": ["tests/sim/test_serial_machine.py"],
    "settled": ["tests/hw/test_mac.py"],
    "taps": ["tests/hw/test_mac.py"],
}
_COLUMNS = ("places", "mutants", "killed", "equal")
#: Seconds that tests may take over those without a mutant: a factor, and what is added.
_SLOWER, _MORE = 5, 60


def suite(name):
    """Tests of a file of ``hw/``."""
    return [_INTERFACES, *SUITES.get(name, [f"tests/hw/test_{name}.py"])]


def mutants_of(path, count, seed):
    """At most ``count`` mutants of a file, drawn at random, one of each place and kind, and how many such places there are.

    Returns
    -------
    list of cosmic_ray.work_item.MutationSpec
    int
    """
    from cosmic_ray.commands.init import init
    from cosmic_ray.work_db import use_db

    with use_db(":memory:") as database:
        init([path], database, {})
        specs = [item.mutations[0] for item in database.work_items]
    specs.sort(key=lambda spec: (spec.start_pos, spec.operator_name, spec.occurrence))
    places = {}
    for spec in specs:
        kind = spec.operator_name.removeprefix("core/").split("_")[0]
        if kind in _KINDS:
            places.setdefault((spec.start_pos, kind), []).append(spec)
    chooser = random.Random(f"{seed} {Path(path).name}")
    order = sorted(places)
    chooser.shuffle(order)
    # With more of a file come others; those of fewer stay.
    chosen = {place: chooser.choice(places[place]) for place in order}
    return [chosen[place] for place in sorted(order[:count])], len(places)


def run_mutants(name, count, seed, tree, folder):
    """Run the tests of one file of ``hw/`` against mutants of it.

    Parameters
    ----------
    name : str
        Of the file, without its ending.
    tree : Path
        Copy of the repository, the working directory; the file is changed there and restored.
    folder : Path
        Keeps what is known of the file as it is.

    Returns
    -------
    dict
        ``places``, and ``mutants``: for each its ``line``, ``kind``, ``change``, ``caught``, and if it is not whether it is proved ``equal``.
    """
    from cosmic_ray.mutating import mutate_and_test
    from cosmic_ray.testing import run_tests
    from cosmic_ray.work_item import TestOutcome

    source = tree / "hw" / f"{name}.py"
    tests = suite(name)
    key = hashlib.sha256(json.dumps([source.read_text(), tests, seed]).encode()).hexdigest()
    kept = folder / f"{name}.json"
    known = json.loads(kept.read_text()) if kept.exists() else {}
    if known.get("key") != key:
        known = {"key": key, "mutants": {}}
    relative = source.relative_to(tree)
    specs, places = mutants_of(relative, count, seed)
    command = f"{sys.executable} -m pytest -q -x {' '.join(tests)}"
    if "seconds" not in known:
        begun = time.monotonic()
        outcome, output = run_tests(command, 3600)
        if outcome is not TestOutcome.SURVIVED:
            raise click.ClickException(
                f"hw/{name}.py: expected its tests to pass as it is, got\n{output[-2000:]}"
            )
        known["seconds"] = time.monotonic() - begun
    for spec in track(specs, description=f"{name:20}", console=Console(stderr=True)):
        label = f"{spec.operator_name} {spec.occurrence}"
        if label in known["mutants"]:
            continue
        result = mutate_and_test([spec], command, known["seconds"] * _SLOWER + _MORE)
        if result.test_outcome is TestOutcome.INCOMPETENT:
            raise click.ClickException(
                f"hw/{name}.py, {label}: expected tests to run, got\n{result.output[-2000:]}"
            )
        known["mutants"][label] = {
            "line": spec.start_pos[0],
            "kind": spec.operator_name.removeprefix("core/"),
            "change": [
                line
                for line in result.diff.splitlines()
                if line[:1] in "+-" and line[:3] not in ("+++", "---")
            ],
            "caught": result.test_outcome is TestOutcome.KILLED,
        }
        replace_file(kept, json.dumps(known, indent=1) + "\n")
    found = [known["mutants"][f"{spec.operator_name} {spec.occurrence}"] for spec in specs]
    for spec, mutant in zip(specs, found, strict=True):
        if not mutant["caught"] and "equal" not in mutant:
            mutant["equal"] = _equal(spec, name, folder)
            replace_file(kept, json.dumps(known, indent=1) + "\n")
    return {"places": places, "mutants": found}


def of_gateware_alone(source, line):
    """Whether a line of a file of ``hw/`` makes gateware and nothing else: models and what software reads too, such as constants, are more than that."""
    functions = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef) and node.lineno <= line <= node.end_lineno
    ]
    if not functions:
        return False
    inmost = max(functions, key=lambda node: node.lineno)
    return "model" not in inmost.name and "np." not in ast.unparse(inmost)


def _equal(spec, name, folder):
    """Whether the mutant is proved to be the same gateware."""
    from cosmic_ray.mutating import use_mutation
    from cosmic_ray.plugins import get_operator

    if not of_gateware_alone(Path(spec.module_path).read_text(), spec.start_pos[0]):
        return False

    def netlists(where):
        shutil.rmtree(where, ignore_errors=True)
        command = [sys.executable, "-m", "bench.equality", name, str(where)]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    before, after = folder / "before", folder / "after"
    with use_mutation(spec.module_path, get_operator(spec.operator_name)(), spec.occurrence):
        made = netlists(after)
    return made and netlists(before) and proved_equal(before, after)


def _copy(tree):
    """The files that git knows, as they are."""
    shutil.rmtree(tree, ignore_errors=True)
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    for name in listed.decode().split("\0")[:-1]:
        if (ROOT / name).exists():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name)


def mutation_tables(stored):
    """``[(title, headings, rows)]`` of strings."""
    if not stored:
        return []
    rows = [
        [f"`hw/{name}.py`", *(str(part[column]) for column in _COLUMNS)]
        for name, part in stored["files"].items()
    ]
    total = [str(sum(part[column] for part in stored["files"].values())) for column in _COLUMNS]
    survivors = [
        [
            f"`hw/{survivor['file']}.py` {survivor['line']}",
            "<br>".join(f"`{line}`" for line in survivor["change"]).replace("|", "\\|"),
            survivor["explanation"],
        ]
        for survivor in stored["survivors"]
    ]
    mutants, killed, equal = (stored[column] for column in _COLUMNS[1:])
    title = (
        f"Mutants caught: {killed} of {mutants}, {killed / mutants:.1%}; of the {mutants - equal} that are not proved equal "
        f"{killed / (mutants - equal):.1%} (seed {stored['seed']}, {stored['date']})"
    )
    return [
        (
            title,
            ["file", "places", "mutants", "caught", "proved equal"],
            [*rows, ["all", *total]],
        ),
        ("Mutants that survive", ["place", "change", "why"], survivors),
    ]


def _result(found, seed, stored):
    """What is stored with what was found; ``stored`` has what was known of other files."""
    explained = tomllib.loads(EXPLAINED.read_text()) if EXPLAINED.exists() else {}
    files = {name: part for name, part in stored.get("files", {}).items() if name not in found}
    survivors = [survivor for survivor in stored.get("survivors", ()) if survivor["file"] in files]
    for name, part in found.items():
        files[name] = {
            "places": part["places"],
            "mutants": len(part["mutants"]),
            "killed": sum(mutant["caught"] for mutant in part["mutants"]),
            "equal": sum(mutant.get("equal", False) for mutant in part["mutants"]),
        }
        for mutant in part["mutants"]:
            if not mutant["caught"]:
                after = next((line[1:].strip() for line in mutant["change"] if line.startswith("+")), "")
                why = "proved equal" if mutant["equal"] else explained.get(name, {}).get(after, "")
                survivors.append(
                    {
                        "file": name,
                        **{key: mutant[key] for key in ("line", "kind", "change")},
                        "explanation": why,
                    }
                )
    return {
        **{column: sum(part[column] for part in files.values()) for column in _COLUMNS[1:]},
        "survivors": sorted(survivors, key=lambda survivor: (survivor["file"], survivor["line"])),
        "files": dict(sorted(files.items())),
        "seed": seed,
        "date": time.strftime("%Y-%m-%d"),
    }


@click.command()
@click.option(
    "--only", multiple=True, help="Files of hw/, without their ending; what is known of others stays."
)
@click.option("--count", default=10, show_default=True, type=click.IntRange(1), help="Mutants of each file.")
@click.option("--seed", default=2, show_default=True, help="Of the choice.")
def main(only, count, seed):
    """Mutate the gateware and run its tests."""
    names = sorted(path.stem for path in (ROOT / "hw").glob("*.py") if path.stem != "__init__")
    for name in only:
        if name not in names:
            raise click.UsageError(f"expected a file of hw/ without its ending, got {name!r}")
    folder = (ROOT / FOLDER).resolve()
    tree = folder / "tree"
    _copy(tree)
    os.chdir(tree)
    os.environ["PYTHONPATH"] = str(tree)
    found = {name: run_mutants(name, count, seed, tree, folder) for name in only or names}
    result = _result(found, seed, json.loads(RESULT.read_text()) if only else {})
    console = Console()
    for survivor in result["survivors"]:
        if survivor["file"] in found:
            console.print(f"hw/{survivor['file']}.py {survivor['line']}: {survivor['change']}", markup=False)
    console.print(
        f"caught {result['killed']} of {result['mutants']}, what was known of other files among them"
    )
    replace_file(RESULT, json.dumps(result, indent=1) + "\n")
    replace_file(PAGE, page_with(PAGE.read_text(), mutation_tables(result)))


if __name__ == "__main__":
    main()
