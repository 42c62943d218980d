"""What is in an image file, as tables."""

from rich.table import Table

from hw.formats import Operation
from hw.protocol import Target
from sw.image import read_image
from sw.network import Convolution
from sw.unpack import unpack

__all__ = ["is_network_file", "show"]


def is_network_file(path):
    """Whether the file begins as network files do, not as images do: JSON after a length of 64 bits."""
    with open(path, "rb") as file:
        return file.read(9)[8:] == b"{"


def show(console, path):
    """Print the layers of the image file ``path`` and the bits of its sections."""
    program = read_image(path)
    config = program.config
    console.print(
        f"{program.name} for preset {config.name} (digest {config.digest:08x}), "
        f"input {_shape(program.tensors['input'])}, {_range(program.tensors['input'])}",
        highlight=False,
        markup=False,
    )
    console.print(_layers(program))
    console.print(_sections(program))


def _layers(program):
    table = Table(
        title="layers",
        caption="multiply-adds before compression; zeros: of the coefficients; steps: of a pixel",
    )
    table.add_column("layer")
    table.add_column("operation")
    for heading in ("tiles", "output", "range", "multiply-adds", "bases", "zeros", "steps", "imbalance"):
        table.add_column(heading, justify="right")
    for number, (layer, schedule) in enumerate(zip(unpack(program).layers, program.schedule, strict=True)):
        tiles = [program.layers[step] for step in program.steps_of(number)]
        operation = Operation(tiles[0]["operation"]).name.lower() if tiles else "concatenation"
        convolution = isinstance(layer, Convolution)
        table.add_row(
            schedule.name,
            operation.replace("_", " "),
            str(len(tiles)),
            _shape(program.tensors[schedule.name]),
            _range(program.tensors[schedule.name]),
            *(_convolution(layer, schedule) if convolution else [""] * 5),
        )
    return table


def _convolution(layer, schedule):
    return (
        f"{schedule.multiply_adds:,}",
        str(layer.bases.shape[-3]),
        f"{(layer.coefficients == 0).mean():.1%}",
        f"{schedule.steps:,}",
        f"{schedule.imbalance:.2f}",
    )


def _sections(program):
    table = Table(title="image")
    table.add_column("memory")
    table.add_column("bits", justify="right")
    for target in Target:
        bits = program.section_bits(target)
        if bits:
            table.add_row(target.name.lower(), f"{bits:,}")
    table.add_section()
    table.add_row("all", f"{program.bits:,}")
    return table


def _shape(placement):
    return " x ".join(map(str, placement.shape))


def _range(placement):
    return "-128..127" if placement.signed else "0..255"
