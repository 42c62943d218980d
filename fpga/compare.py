"""Recipes side by side on one network: what each makes of it beside the dense network, as numbers, a table and a picture.

Every row is kept as it is made; a comparison that was killed goes on after the last one, and in it from its checkpoints.
"""

import copy
import dataclasses
import hashlib
import json

from rich.table import Table

from fpga.compression import compress_to_file
from fpga.curves import MARKERS, accuracy_figure
from fpga.cycle_counting import cycle_counter
from fpga.pictures import write_picture
from fpga.scoring import score_file
from fpga.steps import Steps
from sim.counting import compression
from sw.compiler import compile_network
from sw.complexity import integer_complexity, network_complexity, total
from sw.compression.model_file import MODEL_SUFFIX, read_model
from sw.compression.operations_budget import with_operations
from sw.compression.run import Run
from sw.compression.typed import values_of
from sw.files import replace_file
from sw.network_file import read_network

__all__ = ["SOURCES", "compare", "draw_comparison", "show_comparison"]

#: Quantities of a row, and how each is counted.
SOURCES = {
    "accuracy": "share of the test images that are classified rightly: by the integers where the recipe makes some, else by the real numbers",
    "operations": "sw.complexity, an image: additions of channels and multiply-adds, without those of zero coefficients or weights; dense: all multiply-adds",
    "traffic_bytes": "sw.complexity, an image: stored bits / 8, masks too, and every map read and written once, in 8 bits for integers, else 32",
    "image_bits": "sim.counting.compression: bits of the accelerator's image that inference needs; dense: 32 for every weight and bias",
    "score": "sw.compression.micronet.rules: parameters / baseline's + operations / baseline's; the lowest wins",
    "cycles": "sim.cycle_model, mean of a few training images; dense: multiply-adds / multipliers of the preset, all busy in every cycle",
}
_REAL = "the recipe makes real numbers; end it in escalate or uniform for integers"
_HEADINGS = (
    "network",
    "told",
    "top-1",
    "points lost",
    "operations",
    "of dense",
    "bytes moved",
    "image bits",
    "MicroNet score",
    "cycles",
)


def compare(network, dataset, recipes, config, folder, *, name, task, budget=None, dense=None, console):
    """Compress ``network`` by every recipe and measure what came out.

    Parameters
    ----------
    network : sw.model.Network
        Is changed if it is trained.
    dataset : sw.data.Dataset
    recipes : dict
        ``Recipe`` by label; labels become parts of file names.
    config : Config
        For which bits and cycles are counted.
    folder : path
        Gets ``comparison.json``, ``comparison.md``, ``comparison.svg``, a network file or model file for each recipe, and checkpoints.
    name : str
    task : str
        Of ``sw.compression.micronet.rules.TASKS``, whose baseline scores count.
    budget : float or None
        Share of the dense network's operations that recipes are told to leave; ``None`` leaves them what they say.
    dense : TrainingSettings or None
        Of the network before anything else.
    console : rich.console.Console

    Returns
    -------
    dict
        As in the JSON file: settings, ``sources`` of the numbers, and ``rows``, of which the first is the dense network. A quantity that
        a row does not have is ``None``, with the reason in ``missing``.

    Raises
    ------
    ValueError
        Naming the recipe, if one cannot be run on this network.
    """
    work = folder / "work"
    work.mkdir(parents=True, exist_ok=True)
    run = Run(dataset=dataset, folder=work)
    if dense is not None:
        with Steps(console).step("train the dense network") as show:
            run.progress = lambda phase, part, text: show(part, text)
            run.train("dense", network, dense)
    result = {
        "network": name,
        "data": dataset.name,
        "test_images": len(dataset.test_images),
        "preset": config.name,
        "multipliers": config.multipliers,
        "task": task,
        "budget": budget,
        "sources": SOURCES,
        "rows": [_dense_row(network, run.accuracy(network), config)],
    }
    weights = _weights_digest(network)
    for label, recipe in recipes.items():
        try:
            row = _row(network, dataset, label, recipe, weights, config, folder, task, budget, console)
        except ValueError as error:
            raise ValueError(f"recipe {label}: {error}") from None
        result["rows"].append(row)
        _write(folder, result)
    return result


def _row(network, dataset, label, recipe, weights, config, folder, task, budget, console):
    """What is known of one recipe: read, or made and measured."""
    asked = None
    if budget is not None:
        recipe, asked = with_operations(recipe, network, budget)
    settings = values_of(recipe.labelled())
    digest = json.dumps([settings, weights, config.digest, dataset.name, task], sort_keys=True)
    path = folder / f"{label}{'.farthing' if recipe.makes_integers else MODEL_SUFFIX}"
    kept = folder / "work" / f"{label}.json"
    if path.exists() and kept.exists():
        stored = json.loads(kept.read_text())
        if stored["digest"] == digest:
            return stored["row"]
    made, report = compress_to_file(
        # A recipe that begins with a training changes its network.
        copy.deepcopy(network),
        dataset,
        recipe,
        path,
        name=label,
        folder=folder / "work" / label,
        config=config,
        console=console,
    )
    if recipe.makes_integers:
        found, missing = _integers(path, dataset, config, task)
        accuracy = report["accuracy_integer"]
    else:
        found, missing = _real_numbers(read_model(path)[0])
        accuracy = made.accuracy
    row = {
        "name": label,
        "file": path.name,
        "asked": asked and dataclasses.asdict(asked),
        "accuracy": accuracy,
        **found,
        "missing": missing,
        "recipe": settings,
    }
    replace_file(kept, json.dumps({"digest": digest, "row": row}, indent=1) + "\n")
    return row


def _dense_row(network, accuracy, config):
    work = total(network_complexity(network), "dense")
    return {
        "name": "dense",
        "file": None,
        "asked": None,
        "accuracy": accuracy,
        "operations": work.operations,
        "traffic_bytes": work.traffic_bytes,
        "image_bits": work.bits,
        "score": None,
        "cycles": work.multiply_adds / config.multipliers,
        "missing": {"score": "the rules are counted for integers"},
        "recipe": None,
    }


def _integers(path, dataset, config, task):
    """Quantities of a network file, and reasons for those that are missing."""
    network, _ = read_network(path)
    missing, program, cycles = {}, None, None
    try:
        program = compile_network(network, config)
        cycles = sum(cycle_counter(config, dataset)(network).values())
    except ValueError as error:
        missing = dict.fromkeys(("image_bits", "cycles"), f"preset {config.name} cannot run it: {error}")
    work = total(integer_complexity(network, program))
    return {
        "operations": work.operations,
        "traffic_bytes": work.traffic_bytes,
        "image_bits": None if program is None else compression(network, program).image_bits,
        "score": score_file(path, task)["score"],
        "cycles": cycles,
    }, missing


def _real_numbers(network):
    work = total(network_complexity(network))
    absent = ("image_bits", "score", "cycles")
    found = {"operations": work.operations, "traffic_bytes": work.traffic_bytes}
    return found | dict.fromkeys(absent), dict.fromkeys(absent, _REAL)


def _weights_digest(network):
    found = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        found.update(name.encode() + value.cpu().numpy().tobytes())
    return found.hexdigest()


def _write(folder, result):
    """Write what is known so far."""
    replace_file(folder / "comparison.json", json.dumps(result, indent=1) + "\n")
    replace_file(folder / "comparison.md", _markdown(result))
    write_picture(folder / "comparison.svg", lambda: draw_comparison(result))


def _table_rows(result):
    """Texts of the table: headings, then a list for each row."""
    dense = result["rows"][0]
    return [_HEADINGS, *(_texts(row, dense) for row in result["rows"])]


def _texts(row, dense):
    asked = row["asked"]
    return [
        row["name"],
        "" if asked is None else f"{asked['method']}: {asked['setting']} {asked['value']:.3g}",
        f"{row['accuracy']:.2%}",
        f"{100 * (dense['accuracy'] - row['accuracy']):.2f}",
        f"{row['operations']:,}",
        f"{row['operations'] / dense['operations']:.1%}",
        f"{row['traffic_bytes']:,.0f}",
        "" if row["image_bits"] is None else f"{row['image_bits']:,}",
        "" if row["score"] is None else f"{row['score']:.6f}",
        "" if row["cycles"] is None else f"{row['cycles']:,.0f}",
    ]


def _notes(result):
    """Lines below the table: what the numbers are, and why some are not there."""
    told = (
        "as they say"
        if result["budget"] is None
        else f"told to leave {result['budget']:.0%} of the operations"
    )
    head = (
        f"{result['network']}, data {result['data']}, {result['test_images']:,} test images, preset {result['preset']} "
        f"({result['multipliers']:,} multipliers), scores of {result['task']}; recipes {told}"
    )
    reasons = {}
    for row in result["rows"]:
        for quantity, reason in row["missing"].items():
            reasons.setdefault((row["name"], reason), []).append(quantity.replace("_", " "))
    return [
        head,
        *(f"{name}, no {', '.join(absent)}: {reason}" for (name, reason), absent in reasons.items()),
    ]


def _markdown(result):
    head, *rows = _table_rows(result)
    lines = [head, ["---", "---", *["---:"] * (len(head) - 2)], *rows]
    sources = [f"{quantity.replace('_', ' ')}: {source}" for quantity, source in result["sources"].items()]
    notes = [f"* {line}" for line in (*_notes(result), *sources)]
    return "\n".join([*(f"| {' | '.join(line)} |" for line in lines), "", *notes, ""])


def show_comparison(console, result):
    """Print the table."""
    head, *rows = _table_rows(result)
    table = Table(
        title="comparison", caption="dense: bits of 32-bit numbers, cycles with every multiplier busy"
    )
    for heading in head:
        table.add_column(heading, justify="left" if heading in head[:2] else "right", overflow="fold")
    for row in rows:
        table.add_row(*row)
    console.print(table)
    for line in _notes(result):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def draw_comparison(result):
    """A matplotlib ``Figure``: top-1 against cycles, bits and operations, a point for each recipe that has them."""
    dense, *rows = result["rows"]
    figure, panels = accuracy_figure(
        f"{result['network']}: recipes side by side on preset {result['preset']}", dense["accuracy"]
    )
    for key, panel in panels.items():
        for number, row in enumerate(rows):
            if row[key] is not None:
                panel.plot(
                    [row[key]],
                    [100 * row["accuracy"]],
                    marker=MARKERS[number % len(MARKERS)],
                    color=f"C{number % 10}",
                    linestyle="none",
                    label=row["name"],
                )
    # Every recipe has operations.
    panels["operations"].legend(loc="lower right")
    return figure
