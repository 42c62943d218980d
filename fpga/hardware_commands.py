"""Commands about the accelerator: demonstrate, estimate, write Verilog, build bitstreams.

What a command needs is imported when it runs: generating and building do not load PyTorch, help loads nothing.
"""

import json
from pathlib import Path

import click

from fpga.commands import Failure, console, output_option, preset_option, require, time_limit_option

__all__ = ["build", "demo", "estimate", "verilog"]


@click.command()
@click.option("--out", "folder", required=True, type=click.Path(path_type=Path), help="Folder for results.")
@click.option(
    "--images", default=8, show_default=True, type=click.IntRange(min=1), help="Images to simulate."
)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0), help="Of the training.")
@preset_option()
def demo(folder, images, seed, preset):
    """Train, compress, generate, simulate, compare.

    Trains a small network on handwritten digits, compresses it, and simulates the generated accelerator on held-out
    images. Every tensor of every layer must equal the integer reference.
    """
    from fpga.presets import find_config

    config = find_config(preset)
    require("compress", ["torch", "mlxtend"])
    from fpga.demo import run

    report = run(config, folder, images=images, seed=seed, console=console())
    if report["mismatches"] or not report["images"]:
        raise Failure(
            f"expected equal tensors on {images} images, got {report['mismatches']} mismatches "
            f"on {report['images']}; see {folder / 'report.json'}"
        )


@click.command()
@preset_option()
@click.option("--board", "board_name", help="The one board to ask about  [default: all].")
@click.option("--network", type=click.Path(path_type=Path), help="Network file whose cycles are wanted.")
@click.option(
    "--images",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Pictures, folders or .npy files that cycles are counted for  [default: random pixels].",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def estimate(preset, board_name, network, images, as_json):
    """Say in seconds what an accelerator would take and how fast it would be.

    LUTs, flip-flops, multipliers and block RAMs, part by part; which boards they fit and what runs out first; with a network, the
    cycles of every layer, which are those of the hardware, and inferences a second at the clock of each board.
    """
    from fpga.boards import find_board
    from fpga.estimate import estimate as estimate_config
    from fpga.estimate import show, to_json
    from fpga.presets import find_config
    from sw.inputs import load_inputs
    from sw.network_file import read_network

    if images and network is None:
        raise Failure("expected --network with --images, got none; name a network file")
    config, board = find_config(preset), board_name and find_board(board_name)
    integers = None if network is None else read_network(network)[0]
    arrays = [array for _, array in load_inputs(images, integers.input.shape)] if images else []
    result = estimate_config(config, integers, arrays, board)
    if as_json:
        click.echo(json.dumps(to_json(result), indent=2))
    else:
        show(console(), result)


@click.command()
@preset_option()
@output_option("File to write.")
@click.option(
    "--bus",
    default="bytes",
    show_default=True,
    type=click.Choice(["bytes", "axi"]),
    help="Ports: streams of bytes, or AXI4-Stream and AXI4-Lite.",
)
def verilog(preset, output, bus):
    """Write the Verilog of an accelerator."""
    from fpga.presets import find_config
    from fpga.verilog import BUSES, generate
    from sw.files import replace_file

    text = generate(find_config(preset), bus)
    replace_file(output, text)
    click.echo(f"{output}: {len(text.splitlines())} lines, module {BUSES[bus][1]}")


@click.command()
@click.option("--board", "board_name", required=True, help="Board to build for.")
@preset_option()
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Folder  [default: build/BOARD-PRESET]."
)
@click.option("--clock", type=click.FloatRange(min=1), help="Clock in MHz instead of the board's.")
@click.option("--baud", type=click.IntRange(min=1), help="Of the serial line instead of the board's.")
@click.option("--seed", type=click.IntRange(min=0), help="Of the placer, instead of the board's.")
@click.option("--placer", type=click.Choice(["heap", "static"]), help="Of nextpnr, instead of the board's.")
@click.option(
    "--rip-up",
    is_flag=True,
    help="Route wires again that come too late; for a clock that cannot be reached this has no end.",
)
@time_limit_option(7200.0, "Seconds of each tool.")
@click.option(
    "--memory-limit",
    default=12.0,
    show_default=True,
    type=click.FloatRange(min=0, min_open=True),
    help="GiB of each tool.",
)
def build(board_name, preset, output, clock, baud, seed, placer, rip_up, time_limit, memory_limit):
    """Make a bitstream, and report what it uses and how fast it is."""
    from fpga.boards import find_board
    from fpga.presets import find_config

    board = find_board(board_name)
    config = find_config(preset)
    if clock is not None:
        board = board.replace(frequency=round(clock * 1e6))
    if baud is not None:
        board = board.replace(baud=baud)
    if (placer is not None or rip_up) and not board.family.choices:
        raise ValueError(
            f"expected a board with an ECP5 for --placer and --rip-up, got {board.name}; leave them out"
        )
    if placer is not None:
        board = board.replace(placer=placer)
    board = board.replace(rip_up=rip_up)
    require("fpga", ["amaranth_boards"])
    from fpga.build import build as build_core
    from fpga.report import show
    from hw.accelerator import Accelerator

    folder = output or Path("build") / f"{board.name}-{config.name}"
    terminal = console()
    with terminal.status("") as status:
        report = build_core(
            board,
            lambda: Accelerator(config),
            folder,
            seed=seed,
            details={"preset": config.name, "configuration": config.to_dict()},
            time_limit=time_limit,
            memory_limit=memory_limit,
            progress=lambda step: status.update(f"{board.name}, preset {config.name}: {step}"),
        )
    show(terminal, report, folder)
