"""The command that compares recipes.

What it needs is imported when it runs: help loads nothing.
"""

from pathlib import Path

import click

from fpga.commands import console, require
from fpga.model_options import load_network, model_options

__all__ = ["compare_"]

#: Those that end in a network for the accelerator.
_RECIPES = ("escalate", "penni-escalate", "micronet")


@click.command("compare")
@model_options
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the comparison, its networks and its checkpoints; a killed run goes on from them.",
)
@click.option(
    "--recipe",
    "sources",
    multiple=True,
    default=_RECIPES,
    show_default=True,
    metavar="NAME|FILE",
    help="One of those compared: a name, or a TOML file.",
)
@click.option(
    "--budget",
    type=click.FloatRange(0, 1, min_open=True),
    help="Share of the operations that may be left, for recipes that can be told  [default: what they say].",
)
@click.option(
    "--epochs",
    type=click.IntRange(min=1),
    help="Of the longest training of each recipe; the others change in proportion.",
)
@click.option(
    "--dense-epochs",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Of training before anything is compressed, once for all.",
)
@click.option(
    "--preset", default="ulx3s-85f", show_default=True, help="That bits and cycles are counted for."
)
@click.option(
    "--task",
    default="cifar100",
    show_default=True,
    type=click.Choice(["cifar100", "imagenet"]),
    help="Whose baseline MicroNet scores count.",
)
@click.option("--device", help="auto, cpu, cuda, cuda:1, ...")
@click.option("--seed", type=click.IntRange(min=0), help="Of trainings and searches.")
def compare_(
    model, data, weights, mean, std, output, sources, budget, epochs, dense_epochs, preset, task, device, seed
):
    """Compare recipes on one network: accuracy, operations, traffic, bits, MicroNet score, cycles.

    MODEL is an ONNX file, a program saved by torch.export, a model file of farthing compress, or the name of a network that farthing
    knows.
    """
    require("compress", ["torch", "accelerate", "onnx"])
    require("report", ["matplotlib"])
    from fpga.compare import compare, show_comparison
    from fpga.presets import find_config
    from fpga.recipe_options import recipe_with_options
    from sw.compression.recipe_file import load_recipe

    # What can be refused is refused before anything is loaded.
    config = find_config(preset)
    labels = [Path(source).stem for source in sources]
    double = sorted({label for label in labels if labels.count(label) > 1} | ({"dense"} & set(labels)))
    if double:
        raise ValueError(
            f"expected recipes with a name each, other than dense, got {', '.join(double)}; rename the file"
        )
    recipes = {
        label: recipe_with_options(load_recipe(source), epochs=epochs, device=device, seed=seed)
        for label, source in zip(labels, sources, strict=True)
    }
    dense = None
    if dense_epochs:
        dense = recipe_with_options(
            recipes[labels[0]], dense_epochs=dense_epochs, device=device, seed=seed
        ).dense
    network, dataset = load_network(model, data, weights, mean, std)
    result = compare(
        network,
        dataset,
        recipes,
        config,
        output,
        name=Path(model).stem,
        task=task,
        budget=budget,
        dense=dense,
        console=console(),
    )
    show_comparison(console(), result)
    click.echo(f"{output / 'comparison.json'}: {len(recipes)} recipes")
