"""Compression of real networks, measured: one command that runs what is not stored yet, and goes on where it was killed.

``python -m bench.compression`` takes trained weights and pictures from the folder in ``FARTHING_DATA`` (``resnet20-cifar10-jpeg.pt``,
``resnet20-cifar10.th``, ``resnet56-cifar10.th``, ``mlperf-tiny-resnet8.onnx``, ``cifar10-jpeg.zip``), writes
``bench/results/compression.json`` after each experiment and the tables and the picture of ``docs/compression.md``. ``--list`` shows what there is,
``--only NAME`` runs one. An experiment takes an hour or so on one processor core; checkpoints are in ``build/compression``.
"""

import dataclasses
import datetime
import json
import os
from dataclasses import dataclass
from pathlib import Path

import click
import torch
from rich.console import Console

from fpga.steps import Steps
from fpga.sweep import measure_point
from hw.config import Config
from sw.complexity import network_complexity, total
from sw.compression.compress import compress, ternary_again
from sw.compression.escalate import TEACHER, EscalateSettings
from sw.compression.exact import integer_logits
from sw.compression.penni import PenniSettings
from sw.compression.recipe import Recipe, TrainSettings
from sw.compression.run import Run, calibration_images
from sw.data import load_dataset
from sw.files import replace_file
from sw.importing import load_model
from sw.network_file import write_network
from sw.training import TrainingSettings, logits

from .compression_page import write

__all__ = ["EXPERIMENTS", "RESULT", "Experiment", "run_experiment", "stored_settings", "with_starts"]

RESULT = Path(__file__).parent / "results" / "compression.json"
FOLDER = Path("build") / "compression"
PRESET = "ulx3s-85f"

#: Only AMX, and a GPU, make `bfloat16` faster than `float32` (docs/training.md).
_FAST = "bfloat16" if torch.cuda.is_available() or torch.cpu.get_capabilities().get("amx_bf16") else "float32"
_COARSE = TrainingSettings(
    batch=128, optimiser="adamw", augmentation="crop-flip", precision=_FAST, evaluate_every=1
)
#: Fine-tuning of the dense network, the same for all: what every loss is measured against.
_DENSE = dataclasses.replace(_COARSE, optimiser="sgd", epochs=6, rate=0.02)
_RETRAINING = dataclasses.replace(_COARSE, epochs=14, rate=5e-3, distillation=TEACHER)
_REFINING = dataclasses.replace(_RETRAINING, epochs=1, rate=2e-4, precision="float32")
#: Of a point of a curve that starts from another one, and of one with far more zeros than that.
_FURTHER = dataclasses.replace(_RETRAINING, epochs=4)
_FAR = dataclasses.replace(_RETRAINING, epochs=10)
#: Of uniform weights, which are trained on their grids from the start: an epoch more, where ours are refined.
_UNIFORM = dataclasses.replace(_RETRAINING, epochs=16, rate=3e-3)
_NONE = dataclasses.replace(_RETRAINING, epochs=0)
#: As all coefficients settled before they did so one by one.
_AT_ONCE = {"settle_from": 0.8, "settle_until": 0.8}
#: Shares of zeros of a curve, each with the one that it starts from.
_SHARES = {0.6: None, 0.5: 0.6, 0.7: 0.6, 0.8: 0.7, 0.85: 0.6, 0.9: 0.85, 0.95: 0.9}


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """One network compressed in one way."""

    #: As for ``sw.importing.load_model``, names of files being those in the folder of data.
    model: str
    weights: str | None = None
    #: Begins with the training of the dense network.
    recipe: Recipe
    #: Instead of our methods: weights of this many bits by Brevitas (``bench.uniform``).
    uniform: int | None = None
    #: Name of the experiment that this one starts from.
    after: str | None = None


def _escalate(bases, sparsity, retraining=_RETRAINING, kept=None, refining=_REFINING, **settings):
    escalate = EscalateSettings(
        bases=bases, kept=kept, sparsity=sparsity, retraining=retraining, refining=refining, **settings
    )
    return Recipe(methods=(TrainSettings(training=_DENSE), escalate))


def _penni(bases, zeros, *, epochs=8, rate=0.01):
    """PENNI; ``epochs`` and ``rate`` are those of the tuning behind the pruning."""
    training = dataclasses.replace(_COARSE, optimiser="sgd", epochs=12, rate=0.01, distillation=TEACHER)
    tuning = dataclasses.replace(training, epochs=epochs, rate=rate)
    penni = PenniSettings(bases=bases, zeros=zeros, retraining=training, tuning=tuning)
    return Recipe(methods=(TrainSettings(training=_DENSE), penni))


def _curve(name, bases, *, first=_RETRAINING, further=_FURTHER, far=_FAR, planes=2, at_once=False, **network):
    """Experiments from few zeros to many, trained on one from the other; ``far`` is the training of 85 %, which starts from 60 %."""
    found, settings = {}, {"planes": planes} | (_AT_ONCE if at_once else {})
    for share, before in _SHARES.items():
        retraining = {0.6: first, 0.85: far}.get(share, further)
        found[f"{name}-{bases}-{share:.2f}"] = Experiment(
            **network,
            recipe=_escalate(bases, share, retraining, **settings),
            after=before and f"{name}-{bases}-{before:.2f}",
        )
    return found


def _untrained(name, bases, shares, *, planes=2, suffix="untrained", **network):
    """What fitting and calibration make alone."""
    return {
        f"{name}-{bases}-{share:.2f}-{suffix}": Experiment(
            **network, recipe=_escalate(bases, share, _NONE, refining=_NONE, planes=planes)
        )
        for share in shares
    }


def _uniform_points(name, **network):
    """The same network with uniform weights of 2, 3 and 4 bits."""
    recipe = _escalate(6, 0.5, _UNIFORM, refining=_NONE)
    return {
        f"{name}-uniform-{bits}": Experiment(**network, recipe=recipe, uniform=bits) for bits in (2, 3, 4)
    }


_RESNET20 = {"model": "resnet20", "weights": "resnet20-cifar10-jpeg.pt"}
_RESNET56 = {"model": "resnet56", "weights": "resnet56-cifar10.th"}
#: Its shortcuts are 1x1 convolutions, which nothing goes around.
_RESNET8 = {"model": "mlperf-tiny-resnet8.onnx", "planes": 4}
#: A third of the work of ResNet-20, and less room for mistakes.
_RESNET8_TRAININGS = {
    "first": dataclasses.replace(_RETRAINING, epochs=40),
    "further": _FAR,
}
#: By name, the most wanted first.
EXPERIMENTS = {
    **_curve("resnet20", 6, **_RESNET20),
    # The bases that `farthing compress` chooses: three of five multiplications go with the three that an output channel does not use.
    "resnet20-2-of-5-0.60": Experiment(**_RESNET20, recipe=_escalate(5, 0.6, kept=2)),
    "resnet20-penni-0.60": Experiment(**_RESNET20, recipe=_penni(5, 0.6)),
    # After tuning as short as that it is 0.74 points below the dense network, and rising.
    "resnet20-penni-0.73": Experiment(**_RESNET20, recipe=_penni(5, 0.73, epochs=16, rate=0.02)),
    **_curve("resnet8", 6, **_RESNET8, **_RESNET8_TRAININGS),
    # On at a lower rate.
    "resnet8-6-0.60-again": Experiment(
        model=_RESNET8["model"],
        recipe=_escalate(6, 0.6, dataclasses.replace(_RETRAINING, epochs=16, rate=2e-3), planes=4),
        after="resnet8-6-0.60",
    ),
    **_uniform_points("resnet20", **_RESNET20),
    **_untrained("resnet20", 6, _SHARES, **_RESNET20),
    **_untrained("resnet20", 5, (0.6, 0.85), **_RESNET20),
    **_untrained("resnet20", 4, (0.6, 0.85), **_RESNET20),
    **_untrained("resnet8", 6, (0.6, 0.85), **_RESNET8),
    **_untrained("resnet8", 6, (0.6,), suffix="2-planes-untrained", **_RESNET8 | {"planes": 2}),
    **_untrained("resnet56", 6, (0.6, 0.85), **_RESNET56),
    **_curve("resnet20", 5, **_RESNET20),
    **_curve("resnet20", 4, far=_FURTHER, at_once=True, **_RESNET20),
    "resnet56-penni": Experiment(**_RESNET56, recipe=_penni(5, 0.8)),
}


def with_starts(names, folder):
    """``names``, and before them what they start from, where checkpoints of all its training are not left in ``folder``."""
    found = {}
    for name in names:
        chain = [name]
        while (before := EXPERIMENTS[chain[0]].after) and not (
            folder / before / "refine.checkpoint"
        ).exists():
            chain.insert(0, before)
        found |= dict.fromkeys(chain)
    return list(found)


def run_experiment(name, experiment, data, folder, console):
    """Compress, measure, and give what is stored of the experiment ``name``.

    Of ESCALATE ``accuracy_float`` is that of ternary coefficients before anything is rounded to 8 bits, ``accuracy_integer`` that of the
    accelerator's integers; of uniform weights the latter is that of fake-quantised numbers. ``ratio`` is 32-bit dense bits over bits of the
    image, with masks; ``ratio_zeros_free`` counts neither zeros nor masks. ``sparsity`` is that of what shrinking
    leaves. ``epochs`` and ``seconds`` are those after the dense network, and after the experiment that this one started ``after``.

    Parameters
    ----------
    data : Path
        Folder of weights and pictures.
    folder : Path
        For checkpoints.
    """
    model = data / experiment.model if Path(experiment.model).suffix else experiment.model
    network = load_model(model, weights=experiment.weights and data / experiment.weights)
    dataset = load_dataset(data / "cifar10-jpeg.zip")
    steps = Steps(console)
    # All experiments with a network start from the same one.
    dense = folder / f"{Path(experiment.model).stem}-dense"
    run = Run(dataset=dataset, folder=dense)
    with steps.step(f"{name}: train the dense network") as show:
        run.progress = lambda phase, part, text: show(part, text)
        run.train("dense", network, experiment.recipe.dense)
    run = Run(dataset=dataset, folder=folder / name)
    run.folder.mkdir(parents=True, exist_ok=True)
    start = None
    if experiment.after is not None:
        before = EXPERIMENTS[experiment.after]
        with steps.step(f"{name}: start from {experiment.after}"):
            start = ternary_again(network, dataset, before.recipe.after_training(), folder / experiment.after)
    with steps.step(f"{name}: compress") as show:
        run.progress = lambda phase, part, text: show(part, f"{phase} {text}")
        if experiment.uniform is not None:
            measured = _uniform(network, experiment, run)
        else:
            measured = _compressed(network, experiment, run, start, folder / f"{name}.farthing")
    phases = [
        {key: value for key, value in dataclasses.asdict(phase).items() if key != "epochs"}
        for phase in run.phases
    ]
    method = experiment.recipe.methods[-1]
    return {
        "name": name,
        "network": Path(experiment.model).stem,
        "bases": method.bases,
        "epochs": sum(len(phase.epochs) for phase in run.phases),
        "accuracy_dense": run.phases[0].accuracy,
        **measured,
        "seed": method.retraining.seed,
        "seconds": round(sum(phase.seconds for phase in run.phases), 1),
        "command": f"python -m bench.compression --only {name}",
        "date": datetime.date.today().isoformat(),
        "after": experiment.after,
        "settings": stored_settings(experiment.recipe),
        "phases": phases,
    }


def stored_settings(recipe):
    """Settings of a recipe as they are stored: of the dense network's training, of PENNI and of ESCALATE, ``None`` for what is not in it."""
    methods = {"penni": recipe.find(PenniSettings), "escalate": recipe.find(EscalateSettings)}
    return {"dense": dataclasses.asdict(recipe.dense)} | {
        name: settings and dataclasses.asdict(settings) for name, settings in methods.items()
    }


def _uniform(network, experiment, run):
    from .uniform import uniform_bits, uniform_cycles, uniform_network

    escalate = experiment.recipe.find(EscalateSettings)
    images = calibration_images(run.dataset, escalate.calibration)
    run.teacher = run.phase("dense", lambda: network)
    made = run.phase("uniform", uniform_network, network, experiment.uniform, images)
    run.train("retrain", made, escalate.retraining)
    bits = uniform_bits(made)
    work = total(network_complexity(network), "dense")
    ratio = 32 * work.parameters / bits
    return {
        "method": "uniform",
        "weight_bits": experiment.uniform,
        "bases": None,
        "sparsity": 0.0,
        "accuracy_float": None,
        "accuracy_integer": run.phases[-1].accuracy,
        "operations": work.operations,
        "flops_cut": 0.0,
        "image_bits": bits,
        "ratio": ratio,
        "ratio_zeros_free": ratio,
        "cycles": uniform_cycles(made, Config.preset(PRESET).multipliers),
    }


def _compressed(network, experiment, run, start, path):
    recipe = experiment.recipe.after_training()
    made = compress(network, run.dataset, recipe, run, name=path.stem, start=start)
    if made.integers is None:
        work = network_complexity(made.network)
        cut, dense = total(work).operations, total(network_complexity(network), "dense").operations
        return {
            "method": "penni",
            "sparsity": made.phases[-1].zeros,
            "accuracy_float": made.accuracy,
            "accuracy_integer": None,
            "operations": cut,
            "flops_cut": 1 - cut / dense,
            "flops_cut_as_penni": 1 - sum(layer.penni_operations for layer in work) / dense,
            **dict.fromkeys(("image_bits", "ratio", "ratio_zeros_free", "cycles")),
        }
    write_network(path, made.integers)
    images, labels = run.test_split()
    integers = integer_logits(made.integers, images).argmax(1)
    point = measure_point(path, run.dataset, Config.preset(PRESET))
    names = [phase.name for phase in made.phases]
    ternary = made.phases[names.index("ternary-shrink") - 1]
    return {
        "method": "escalate",
        "sparsity": point["sparsity"],
        "sparsity_before_shrinking": ternary.zeros,
        "accuracy_float": ternary.accuracy,
        "accuracy_integer": float((integers == labels).mean()),
        "agreement": float((integers == logits(made.network, images).argmax(1).numpy()).mean()),
        "operations": point["operations"],
        "flops_cut": 1 - point["operations"] / point["dense_operations"],
        "image_bits": point["image_bits"],
        "ratio": point["dense_bits"] / point["image_bits"],
        "ratio_zeros_free": point["dense_bits"] / point["zeros_free_bits"],
        "cycles": point["cycles"],
    }


@click.command()
@click.option("--list", "listed", is_flag=True, help="Names, and when they were stored.")
@click.option(
    "--only",
    multiple=True,
    type=click.Choice(list(EXPERIMENTS)),
    help="Run these, stored or not, and what they start from, if it is not left in build/compression.",
)
def main(listed, only):
    """Run the experiments that are not stored, in their order."""
    stored = {record["name"]: record for record in _stored()}
    if listed:
        for name in EXPERIMENTS:
            click.echo(f"{name} {stored[name]['date'] if name in stored else '-'}")
        return
    data = os.environ.get("FARTHING_DATA")
    if data is None:
        raise click.UsageError(
            "expected the folder of weights and pictures in FARTHING_DATA, got none; set it"
        )
    wanted = only or [name for name in EXPERIMENTS if name not in stored]
    for name in with_starts(wanted, FOLDER):
        result = run_experiment(name, EXPERIMENTS[name], Path(data), FOLDER, Console())
        # Another process may have stored one in the meantime.
        records = [record for record in _stored() if record["name"] != name] + [result]
        records.sort(key=lambda record: list(EXPERIMENTS).index(record["name"]))
        replace_file(RESULT, json.dumps(records, indent=1) + "\n")
        write(_stored())


def _stored():
    return json.loads(RESULT.read_text()) if RESULT.exists() else []


if __name__ == "__main__":
    main()
