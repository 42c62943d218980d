"""What a search found, as a table and as a picture: LUTs against cycles, and what none beats in both."""

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter
from rich.table import Table

from fpga.explore import front
from fpga.pictures import write_picture

__all__ = ["draw_front", "show_front", "write_front"]


def _accumulation(config):
    return f"{config.lanes} lanes" if config.accumulation == "concentration" else config.accumulation


def show_front(console, candidates, board):
    """Print the front of the candidates, from the smallest on, with what they reach on a board."""
    table = Table(title=f"what none of {len(candidates)} configurations beats in LUTs and cycles")
    for title in (
        "PEs",
        "rows",
        "chunk",
        "adds by",
        "requantisers",
        "z places",
        "ring",
        "LUTs",
        "multipliers",
        "block RAMs",
        "cycles",
        "a second",
    ):
        table.add_column(title, justify="right")
    for one in front(candidates):
        config, used = one.config, one.resources
        table.add_row(
            *map(str, (config.pes, config.rows, config.chunk)),
            _accumulation(config),
            *map(str, (config.requantisers, config.z_fifo, config.ring)),
            *(f"{number:,}" for number in (used.luts, used.dsps, used.block_rams, one.cycles)),
            f"{board.frequency / one.cycles:,.0f}",
        )
    console.print(table)


def write_front(output, candidates, title):
    """Draw the candidates beside ``output``, as ``.svg`` and ``.png``; the same candidates give the same bytes."""
    for suffix in (".svg", ".png"):
        write_picture(output.with_suffix(suffix), lambda: draw_front(candidates, title))


def draw_front(candidates, title):
    """A matplotlib ``Figure``: every candidate as a point, the front as a line with its PEs and rows."""
    figure = Figure(figsize=(8, 5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.scatter(
        [one.resources.luts for one in candidates],
        [one.cycles for one in candidates],
        s=14,
        color="0.6",
        label="configurations that fit",
    )
    best = front(candidates)
    axes.plot(
        [one.resources.luts for one in best],
        [one.cycles for one in best],
        marker="o",
        drawstyle="steps-post",
        label="front",
    )
    for one in best:
        axes.annotate(
            f"{one.config.pes} x {one.config.rows}",
            (one.resources.luts, one.cycles),
            xytext=(4, 4),
            textcoords="offset points",
            fontsize=7.5,
        )
    axes.set_xlabel("LUTs, estimated")
    axes.set_ylabel("cycles an image")
    axes.set_yscale("log")
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.set_title(f"{title}; PEs x rows")
    axes.grid(alpha=0.3)
    axes.legend()
    return figure
