"""The command that searches configurations.

What it needs is imported when it runs: help loads nothing.
"""

from pathlib import Path

import click

from fpga.commands import console, output_option, preset_option, require

__all__ = ["explore"]


@click.command()
@click.option("--network", required=True, type=click.Path(path_type=Path), help="Network file.")
@click.option("--board", "board_name", required=True, help="Board that it has to fit.")
@preset_option("Where values come from that are not searched: widths of sums and of what requantises.")
@click.option(
    "--evaluations",
    default=100,
    show_default=True,
    type=click.IntRange(min=1),
    help="Configurations that are tried.",
)
@click.option("--jobs", type=click.IntRange(min=1), help="Processes  [default: one for each core].")
@click.option("--scheduler", help="Address of a Dask scheduler whose workers are used instead.")
@output_option("Preset file to write; beside it the picture, .svg and .png.")
def explore(network, board_name, preset, evaluations, jobs, scheduler, output):
    """Search the configuration that runs a network fastest on a board.

    PEs, rows, chunk, lanes or adder tree, queues; memories as deep as the network needs. Of a serial machine, as that of --preset icebreaker, the
    chunk. Cycles are exact, what fits is estimated. Prints what none beats in both LUTs and cycles.
    """
    require("explore", ["distributed"])
    require("report", ["matplotlib"])
    from fpga.boards import find_board
    from fpga.explore import explore as search
    from fpga.explore import fastest
    from fpga.explore_plot import show_front, write_front
    from fpga.presets import find_config, write_config
    from sw.network_file import read_network

    board, base = find_board(board_name), find_config(preset)
    integers = read_network(network)[0]
    terminal = console()
    with terminal.status("") as status:
        found = search(
            integers,
            board,
            base,
            evaluations=evaluations,
            jobs=jobs,
            scheduler=scheduler,
            progress=lambda done: status.update(f"{integers.name} on {board.name}: {done} configurations"),
        )
    best = fastest(found)
    write_config(output, best.config.replace(name=output.stem))
    write_front(output, found, f"{integers.name} on {board.name}")
    show_front(terminal, found, board)
    click.echo(
        f"{output}: {board.frequency / best.cycles:,.0f} inferences a second at {board.frequency / 1e6:g} MHz, "
        f"the fastest of {len(found)} that fit {board.name}"
    )
