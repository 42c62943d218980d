"""Tables and pictures of the stored experiments, for ``docs/compression.md``."""

from pathlib import Path

from fpga.curves import MARKERS, accuracy_figure
from fpga.pictures import write_picture
from sw.files import replace_file

from .page import page_with

__all__ = ["PAGE", "PICTURES", "draw", "experiment_tables", "target_table", "write"]

PAGE = Path(__file__).parents[1] / "docs" / "compression.md"
#: By network.
PICTURES = {
    "resnet20": PAGE.with_name("resnet20-curves.svg"),
    "mlperf-tiny-resnet8": PAGE.with_name("resnet8-curves.svg"),
}


#: What was wanted: of which experiment, a share of which number, and most points lost.
_TARGETS = {
    "resnet20-penni-0.73": ("flops_cut", 0.6, 0.5),
    "resnet20-6-0.60": ("sparsity_before_shrinking", 0.6, 1.5),
    "resnet20-6-0.85": ("sparsity_before_shrinking", 0.85, 4.0),
    "resnet8-6-0.60-again": ("sparsity_before_shrinking", 0.6, 1.5),
    "resnet56-penni": ("flops_cut_as_penni", 0.794, 0.2),
}
_SHARES = {
    "flops_cut": "of operations cut",
    "flops_cut_as_penni": "of operations cut, as PENNI counts",
    "sparsity_before_shrinking": "of ternary coefficients zero",
}
#: A share of zeros is asked for of all layers but the last, which may have so much fewer of all.
_NEARLY = 0.0125
#: Least share of test images on which integers and the trained twin name the same class.
_AGREEMENT = 0.999


def write(stored):
    """Write the tables and the pictures anew from what is stored."""
    replace_file(PAGE, page_with(PAGE.read_text(), [target_table(stored), *experiment_tables(stored)]))
    for network in {record["network"] for record in stored} & PICTURES.keys():
        write_picture(PICTURES[network], lambda network=network: draw(stored, network))


def target_table(stored):
    """``(title, headings, rows)`` of strings: what was wanted of a list of experiments, and what came."""
    found = {record["name"]: record for record in stored}
    rows = []
    for name, (key, share, most) in _TARGETS.items():
        wanted = f"{share:.1%} {_SHARES[key]}, at most {most:g} points lost"
        if name not in found:
            rows.append([name, wanted, "not run", ""])
            continue
        record = found[name]
        after = "accuracy_float" if record["accuracy_integer"] is None else "accuracy_integer"
        enough = record[key] >= share - (_NEARLY if key == "sparsity_before_shrinking" else 0)
        lost = _lost(record, after)
        met = "yes" if enough and float(lost) <= most else "no"
        rows.append([name, wanted, f"{record[key]:.1%}, {lost} points lost", met])
    agreements = [record["agreement"] for record in _of(stored, "escalate")]
    if agreements:
        least = min(agreements)
        wanted = f"integers and twin name the same class on {_AGREEMENT:.1%} of the test images"
        rows.append(["all", wanted, f"{least:.2%} or more", "yes" if least >= _AGREEMENT else "no"])
    return "What was wanted", ["experiment", "wanted", "came", "met"], rows


def experiment_tables(stored):
    """``[(title, headings, rows)]`` of strings, of a list of experiments."""
    found = [table(stored) for table in (_ternary, _untrained, _uniform, _real)]
    return [table for table in found if table[2]]


def draw(stored, network):
    """A matplotlib ``Figure``: top-1 of integers against cycles, bits and operations, a line for each choice of bases and one for uniform weights."""
    records = [record for record in stored if record["network"] == network]
    figure, panels = accuracy_figure(f"{network} on CIFAR-10", records[0]["accuracy_dense"])
    ours, lines = _of(records, "escalate"), {}
    several = len({record["settings"]["escalate"]["planes"] for record in ours}) > 1
    for record in ours:
        settings = record["settings"]["escalate"]
        kept, planes = settings["kept"], settings["planes"]
        bases = record["bases"] if kept is None else f"{kept} of {record['bases']}"
        name = f"ternary, {bases} bases" + (f", {planes} planes" if several else "")
        name += "" if record["epochs"] else ", untrained"
        lines.setdefault(name, []).append(record)
    if uniform := _of(records, "uniform"):
        bits = ", ".join(str(record["weight_bits"]) for record in uniform)
        lines[f"uniform, bits: {bits}; ideal cycles"] = uniform
    for key, panel in panels.items():
        for number, (name, points) in enumerate(lines.items()):
            points.sort(key=lambda point: (point["sparsity"], point["image_bits"]))
            panel.plot(
                [point[key] for point in points],
                [100 * point["accuracy_integer"] for point in points],
                marker=MARKERS[number],
                label=name,
            )
    figure.legend(*panels["cycles"].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def _of(stored, method):
    return [record for record in stored if record["method"] == method]


def _lost(record, after):
    return f"{100 * (record['accuracy_dense'] - record[after]):.2f}"


def _trained(stored):
    """Records of ESCALATE that were trained, and those that were not."""
    records = _of(stored, "escalate")
    return [record for record in records if record["epochs"]], [
        record for record in records if not record["epochs"]
    ]


def _best(stored, other, key):
    """Top-1 and zeros of our best network that has no more of ``key`` than another."""
    ours = [
        record
        for record in _of(stored, "escalate")
        if record["network"] == other["network"] and record[key] <= other[key]
    ]
    best = max(ours, key=lambda record: record["accuracy_integer"], default=None)
    return "none" if best is None else f"{best['accuracy_integer']:.2%} ({best['name']})"


def _ternary(stored):
    rows = [
        [
            *_result(record),
            f"{record['agreement']:.2%}",
            *_costs(record),
            record["after"] or "fitted",
            str(record["epochs"]),
            f"{record['seconds'] / 60:,.0f}",
            record["date"],
        ]
        for record in _trained(stored)[0]
    ]
    headings = [*_RESULT, "as the twin", *_COSTS, "start", "epochs", "minutes", "date"]
    return (
        "ESCALATE: ternary coefficients and 8-bit integers, NAME-BASES-ZEROS, NAME-KEPT-of-BASES-ZEROS",
        headings,
        rows,
    )


def _untrained(stored):
    rows = [
        [*_result(record), *_costs(record), f"{record['seconds']:,.0f}", record["date"]]
        for record in _trained(stored)[1]
    ]
    return "ESCALATE without training: fitted, and calibrated", [*_RESULT, *_COSTS, "seconds", "date"], rows


_RESULT = ("experiment", "zeros", "dense top-1", "ternary", "integers", "points lost")
_COSTS = ("cycles", "operations cut", "image bits", "ratio", "ratio, zeros free")


def _result(record):
    """Cells below ``_RESULT``."""
    return [
        record["name"],
        f"{record['sparsity']:.1%}",
        f"{record['accuracy_dense']:.2%}",
        f"{record['accuracy_float']:.2%}",
        f"{record['accuracy_integer']:.2%}",
        _lost(record, "accuracy_integer"),
    ]


def _costs(record):
    """Cells below ``_COSTS``."""
    return [
        f"{record['cycles']:,.0f}",
        f"{record['flops_cut']:.1%}",
        f"{record['image_bits']:,}",
        f"{record['ratio']:.1f}",
        f"{record['ratio_zeros_free']:.1f}",
    ]


def _uniform(stored):
    rows = [
        [
            record["name"],
            f"{record['accuracy_dense']:.2%}",
            f"{record['accuracy_integer']:.2%}",
            _lost(record, "accuracy_integer"),
            f"{record['image_bits']:,}",
            f"{record['ratio']:.1f}",
            f"{record['cycles']:,.0f}",
            _best(stored, record, "image_bits"),
            _best(stored, record, "cycles"),
            str(record["epochs"]),
            f"{record['seconds'] / 60:,.0f}",
            record["date"],
        ]
        for record in _of(stored, "uniform")
    ]
    headings = [
        "experiment",
        "dense top-1",
        "quantised",
        "points lost",
        "bits",
        "ratio",
        "cycles, dense ideal",
        "best of ours, no more bits",
        "no more cycles",
    ]
    headings += ["epochs", "minutes", "date"]
    return "The alternative: uniform weights of few bits (Brevitas), same teacher", headings, rows


def _real(stored):
    rows = [
        [
            record["name"],
            f"{record['sparsity']:.1%}",
            f"{record['accuracy_dense']:.2%}",
            f"{record['accuracy_float']:.2%}",
            _lost(record, "accuracy_float"),
            f"{record['flops_cut']:.1%}",
            f"{record['flops_cut_as_penni']:.1%}",
            str(record["epochs"]),
            f"{record['seconds'] / 60:,.0f}",
            record["date"],
        ]
        for record in _of(stored, "penni")
    ]
    headings = [
        "experiment",
        "zeros",
        "dense top-1",
        "compressed",
        "points lost",
        "operations cut",
        "as PENNI counts",
    ]
    headings += ["epochs", "minutes", "date"]
    return "PENNI: real coefficients", headings, rows
