"""The curve from accuracy to speed: one compression for each number of bases and share of zeros, its measures, a picture.

Every point is kept as it is made; a sweep that was killed goes on after the last one. A point can start from the one before it, with
fewer zeros, which takes it fewer epochs.
"""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fpga.compression import compress_to_file
from fpga.curves import MARKERS, accuracy_figure
from fpga.cycle_counting import cycle_counter
from fpga.pictures import write_picture
from fpga.steps import Steps
from sim import reference
from sim.counting import compression
from sim.cycle_model import layer_cycles
from sw.compiler import compile_network
from sw.complexity import integer_complexity, total
from sw.compression.compress import ternary_again
from sw.compression.escalate import EscalateSettings
from sw.compression.run import Run
from sw.compression.typed import values_of
from sw.files import replace_file
from sw.network import Convolution
from sw.network_file import read_network

__all__ = ["draw_sweep", "measure_point", "sweep", "write_sweep"]

#: Images of the test split whose cycles are counted; they differ by a few in a thousand.
_CYCLE_IMAGES = 4
#: Where a point's share of zeros stands beside it, in points of print, by its line: lines are close to each other.
_BESIDE = ((4, -10), (-22, 4), (4, 4), (-22, -10))


def sweep(
    network,
    dataset,
    points,
    config,
    output,
    *,
    dense=None,
    further=None,
    folder,
    name,
    test_images=None,
    console,
):
    """Compress ``network`` at every point and measure what came out.

    Parameters
    ----------
    network : sw.model.Network
    points : dict
        ``Recipe`` by label, that end in ESCALATE and do not begin with a training; labels become parts of file names.
    further : int or None
        Epochs of retraining of a point that has as many bases as the point before it, and more zeros: it starts from that. ``None`` starts
        every point from ``network``.
    config : Config
        For which cycles and bits are counted.
    output : path
        Beside it are written, with its stem: a network file for each point, ``.sweep.json``, ``.sweep.svg``, ``.sweep.png``.
    folder : path
        For checkpoints.

    Returns
    -------
    dict
        As in the JSON file: ``preset``, ``dense_accuracy``, ``points``.
    """
    result_path = output.with_suffix(".sweep.json")
    folder.mkdir(parents=True, exist_ok=True)
    if dense is not None:
        with Steps(console).step("train the dense network") as show:
            run = Run(dataset=dataset, folder=folder, progress=lambda phase, part, text: show(part, text))
            run.train("dense", network, dense)
    found, before = [], None
    for label, recipe in points.items():
        follows = further is not None and before is not None and _follows(recipe, before.recipe)
        if follows:
            recipe = _shorter(recipe, further)
        digest = _digest(recipe, config) + (before.digest if follows else "")
        path = output.with_name(f"{output.stem}-{label}{output.suffix}")
        kept = folder / f"{label}.json"
        made = None
        if not kept.exists() or json.loads(kept.read_text())["digest"] != digest:
            made, report = compress_to_file(
                network,
                dataset,
                recipe,
                path,
                name=name,
                folder=folder / label,
                config=config,
                start=before.ternary(network, dataset) if follows else None,
                test_images=test_images,
                console=console,
            )
            point = measure_point(path, dataset, config) | {
                "label": label,
                "digest": digest,
                "bases": recipe.find(EscalateSettings).bases,
                "asked_sparsity": recipe.find(EscalateSettings).sparsity,
                "dense_accuracy": report["phases"][0]["accuracy"],
                "accuracy": report["accuracy_integer"],
                "agreement": report["agreement"],
                "test_images": report["test_images"],
            }
            replace_file(kept, json.dumps(point, indent=2) + "\n")
        found.append(json.loads(kept.read_text()))
        before = _Before(recipe, digest, folder / label, config, made and made.ternary)
        result = {"preset": config.name, "dense_accuracy": found[0]["dense_accuracy"], "points": found}
        replace_file(result_path, json.dumps(result, indent=2) + "\n")
        write_sweep(output, result, name)
    return result


@dataclass
class _Before:
    """The point before: its network is read from its checkpoints if it was made by an earlier run."""

    recipe: object
    digest: str
    folder: Path
    config: object
    made: object

    def ternary(self, network, dataset):
        if self.made is None:
            cycles = cycle_counter(self.config, dataset)
            self.made = ternary_again(network, dataset, self.recipe, self.folder, cycles)
        return self.made


def _follows(recipe, before):
    """Whether a recipe asks for the same as the one before, and more zeros."""
    more, few = recipe.find(EscalateSettings), before.find(EscalateSettings)
    same = recipe.changed(EscalateSettings, sparsity=few.sparsity, retraining=few.retraining)
    return more.sparsity > few.sparsity and before == same


def _shorter(recipe, epochs):
    retraining = dataclasses.replace(recipe.find(EscalateSettings).retraining, epochs=epochs)
    return recipe.changed(EscalateSettings, retraining=retraining)


def _digest(recipe, config):
    return json.dumps([values_of(recipe.labelled()), config.digest], sort_keys=True)


def measure_point(path, dataset, config):
    """Cycles, bits, operations and zeros of a network file on one configuration, as plain values."""
    network, _ = read_network(path)
    program = compile_network(network, config)
    images = dataset.test_images[:: max(1, len(dataset.test_images) // _CYCLE_IMAGES)][:_CYCLE_IMAGES]
    integers = images if network.pixels is None else network.pixels.integers(images)
    tensors = reference.run(network, integers)
    size = compression(network, program)
    complexity = integer_complexity(network, program)
    work, before = total(complexity), total(complexity, "dense")
    ternary = [
        layer.coefficients
        for layer in network.layers
        if isinstance(layer, Convolution) and not layer.own_bases and not layer.fixed
    ]
    return {
        "cycles": float(np.mean(layer_cycles(program, tensors).sum(axis=1))),
        "image_bits": size.image_bits,
        "dense_bits": size.dense_bits,
        "zeros_free_bits": size.zeros_free_bits,
        "operations": work.operations,
        "dense_operations": before.operations,
        "sparsity": 1 - sum(map(np.count_nonzero, ternary)) / sum(part.size for part in ternary),
    }


def write_sweep(output, result, name):
    """Draw the curves beside ``output``, as ``.sweep.svg`` and ``.sweep.png``; the same result gives the same bytes."""
    for suffix in (".svg", ".png"):
        write_picture(output.with_suffix(f".sweep{suffix}"), lambda: draw_sweep(result, name))


def draw_sweep(result, name):
    """A matplotlib ``Figure``: top-1 against cycles, bits and operations, a line for each number of bases."""
    figure, panels = accuracy_figure(
        f"{name}: accuracy of the integers on preset {result['preset']}, numbers: coefficients that are zero",
        result["dense_accuracy"],
    )
    every = sorted({point["bases"] for point in result["points"]})
    for key, panel in panels.items():
        for line, (bases, marker) in enumerate(zip(every, MARKERS, strict=False)):
            points = [point for point in result["points"] if point["bases"] == bases]
            points.sort(key=lambda point: point[key])
            panel.plot(
                [point[key] for point in points],
                [100 * point["accuracy"] for point in points],
                marker=marker,
                label=f"{bases} bases",
            )
            for point in points:
                panel.annotate(
                    f"{point['sparsity']:.0%}",
                    (point[key], 100 * point["accuracy"]),
                    xytext=_BESIDE[line % len(_BESIDE)],
                    textcoords="offset points",
                    fontsize=7.5,
                )
    panels["cycles"].legend(loc="lower right")
    return figure
