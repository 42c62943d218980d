"""A sensitivity scan from the command line: its numbers, the zeros chosen within a budget, table, JSON and picture."""

import dataclasses
import json

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from rich.table import Table

from fpga.pictures import write_picture
from fpga.steps import Steps
from sw.compression.micronet.budget import budget_of, choose, prune_to
from sw.compression.micronet.sensitivity import scan
from sw.files import replace_file
from sw.training import accuracy

__all__ = ["draw_sensitivity", "measure", "show_sensitivity", "write_sensitivity"]

#: Lines differ without colours, too: first by marker, then by dashes.
_MARKERS = "osD^v<>pP*X"
_DASHES = ("-", "--", "-.", ":")
_LEGEND_ROWS = 24


def measure(network, dataset, *, name, shares, images, budget, cost, console):
    """Scan ``network`` on about ``images`` training images, and choose zeros where there is a ``budget``.

    Parameters
    ----------
    budget : float or None
        Share of the weights, or of the multiply-adds if ``cost`` says so, that may be left.

    Returns
    -------
    dict
        As in the JSON file: ``network``, ``data`` and the members of ``sw.compression.micronet.sensitivity.Sensitivity``; with a
        budget also ``choice``: ``cost``, ``budget``, ``left``, ``tolerance``, ``sparsity`` by layer, and ``accuracy`` with all of it
        pruned, without retraining.
    """
    # Splits often come sorted by class.
    every = slice(None, None, max(1, len(dataset.train_images) // images))
    pictures, labels = dataset.train_images[every], dataset.train_labels[every]
    with Steps(console).step("scan") as show:
        found = scan(network, pictures, labels, shares, progress=show)
    result = {"network": name, "data": dataset.name, **dataclasses.asdict(found)}
    if budget is not None:
        limit = budget_of(found, budget, cost)
        choice = choose(found, limit, cost)
        result["choice"] = {
            "cost": cost,
            "budget": limit,
            "left": choice.left,
            "tolerance": choice.tolerance,
            "sparsity": {layer.name: choice.zeros[layer.name] / layer.weights for layer in found.layers},
            "accuracy": accuracy(prune_to(network, choice.zeros), pictures, labels),
        }
    return result


def write_sensitivity(output, result):
    """Write ``result`` as JSON to ``output``, and beside it as ``.svg`` and ``.png``."""
    for suffix in (".svg", ".png"):
        write_picture(output.with_suffix(suffix), lambda: draw_sensitivity(result))
    replace_file(output, json.dumps(result, indent=1) + "\n")


def show_sensitivity(console, result):
    """Print accuracy by layer and share of zeros, in per cent."""
    choice = result.get("choice")
    table = Table(
        title="sensitivity",
        caption=f"top-1 in % with zeros in one layer alone, on {result['images']} training images; {100 * result['accuracy']:.1f} without",
    )
    table.add_column("layer")
    table.add_column("weights", justify="right")
    for share in result["shares"]:
        table.add_column(f"{share:.0%}", justify="right")
    if choice:
        table.add_column("chosen", justify="right")
    for layer in result["layers"]:
        table.add_row(
            layer["name"],
            f"{layer['weights']:,}",
            *(f"{100 * found:.1f}" for found in layer["accuracies"]),
            *([f"{choice['sparsity'][layer['name']]:.1%}"] if choice else []),
        )
    console.print(table)
    if choice:
        console.print(
            f"{choice['left']:,} of {choice['budget']:,} {choice['cost']} left; each layer may cost {100 * choice['tolerance']:.2f} % by "
            f"itself; all together, without retraining: top-1 {choice['accuracy']:.2%}",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )


def draw_sensitivity(result):
    """A matplotlib ``Figure``: accuracy against the share of zeros, a line for each layer; what was chosen is ringed."""
    layers = result["layers"]
    columns = -(-len(layers) // _LEGEND_ROWS)
    figure = Figure(figsize=(7.5 + 2 * columns, 5.2), layout="constrained")
    FigureCanvasAgg(figure)
    panel = figure.subplots()
    shares = [0.0, *result["shares"]]
    for number, layer in enumerate(layers):
        accuracies = [result["accuracy"], *layer["accuracies"]]
        (line,) = panel.plot(
            shares,
            accuracies,
            marker=_MARKERS[number % len(_MARKERS)],
            linestyle=_DASHES[number // len(_MARKERS) % len(_DASHES)],
            markersize=4,
            linewidth=1,
            label=layer["name"],
        )
        if "choice" in result:
            chosen = result["choice"]["sparsity"][layer["name"]]
            panel.plot(
                [chosen],
                [np.interp(chosen, shares, accuracies)],
                marker="o",
                markersize=10,
                markerfacecolor="none",
                color=line.get_color(),
            )
    panel.axhline(result["accuracy"], color="black", linewidth=0.8, linestyle=":")
    panel.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    panel.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    panel.set_xlabel("zeros in one layer alone")
    panel.set_ylabel(f"top-1 on {result['images']} training images, not retrained")
    panel.grid(alpha=0.3)
    figure.legend(loc="outside right upper", ncols=columns, fontsize=7.5)
    figure.suptitle(f"{result['network']}: sensitivity of its layers")
    return figure
