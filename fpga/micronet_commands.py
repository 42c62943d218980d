"""Commands of the MicroNet part: score, sensitivity.

What a command needs is imported when it runs: help loads nothing.
"""

import json
from pathlib import Path

import click

from fpga.commands import console, output_option, require
from fpga.model_options import load_network, model_options

__all__ = ["score", "sensitivity"]


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--task",
    default="cifar100",
    show_default=True,
    type=click.Choice(["cifar100", "imagenet"]),
    help="Whose baseline counts.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def score(file, task, as_json):
    """Score a network by the rules of the MicroNet Challenge.

    FILE is a network file, or the checkpoint of the challenge's winner.
    """
    from fpga.inspection import is_network_file

    if not is_network_file(file):
        require("compress", ["torch"])
    from fpga.scoring import score_file, show_score

    result = score_file(file, task)
    if as_json:
        click.echo(json.dumps(result, indent=1))
    else:
        show_score(console(), result)


@click.command()
@model_options
@output_option("JSON file to write; the picture gets its name and .svg, and .png.")
@click.option(
    "--shares",
    default="0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9",
    show_default=True,
    help="Of zeros in a layer, to be tried.",
)
@click.option(
    "--images",
    default=1000,
    show_default=True,
    type=click.IntRange(min=1),
    help="Of the training part, that accuracy is measured on.",
)
@click.option(
    "--budget",
    type=click.FloatRange(0, 1, min_open=True),
    help="Share that may be left: choose the zeros of every layer.",
)
@click.option(
    "--cost",
    default="parameters",
    show_default=True,
    type=click.Choice(["parameters", "operations"]),
    help="What the budget counts: weights, or multiply-adds with them.",
)
def sensitivity(model, data, weights, mean, std, output, shares, images, budget, cost):
    """Measure what pruning one layer alone costs, for every layer.

    MODEL is an ONNX file, a program saved by torch.export, or the name of a network that farthing knows.
    """
    require("compress", ["torch", "accelerate", "onnx"])
    require("report", ["matplotlib"])
    from fpga.compression import parse_shares
    from fpga.sensitivity import measure, show_sensitivity, write_sensitivity

    shares = parse_shares(shares)
    network, dataset = load_network(model, data, weights, mean, std)
    result = measure(
        network,
        dataset,
        name=Path(model).stem,
        shares=shares,
        images=images,
        budget=budget,
        cost=cost,
        console=console(),
    )
    write_sensitivity(output, result)
    show_sensitivity(console(), result)
    click.echo(f"{output}: sensitivity of {len(result['layers'])} layers")
