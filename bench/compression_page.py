"""Tables of the stored experiments, for ``docs/compression.md``."""

from pathlib import Path

__all__ = ["PAGE", "experiment_tables"]

PAGE = Path(__file__).parents[1] / "docs" / "compression.md"


def experiment_tables(stored):
    """``[(title, headings, rows)]`` of strings, of a list of experiments."""
    found = [
        table([record for record in stored if record["method"] == method])
        for method, table in (("escalate", _ternary), ("uniform", _uniform), ("penni", _real))
    ]
    return [table for table in found if table[2]]


def _lost(record, after):
    return f"{100 * (record['accuracy_dense'] - record[after]):.2f}"


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
        for record in stored
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
    return "ESCALATE: ternary coefficients and 8-bit integers, NAME-BASES-ZEROS", headings, rows


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
            str(record["epochs"]),
            f"{record['seconds'] / 60:,.0f}",
            record["date"],
        ]
        for record in stored
    ]
    headings = [
        "experiment",
        "dense top-1",
        "quantised",
        "points lost",
        "bits",
        "ratio",
        "cycles, dense ideal",
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
        for record in stored
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
