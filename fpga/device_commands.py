"""Commands about devices: program a board, run a network on one or on the simulated accelerator, see what is installed.

What a command needs is imported when it runs: help loads nothing.
"""

import json
from pathlib import Path

import click

from fpga.commands import Failure, console, preset_option, require, time_limit_option

__all__ = ["doctor", "program", "run"]


@click.command()
@click.argument("image", type=click.Path(path_type=Path))
@click.argument("inputs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--device", "target", default="sim", show_default=True, help="sim, or a serial port: /dev/ttyUSB0, COM3."
)
@click.option("--preset", help="Configuration of the device  [default: that of the image].")
@click.option("--baud", type=click.IntRange(min=1), help="Of the serial port  [default: the board's].")
@click.option(
    "--time-limit",
    type=click.FloatRange(0, min_open=True),
    help="Seconds that a run may take  [default: 600 in simulation, 10 on a board].",
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="File for all results, .npy."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with every value of the results.")
def run(image, inputs, target, preset, baud, time_limit, output, as_json):
    """Run pictures or arrays through a network.

    IMAGE is a file of farthing compile. INPUTS are pictures, folders of pictures, or .npy files of integers, [C, H, W] or
    [n, C, H, W]: bytes are pixels, other types what the network reads.
    """
    from fpga.device import SIMULATION

    if target != SIMULATION:
        require("board", ["serial"])
    if any(path.suffix.lower() != ".npy" for path in inputs):
        require("compress", ["PIL", "platformdirs"])
    from fpga.presets import find_config
    from fpga.running import run_inputs, show_run, write_outputs
    from sw.image import read_image

    network = read_image(image)
    config = network.config if preset is None else find_config(preset)
    terminal = console()
    with terminal.status("") as status:
        report, outputs = run_inputs(
            network,
            inputs,
            target,
            config,
            baud=baud,
            limit_seconds=time_limit,
            progress=status.update,
        )
    if output is not None:
        write_outputs(output, outputs)
    if as_json:
        click.echo(json.dumps(report, indent=2))
    else:
        show_run(terminal, report)


@click.command()
@click.argument("bitstream", required=False, type=click.Path(path_type=Path))
@click.option("--board", "board_name", help="The board  [default: that of the build].")
@preset_option("Of the build, where no BITSTREAM is named.")
@time_limit_option(300.0, "Seconds that it may take.")
def program(bitstream, board_name, preset, time_limit):
    """Load a bitstream into a board.

    BITSTREAM is a file, or the folder of a build; without it, it is that of farthing build with the same --board and
    --preset. It stays until the power goes; an iCEBreaker keeps it.
    """
    from fpga.presets import find_config
    from fpga.programming import find_bitstream, program_board

    if bitstream is None:
        if board_name is None:
            raise Failure("expected a bitstream or --board, got neither; name one of them")
        bitstream = Path("build") / f"{board_name}-{find_config(preset).name}"
    file, board = find_bitstream(bitstream, board_name)
    program_board(file, board, time_limit=time_limit)
    click.echo(f"{file}: loaded into {board.name}")


@click.command()
@click.option(
    "--for",
    "purposes",
    multiple=True,
    default=("simulate",),
    show_default=True,
    type=click.Choice(["simulate", "compress", "fpga", "board", "report", "explore", "all"]),
    help="What must be there.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(purposes, as_json):
    """Show what is installed, where, and how to get what is not.

    The exit status is 1 if something is missing for what must be there.
    """
    import dataclasses

    from fpga.doctor import examine, show

    findings = examine()
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(finding) for finding in findings], indent=2))
    else:
        show(console(), findings)
    missing = [
        finding.name
        for finding in findings
        if finding.version is None and ("all" in purposes or finding.purpose in purposes)
    ]
    if missing:
        raise Failure(
            f"expected all that {', '.join(purposes)} needs, got no {', '.join(missing)}; see above"
        )
