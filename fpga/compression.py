"""The commands that compress: phases with their progress, the table of what they left, the network file."""

import dataclasses
import platform
from importlib import metadata

from rich.table import Table

from fpga import __version__
from fpga.steps import Steps
from hw.config import Config
from sw.compression.compress import CompressionSettings, compress
from sw.compression.escalate import TEACHER, EscalateSettings
from sw.compression.exact import integer_logits
from sw.compression.penni import PenniSettings
from sw.compression.requantisation import IntegerLimits
from sw.compression.run import Run
from sw.network_file import write_network
from sw.training import TrainingSettings, logits

__all__ = ["command_settings", "compress_to_file", "parse_shares", "report_of", "show_phases"]

#: Packages whose versions can change a number of the report.
_PACKAGES = ("accelerate", "numpy", "torch")


def command_settings(
    *, bases, energy, kept, sparsity, epochs, rate, dense_epochs, penni, preset, precision, device, seed
):
    """``CompressionSettings`` of the options of ``farthing compress``."""
    shared = {"augmentation": "crop-flip", "device": device, "seed": seed}
    teacher = {"distillation": TEACHER}
    # Integers are not exact in bfloat16: refining is always in float32.
    coarse = {"precision": precision, **shared}
    return CompressionSettings(
        dense=TrainingSettings(epochs=dense_epochs, rate=rate, **coarse) if dense_epochs else None,
        penni=PenniSettings(
            bases=bases,
            energy=energy,
            retraining=TrainingSettings(epochs=epochs, rate=rate / 2, **coarse),
            tuning=TrainingSettings(epochs=max(1, epochs // 3), rate=rate / 2, **coarse),
        )
        if penni
        else None,
        escalate=EscalateSettings(
            bases=bases,
            energy=energy,
            kept=kept,
            sparsity=sparsity,
            retraining=TrainingSettings(epochs=epochs, rate=rate, **coarse, **teacher),
            refining=TrainingSettings(epochs=max(1, epochs // 5), rate=rate / 10, **shared, **teacher),
            limits=None if preset is None else IntegerLimits.of(Config.preset(preset)),
        ),
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
    network, dataset, settings, output, *, name, folder, start=None, test_images=None, console
):
    """Compress ``network``, write the network file ``output`` and show what came out.

    Parameters
    ----------
    network : sw.model.Network
    dataset : sw.data.Dataset
    settings : CompressionSettings
    output : path
        Of the network file.
    name : str
    folder : path
        For checkpoints; made if it is missing.
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
    folder.mkdir(parents=True, exist_ok=True)
    steps = Steps(console)
    with steps.step("compress") as show:
        run = Run(
            dataset=dataset,
            folder=folder,
            test_images=test_images,
            progress=lambda phase, fraction, text: show(fraction, f"{phase} {text}"),
        )
        made = compress(network, dataset, settings, run, name=name, start=start)
    with steps.step("compare the integers with their twin") as show:
        images, labels = run.test_split()
        integers = integer_logits(made.integers, images, progress=show).argmax(1)
        twin = logits(made.network, images).argmax(1).numpy()
    report = report_of(made, settings)
    report["accuracy_integer"] = float((integers == labels).mean())
    report["agreement"] = float((integers == twin).mean())
    report["test_images"] = len(images)
    write_network(output, made.integers, report)
    show_phases(console, report)
    console.print(
        f"integers: top-1 {report['accuracy_integer']:.2%}, as their twin on {report['agreement']:.2%} of {len(images)} images; {output}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
    return made, report


def report_of(made, settings):
    """What was done and measured, as plain values."""
    return {
        "settings": dataclasses.asdict(settings),
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
    for heading in ("top-1", "lost", "zero coefficients", "epochs", "seconds"):
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
