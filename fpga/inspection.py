"""What is in an image file, as tables."""

from rich.table import Table

from hw.formats import Operation
from hw.protocol import Target
from sw.image import read_image

__all__ = ["show"]


def show(console, path):
    """Print the layers of the image file ``path`` and the bits of its sections."""
    program = read_image(path)
    config = program.config
    console.print(
        f"{program.name} for preset {config.name} (digest {config.digest:08x}), "
        f"input {_shape(program.tensors['input'])}",
        highlight=False,
        markup=False,
    )
    console.print(_layers(program))
    console.print(_sections(program))


def _layers(program):
    table = Table(title="layers")
    table.add_column("layer")
    table.add_column("operation")
    for heading in ("output", "dense multiply-adds", "steps a pixel", "imbalance"):
        table.add_column(heading, justify="right")
    for fields, schedule in zip(program.layers, program.schedule, strict=True):
        worked = bool(schedule.work)
        table.add_row(
            schedule.name,
            Operation(fields["operation"]).name.lower().replace("_", " "),
            _shape(program.tensors[schedule.name]),
            f"{schedule.multiply_adds:,}",
            f"{schedule.steps:,}" if worked else "",
            f"{schedule.imbalance:.2f}" if worked else "",
        )
    return table


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
    sign = "signed" if placement.signed else "unsigned"
    return f"{placement.channels} x {placement.height} x {placement.width} {sign}"
