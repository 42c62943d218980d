"""The score of a file by the rules of the MicroNet Challenge, as plain values and as tables."""

from rich.table import Table

from fpga.inspection import is_network_file
from sw.compression.micronet.entry import entry_layers
from sw.compression.micronet.entry_count import MODES, count_entry
from sw.compression.micronet.integer_count import count_integers
from sw.compression.micronet.rules import TASKS, score, total
from sw.network_file import read_network

__all__ = ["score_file", "show_score"]

#: What is counted of a layer and of the network.
_COLUMNS = ("parameters", "multiplications", "additions", "operations")


def score_file(path, task):
    """What the file ``path`` scores at ``task``, a name of ``TASKS``.

    Returns
    -------
    dict
        ``parameters``, ``multiplications``, ``additions``, ``operations``, ``parameter_score``, ``operation_score``, ``score``,
        and ``layers`` with the first four of each. Of the winner's checkpoint these are as its authors counted, in the
        first of their modes; ``modes`` has every one, ``published`` and by the ``rules``.

    Raises
    ------
    ValueError
        If it is neither a network file nor the checkpoint of such an entry.
    """
    if is_network_file(path):
        network, _ = read_network(path)
        return {"network": network.name, "task": task, **_scored(count_integers(network), task)}
    from sw.zoo import read_state

    try:
        state = read_state(path)
    except ValueError as error:
        raise ValueError(f"{error}; or give a network file of farthing compress") from None
    try:
        layers = entry_layers({name: tensor.numpy() for name, tensor in state.items()})
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    modes = []
    for mode in MODES:
        both = {
            kind: _scored(count_entry(layers, mode, published=kind == "published"), task)
            for kind in ("published", "rules")
        }
        for result in both.values():
            del result["layers"]
        modes.append({"mode": mode.text, **both})
    counted = _scored(count_entry(layers, MODES[0], published=True), task)
    return {"network": "DenseNet of the MicroNet winner", "task": task, **counted, "modes": modes}


def _scored(tallies, task):
    baseline, whole = TASKS[task], total(tallies)
    return {
        **_numbers(whole),
        "parameter_score": whole.parameters / baseline.parameters,
        "operation_score": whole.operations / baseline.operations,
        "score": score(whole.parameters, whole.operations, baseline),
        "layers": [{"name": tally.name, **_numbers(tally)} for tally in tallies],
    }


def _numbers(tally):
    return {name: getattr(tally, name) for name in _COLUMNS}


def show_score(console, result):
    """Print what ``score_file`` gave."""
    baseline = TASKS[result["task"]]
    if "modes" in result:
        console.print(_mode_table(result["modes"]))
    else:
        console.print(_layer_table(result))
    whole = (
        f"{result['network']}: {result['operations'] / 1e6:.3f} M operations, "
        f"{result['parameters'] / 1e3:.2f} K parameters, score {result['score']:.6f}"
    )
    if "modes" in result:
        rules = result["modes"][0]["rules"]
        whole += (
            f" as its authors counted\nby the rules: {rules['operations'] / 1e6:.3f} M operations, "
            f"{rules['parameters'] / 1e3:.2f} K parameters, score {rules['score']:.6f}: every channel's scale is stored, and "
            "a window is averaged over all of its places"
        )
    whole += (
        f"\n{baseline.operations / result['operations']:.1f} times fewer operations and "
        f"{baseline.parameters / result['parameters']:.1f} times fewer parameters than {baseline.baseline}, the baseline of "
        f"{result['task']}; that {baseline.accuracy:.0%} of its test images are right is not checked"
    )
    console.print(whole, highlight=False, markup=False, soft_wrap=True)


def _layer_table(result):
    table = Table(title="MicroNet score", caption="in numbers and operations of 32 bits")
    table.add_column("layer")
    for heading in _COLUMNS:
        table.add_column(heading, justify="right")
    for layer in (*result["layers"], {"name": "network"} | result):
        if layer["name"] == "network":
            table.add_section()
        table.add_row(layer["name"], *(f"{layer[name]:,.1f}" for name in _COLUMNS))
    return table


def _mode_table(modes):
    table = Table(title="MicroNet score", caption="published: as the authors counted")
    table.add_column("mode", justify="right")
    table.add_column("sums")
    for heading in ("10^6 operations", "operations", "parameters", "score", "by the rules"):
        table.add_column(heading, justify="right")
    for number, mode in enumerate(modes):
        published = mode["published"]
        table.add_row(
            str(number),
            mode["mode"],
            f"{published['operations'] / 1e6:.3f}",
            *(f"{published[name]:.6f}" for name in ("operation_score", "parameter_score", "score")),
            f"{mode['rules']['score']:.6f}",
        )
    return table
