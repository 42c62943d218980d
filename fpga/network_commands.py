"""Commands about networks: compress, compile, inspect, roofline.

What a command needs is imported when it runs: help loads nothing.
"""

from pathlib import Path

import click

from fpga.commands import console, output_option, preset_option, require
from fpga.model_options import load_network, model_options

__all__ = ["compile_", "compress", "inspect", "roofline"]


@click.command()
@model_options
@output_option("Network file to write.")
@click.option(
    "--recipe",
    "source",
    default="escalate",
    show_default=True,
    metavar="NAME|FILE",
    help="Methods one after the other: a name, or a TOML file. All other options change what it says.",
)
@click.option(
    "--bases",
    multiple=True,
    type=click.IntRange(min=1),
    help="Basis kernels of a layer; more than one number for --sweep alone.",
)
@click.option(
    "--energy",
    type=click.FloatRange(0, 1, min_open=True),
    help="Instead: as few as keep this share of the squared weights.",
)
@click.option("--kept", type=click.IntRange(min=1), help="Bases that each output channel keeps.")
@click.option(
    "--sparsity",
    type=click.FloatRange(0, 1, max_open=True),
    help="Share of coefficients or weights that becomes zero, of the last method that makes some.",
)
@click.option(
    "--epochs",
    type=click.IntRange(min=0),
    help="Of the longest training; the others change in proportion. 0: none of them.",
)
@click.option(
    "--rate",
    type=click.FloatRange(0, min_open=True),
    help="Highest learning rate of the longest training; the others change in proportion.",
)
@click.option(
    "--dense-epochs",
    type=click.IntRange(min=0),
    help="Of training before anything is compressed.",
)
@click.option("--preset", help="Fit the integers to this configuration  [default: to every preset but nano].")
@click.option(
    "--precision",
    type=click.Choice(["float32", "bfloat16"]),
    help="Of convolutions while training.",
)
@click.option("--device", help="auto, cpu, cuda, cuda:1, ...")
@click.option("--seed", type=click.IntRange(min=0), help="Of trainings and searches.")
@click.option(
    "--sweep",
    "shares",
    help="Shares of zeros, as 0.5,0.7,0.9: a network for each, and the curves of accuracy against cycles, bits and operations.",
)
@click.option(
    "--sweep-epochs",
    "further",
    type=click.IntRange(min=1),
    help="Of retraining for every point of a sweep but the first: each starts from the one before it, which has fewer zeros.",
)
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Checkpoints; a killed run goes on from them  [default: OUTPUT.work].",
)
def compress(
    model,
    data,
    output,
    weights,
    mean,
    std,
    source,
    bases,
    energy,
    kept,
    sparsity,
    epochs,
    rate,
    dense_epochs,
    preset,
    precision,
    device,
    seed,
    shares,
    further,
    folder,
):
    """Compress a trained network by a recipe, to sparse integers unless the recipe says otherwise.

    MODEL is an ONNX file, a program saved by torch.export, a model file that this command wrote, or the name of a network that
    farthing knows.
    """
    require("compress", ["torch", "accelerate", "onnx"])
    if shares is not None:
        require("report", ["matplotlib"])
    from fpga.compression import check_output, compress_to_file, parse_shares
    from fpga.presets import find_config
    from fpga.recipe_options import recipe_with_options, sweep_points
    from sw.compression.recipe_file import load_recipe

    if shares is None and len(bases) > 1:
        raise ValueError(f"expected one number of bases, got {len(bases)}; give them with --sweep")
    if shares is None and further is not None:
        raise ValueError(f"expected --sweep with --sweep-epochs {further}, got none; give shares of zeros")

    # What can be refused is refused before anything is loaded.
    recipe = recipe_with_options(
        load_recipe(source),
        energy=energy,
        kept=kept,
        epochs=epochs,
        rate=rate,
        dense_epochs=dense_epochs,
        preset=preset,
        precision=precision,
        device=device,
        seed=seed,
    )
    points = sweep_points(recipe, bases, None if shares is None else parse_shares(shares), sparsity)
    check_output(recipe, output)
    config = find_config(preset or "ulx3s-85f")
    network, dataset = load_network(model, data, weights, mean, std)
    options = {
        "name": Path(model).stem,
        "folder": folder or output.with_name(f"{output.name}.work"),
        "console": console(),
    }
    if shares is None:
        (only,) = points.values()
        compress_to_file(network, dataset, only, output, config=config, **options)
    else:
        from fpga.sweep import sweep

        points = {label: point.after_training() for label, point in points.items()}
        sweep(network, dataset, points, config, output, dense=recipe.dense, further=further, **options)


@click.command("compile")
@click.argument("network", type=click.Path(path_type=Path))
@preset_option()
@output_option("Image file to write.")
def compile_(network, preset, output):
    """Pack a network file for one configuration of the accelerator."""
    from fpga.presets import find_config
    from sw.compiler import compile_network
    from sw.image import write_image
    from sw.network_file import read_network

    program = compile_network(read_network(network)[0], find_config(preset))
    write_image(output, program)
    click.echo(f"{output}: {program.bits:,} bits for preset {preset}")


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--preset", help="Of a network file: count the bits of its image for this configuration.")
def inspect(file, preset):
    """Show what is in a network file, a model file or an image file.

    Of a network or model: what every layer stores, computes and moves, before and after compression. Of an image: layers, shapes, and
    bits of every memory.
    """
    from fpga.inspection import is_network_file, show
    from fpga.presets import find_config

    config = None if preset is None else find_config(preset)
    if file.suffix == ".model":
        if config is not None:
            raise ValueError(f"expected no --preset with a model, which has no integers, got {preset}")
        require("compress", ["torch"])
        from fpga.model_report import show_model
        from sw.compression.model_file import read_model

        show_model(console(), read_model(file)[0], file.stem)
        return
    if not is_network_file(file):
        if config is not None:
            raise ValueError(f"expected no --preset with an image, which is for one already, got {preset}")
        show(console(), file)
        return
    from fpga.network_report import show_network
    from sw.network_file import read_network

    show_network(console(), read_network(file)[0], config)


@click.command()
@click.argument("network", type=click.Path(path_type=Path))
@preset_option()
@click.option(
    "--clock", default=50.0, show_default=True, type=click.FloatRange(0, min_open=True), help="In MHz."
)
@click.option(
    "--link",
    default=100_000.0,
    show_default=True,
    type=click.FloatRange(0, min_open=True),
    help="Bytes a second of the host link; the default is a serial line of 1 MBd.",
)
@output_option("Picture to write, .svg or .png.")
def roofline(network, preset, clock, link, output):
    """Draw what a configuration could reach on each layer of a network file, and what it does.

    Cycles are those of an image of random pixels, from the cycle model.
    """
    from fpga.presets import find_config

    config = find_config(preset)
    require("report", ["matplotlib"])
    from fpga.complexity_tables import roofline_table
    from fpga.network_report import measure_roofline
    from fpga.roofline_plot import NOTE, write_roofline
    from sw.network_file import read_network

    integers = read_network(network)[0]
    result = measure_roofline(integers, config, clock, link)
    write_roofline(output, result, f"{integers.name}, preset {preset} at {clock:g} MHz", NOTE)
    console().print(roofline_table(result))
    click.echo(f"{output}: roofline of {len(result.before)} layers")
