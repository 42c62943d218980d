"""The report of the demonstration: as a dictionary, as a table, as a file."""

import json

import numpy as np
from rich.table import Table

from sim.counting import compression, count
from sw.files import replace_file
from sw.network import Convolution

__all__ = ["make_report", "show_report", "write_report"]


def make_report(results):
    """The numbers of ``results`` in plain types; cycles and counts are means over the images that were simulated.

    A run that stopped at a difference is counted as far as it came.
    """
    run, network = results.simulated, results.compressed.network
    tensors = {name: tensor[: run.images] for name, tensor in results.tensors.items()}
    layers = _layers(results, tensors) if run.images else []
    size = compression(network, results.program)
    labels, expected = results.labels[: run.images], tensors[network.layers[-1].name]
    cycles = float(run.cycles.mean()) if run.images else 0.0
    dense_ideal = sum(layer["dense_ideal_cycles"] for layer in layers)
    return {
        "images": run.images,
        "mismatches": len(run.mismatches),
        "first_mismatches": [str(mismatch) for mismatch in run.mismatches],
        "waves": run.waves and run.waves.name,
        "tensors_compared": run.tensors * run.images,
        "cycles_per_image": cycles,
        "dense_ideal_cycles": dense_ideal,
        "speedup": dense_ideal / cycles if cycles else 0.0,
        "accuracy_float": results.compressed.compressed.accuracy_before,
        "accuracy_integer": results.accuracy_integer,
        "accuracy_rtl": _right(run.outputs, labels),
        "accuracy_reference_on_images": _right(expected, labels),
        "test_images": len(results.compressed.dataset.test_images),
        "compression_ratio": size.ratio,
        "compression_ratio_zeros_free": size.zeros_free_ratio,
        "dense_bits": size.dense_bits,
        "image_bits": size.image_bits,
        "layers": layers,
        "simulated_cycles": run.simulated_cycles,
        "preset": results.config.name,
        "configuration": results.config.to_dict(),
        "seed": results.seed,
        **results.files,
        "versions": results.versions,
        "seconds": {**results.seconds, "total": round(sum(results.seconds.values()), 2)},
        "phases": [
            {
                "name": phase.name,
                "accuracy": phase.accuracy,
                "zeros": phase.zeros,
                "seconds": round(phase.seconds, 2),
            }
            for phase in results.compressed.compressed.phases
        ],
    }


def _right(outputs, labels):
    """Share of images whose greatest output is at the label; of equal outputs the first one counts."""
    if not len(labels):
        return 0.0
    return float((outputs.reshape(len(labels), -1).argmax(axis=1) == labels).mean())


def _layers(results, tensors):
    run, network = results.simulated, results.compressed.network
    different = {mismatch.layer for mismatch in run.mismatches}
    counts = count(network, tensors, results.config)
    infos = network.tensors()
    layers = []
    for number, (layer, work) in enumerate(zip(network.layers, counts, strict=True)):
        cycles = int(run.layer_cycles[:, number].sum())
        layers.append(
            {
                "name": layer.name,
                "kind": type(layer).__name__,
                "shape": list(infos[layer.name].shape),
                "sparsity": float((layer.coefficients == 0).mean())
                if isinstance(layer, Convolution)
                else None,
                "cycles": cycles / run.images,
                "dense_ideal_cycles": work.dense_ideal_cycles / run.images,
                "speedup": work.speedup(cycles),
                "bound_cycles": work.bound_cycles / run.images,
                "utilisation": work.utilisation(cycles),
                "adds": work.adds / run.images,
                "macs": work.macs / run.images,
                "dense_macs": work.dense_macs / run.images,
                "match": layer.name not in different,
            }
        )
    return layers


def show_report(console, report, folder):
    """Print the table of layers and what came out."""
    table = Table(title=f"preset {report['preset']}, means of {report['images']} images")
    table.add_column("layer")
    for heading in ("shape", "sparsity", "cycles", "dense ideal", "speed-up", "utilisation"):
        table.add_column(heading, justify="right")
    table.add_column("match", justify="center")
    for layer in report["layers"]:
        # Pooling does no multiplication: there is nothing to be faster than.
        dense = layer["dense_ideal_cycles"]
        table.add_row(
            layer["name"],
            " x ".join(map(str, layer["shape"])),
            "" if layer["sparsity"] is None else f"{layer['sparsity']:.1%}",
            f"{layer['cycles']:,.0f}",
            f"{dense:,.0f}" if dense else "",
            f"{layer['speedup']:.2f}" if dense else "",
            f"{layer['utilisation']:.1%}",
            "yes" if layer["match"] else "NO",
        )
    table.add_section()
    table.add_row(
        "network",
        "",
        "",
        f"{report['cycles_per_image']:,.0f}",
        f"{report['dense_ideal_cycles']:,.0f}",
        f"{report['speedup']:.2f}",
        "",
        "NO" if report["mismatches"] else "yes",
    )
    console.print(table)
    for line in _lines(report, folder):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _lines(report, folder):
    yield (
        f"accuracy: float {report['accuracy_float']:.2%}, integer {report['accuracy_integer']:.2%} "
        f"of {report['test_images']} test images; RTL {report['accuracy_rtl']:.2%}, "
        f"reference {report['accuracy_reference_on_images']:.2%} of the {report['images']} simulated ones"
    )
    yield (
        f"size: {report['dense_bits']:,} bits dense, {report['image_bits']:,} in the image: "
        f"{report['compression_ratio']:.1f} times smaller "
        f"({report['compression_ratio_zeros_free']:.1f} if zeros were free)"
    )
    yield from report["first_mismatches"]
    if report["waves"]:
        yield f"waveform: {folder / 'simulation' / report['waves']}"
    yield (
        f"{report['tensors_compared']} tensors compared, {report['mismatches']} mismatches; "
        f"{folder / 'report.json'} after {report['seconds']['total']:.0f} s"
    )


def write_report(path, report):
    """Write the report as JSON."""
    replace_file(path, json.dumps(report, indent=2, default=_plain) + "\n")


def _plain(value):
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"expected a plain type, got {type(value).__name__}")
