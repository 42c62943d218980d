"""The commands that compress: phases with their progress, the table of what they left, the network file."""

import dataclasses
import platform
from importlib import metadata

from rich.table import Table

from fpga import __version__
from fpga.cycle_counting import cycle_counter
from fpga.model_report import size_line
from fpga.steps import Steps
from sw.compression.compress import compress
from sw.compression.deep.size import total_size
from sw.compression.exact import integer_logits
from sw.compression.model_file import MODEL_SUFFIX, write_model
from sw.compression.run import Run
from sw.compression.typed import values_of
from sw.network_file import write_network
from sw.training import logits

__all__ = ["check_output", "compress_to_file", "parse_shares", "report_of", "show_phases", "show_searches"]

#: Packages whose versions can change a number of the report.
_PACKAGES = ("accelerate", "numpy", "torch")


def check_output(recipe, output):
    """Refuse the name of an output file that promises other numbers than ``recipe`` makes.

    Raises
    ------
    ValueError
        If a recipe without integers is to write anything but a model file, or one with integers a model file.
    """
    integers = recipe.makes_integers
    if integers == (output.suffix == MODEL_SUFFIX):
        raise ValueError(
            f"expected -o {output.with_suffix('.farthing' if integers else MODEL_SUFFIX)}, as a recipe of {', '.join(recipe.names())} "
            f"makes {'integers' if integers else 'no integers'}, got {output}"
        )


def parse_shares(text):
    """Shares of zeros of a text like ``0.5,0.7``.

    Raises
    ------
    ValueError
        If one is no number from 0 to below 1.
    """
    try:
        shares = [float(part) for part in text.split(",")]
    except ValueError:
        shares = []
    if not shares or not all(0 <= share < 1 for share in shares):
        raise ValueError(f"expected shares of zeros from 0 to below 1, as 0.5,0.7,0.9, got {text!r}")
    return shares


def compress_to_file(
    network,
    dataset,
    recipe,
    output,
    *,
    name,
    folder,
    config=None,
    start=None,
    test_images=None,
    console,
):
    """Compress ``network``, write the file ``output`` and show what came out.

    Parameters
    ----------
    network : sw.model.Network
    dataset : sw.data.Dataset
    recipe : Recipe
    output : path
        Of the network file, or of the model file where the recipe makes no integers.
    name : str
    folder : path
        For checkpoints; made if it is missing.
    config : Config or None
        That cycles are counted for, where the recipe has a budget of them.
    start : sw.model.Network or None
        As for ``compress``.
    test_images : int or None
        How many images of the test split accuracies are measured on; ``None`` is all.
    console : rich.console.Console

    Returns
    -------
    Compressed
    dict
        The report, as it is in the file too.
    """
    check_output(recipe, output)
    folder.mkdir(parents=True, exist_ok=True)
    steps = Steps(console)
    with steps.step("compress") as show:
        run = Run(
            dataset=dataset,
            folder=folder,
            test_images=test_images,
            cycles=None if config is None else cycle_counter(config, dataset),
            progress=lambda phase, fraction, text: show(fraction, f"{phase} {text}"),
        )
        made = compress(network, dataset, recipe, run, name=name, start=start)
    report = report_of(made, recipe)
    report["test_images"] = len(run.test_split()[0])
    if made.integers is None:
        line = _finish_model(made, report, output)
    else:
        with steps.step("compare the integers with their twin") as show:
            line = _finish_integers(made, report, output, run, show)
    show_phases(console, report)
    show_searches(console, report)
    console.print(line, highlight=False, markup=False, soft_wrap=True)
    return made, report


def _finish_integers(made, report, output, run, show):
    """Write integers; a line of what they are."""
    images, labels = run.test_split()
    integers = integer_logits(made.integers, images, progress=show).argmax(1)
    twin = logits(made.network, images).argmax(1).numpy()
    report["accuracy_integer"] = float((integers == labels).mean())
    report["agreement"] = float((integers == twin).mean())
    counted = ""
    if any(found["cost"] == "cycles" for found in _searches(report).values()):
        report["cycles"] = sum(run.cycles(made.integers).values())
        counted = f"cycles an image, counted by the model: {report['cycles']:,.0f}\n"
    write_network(output, made.integers, report)
    return (
        f"{counted}integers: top-1 {report['accuracy_integer']:.2%}, as their twin on {report['agreement']:.2%} of "
        f"{len(images)} images; {output}"
    )


def _finish_model(made, report, output):
    """Write real numbers; a line of what they are."""
    size = total_size(made.network)
    line = f"real numbers: top-1 {made.accuracy:.2%}; {output}"
    if size.weights:
        report["size"] = dataclasses.asdict(size) | {"dense": size.dense, "coded": size.coded}
        line = f"{size_line(size)}\n{line}"
    write_model(output, made.network, report)
    return line


def report_of(made, recipe):
    """What was done and measured, as plain values."""
    return {
        "recipe": values_of(recipe.labelled()),
        "phases": [dataclasses.asdict(phase) for phase in made.phases],
        "versions": {
            "farthing": __version__,
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in _PACKAGES},
        },
    }


def show_phases(console, report):
    """Print what each phase left."""
    table = Table(title="phases")
    table.add_column("phase")
    for heading in ("top-1", "lost", "zeros", "epochs", "seconds"):
        table.add_column(heading, justify="right")
    before = report["phases"][0]["accuracy"]
    for phase in report["phases"]:
        table.add_row(
            phase["name"],
            f"{phase['accuracy']:.2%}",
            f"{100 * (before - phase['accuracy']):.2f}",
            "" if phase["zeros"] is None else f"{phase['zeros']:.1%}",
            str(len(phase["epochs"]) or ""),
            f"{phase['seconds']:.1f}",
        )
    console.print(table)


def show_searches(console, report):
    """Print what searches chose for each layer."""
    for phase, found in _searches(report).items():
        table = Table(title=f"{phase}: what leaves")
        table.add_column("layer")
        table.add_column("share", justify="right")
        for layer, share in found["shares"].items():
            table.add_row(layer, f"{share:.1%}")
        console.print(table)
        budget = "" if found["budget"] is None else f", budget {found['budget']:,.0f}"
        console.print(
            f"{phase}: {found['policies']:,} policies by {found['searcher']}; the best leaves {found['left']:,.0f} of "
            f"{found['whole']:,.0f} {found['cost']}{budget}, and, not retrained, top-1 {found['accuracy']:.2%} on "
            f"{found['images']:,} training images",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )


def _searches(report):
    return {phase["name"]: phase["found"] for phase in report["phases"] if phase["found"] is not None}
