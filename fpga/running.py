"""What ``farthing run`` does, and what it shows."""

import io

import numpy as np
from rich.table import Table

from fpga.device import Device
from sw.files import replace_file
from sw.inputs import input_integers, load_inputs
from sw.network import INPUT

__all__ = ["run_inputs", "show_run", "write_outputs"]


def run_inputs(program, paths, target, config, *, baud=None, limit_seconds=None, progress=lambda what: None):
    """Run files through a network on a device.

    Parameters
    ----------
    program : Program
    paths : paths
        As for ``sw.inputs.load_inputs``.
    target, config, baud, limit_seconds
        As for ``Device.open``.
    progress : function
        Called with what is done now.

    Returns
    -------
    report : dict
        Ready for JSON.
    outputs : int64 [n, K, H, W]
    """
    inputs = load_inputs(paths, program.tensors[INPUT].shape)
    tensors = []
    for name, array in inputs:
        try:
            tensors.append(input_integers(program, array))
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    progress(f"opening {target}, configuration {config.name}")
    with Device.open(target, config=config, baud=baud, limit_seconds=limit_seconds) as device:
        progress(f"loading {program.name}")
        device.load(program)
        results = []
        for result in device.run_all(np.concatenate(tensors)):
            results.append(result)
            progress(f"{len(results)} of {len(inputs)}")
        report = {
            "device": device.link.name,
            "configuration": config.name,
            "network": program.name,
            "results": [
                {
                    "input": name,
                    "class": result.label if result.output[0].size == 1 else None,
                    "cycles": result.cycles,
                    "seconds": round(result.seconds, 6),
                    "output": result.output.tolist(),
                }
                for (name, _), result in zip(inputs, results, strict=True)
            ],
            "layer_cycles": device.counters(),
            "stalls": device.stalls(),
            "faults": device.faults,
        }
    return report, np.stack([result.output for result in results])


def write_outputs(path, outputs):
    """Write all results to an ``.npy`` file, at once."""
    content = io.BytesIO()
    np.save(content, outputs)
    replace_file(path, content.getvalue())


def show_run(console, report):
    """Print a report as a table."""
    table = Table(
        title=f"{report['network']} on {report['device']}, configuration {report['configuration']}",
        caption="time: at the host, with loading and reading",
    )
    table.add_column("input", overflow="fold")
    for heading in ("class", "result", "cycles", "time"):
        table.add_column(heading, justify="right")
    for result in report["results"]:
        table.add_row(
            result["input"],
            "" if result["class"] is None else str(result["class"]),
            _digest(result["output"]),
            f"{result['cycles']:,}",
            f"{1000 * result['seconds']:,.1f} ms",
        )
    console.print(table)
    cycles = report["results"][-1]["cycles"]
    stalls = ", ".join(f"{unit} {count:,} ({count / cycles:.0%})" for unit, count in report["stalls"].items())
    console.print(f"cycles of the last run in which units waited: {stalls}", highlight=False)
    if report["faults"]:
        console.print(f"repeated after faults of the link: {report['faults']}", highlight=False)


def _digest(output):
    """The values, where there is one a channel and they are few; else their number and range."""
    values = np.array(output)
    if values[0].size == 1 and len(values) <= 10:
        return " ".join(map(str, values.ravel()))
    return f"{' x '.join(map(str, values.shape))}, {values.min()}..{values.max()}"
