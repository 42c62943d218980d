"""Tables and the picture of the stored experiments, for ``docs/compression.md``."""

from pathlib import Path

from fpga.curves import MARKERS, accuracy_figure
from fpga.pictures import write_picture
from sw.files import replace_file

from .page import page_with

__all__ = ["PAGE", "PICTURE", "draw", "experiment_tables", "write"]

PAGE = Path(__file__).parents[1] / "docs" / "compression.md"
PICTURE = PAGE.with_name("resnet20-curves.svg")
#: Network of the picture.
_SHOWN = "resnet20"


def write(stored):
    """Write both anew from what is stored."""
    replace_file(PAGE, page_with(PAGE.read_text(), experiment_tables(stored)))
    write_picture(PICTURE, lambda: draw(stored))


def experiment_tables(stored):
    """``[(title, headings, rows)]`` of strings, of a list of experiments."""
    found = [table(stored) for table in (_ternary, _uniform, _real)]
    return [table for table in found if table[2]]


def draw(stored):
    """A matplotlib ``Figure``: top-1 of integers against cycles, bits and operations, a line for each choice of bases and one for uniform weights."""
    records = [record for record in stored if record["network"] == _SHOWN]
    figure, panels = accuracy_figure(f"{_SHOWN} on CIFAR-10", records[0]["accuracy_dense"])
    lines = {}
    for record in _of(records, "escalate"):
        kept = record["settings"]["escalate"]["kept"]
        bases = record["bases"] if kept is None else f"{kept} of {record['bases']}"
        lines.setdefault(f"ternary, {bases} bases", []).append(record)
    if uniform := _of(records, "uniform"):
        lines["uniform, 2 to 4 bits, ideal cycles"] = uniform
    for key, panel in panels.items():
        for number, (name, points) in enumerate(lines.items()):
            panel.plot(
                [point[key] for point in points],
                [100 * point["accuracy_integer"] for point in points],
                marker=MARKERS[number],
                label=name,
            )
    panels["operations"].legend(loc="lower right")
    return figure


def _of(stored, method):
    return [record for record in stored if record["method"] == method]


def _lost(record, after):
    return f"{100 * (record['accuracy_dense'] - record[after]):.2f}"


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
            record["name"],
            f"{record['sparsity']:.1%}",
            f"{record['accuracy_dense']:.2%}",
            f"{record['accuracy_float']:.2%}",
            f"{record['accuracy_integer']:.2%}",
            _lost(record, "accuracy_integer"),
            f"{record['agreement']:.2%}",
            f"{record['cycles']:,.0f}",
            f"{record['flops_cut']:.1%}",
            f"{record['image_bits']:,}",
            f"{record['ratio']:.1f}",
            f"{record['ratio_zeros_free']:.1f}",
            str(record["epochs"]),
            f"{record['seconds'] / 60:,.0f}",
            record["date"],
        ]
        for record in _of(stored, "escalate")
    ]
    headings = [
        "experiment",
        "zeros",
        "dense top-1",
        "ternary",
        "integers",
        "points lost",
        "as the twin",
        "cycles",
    ]
    headings += ["operations cut", "image bits", "ratio", "ratio, zeros free", "epochs", "minutes", "date"]
    return (
        "ESCALATE: ternary coefficients and 8-bit integers, NAME-BASES-ZEROS, NAME-KEPT-of-BASES-ZEROS",
        headings,
        rows,
    )


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
    return "The alternative: uniform weights of few bits (Brevitas), same teacher and epochs", headings, rows


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
