"""Commands of the MicroNet part: score.

What a command needs is imported when it runs: help loads nothing.
"""

import json
from pathlib import Path

import click

from fpga.commands import console, require

__all__ = ["score"]


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
