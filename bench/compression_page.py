"""Tables of the stored experiments, for ``docs/compression.md``."""

from pathlib import Path

__all__ = ["PAGE", "experiment_tables"]

PAGE = Path(__file__).parents[1] / "docs" / "compression.md"


def experiment_tables(stored):
    """``[(title, headings, rows)]`` of strings, of experiments by name."""
    ternary = {name: record for name, record in stored.items() if "agreement" in record}
    uniform = {name: record for name, record in stored.items() if "uniform" in record}
    real = {name: record for name, record in stored.items() if "penni_operations" in record}
    found = [_ternary(ternary), _uniform(uniform), _real(real)]
    return [table for table in found if table[2]]


def _accuracies(record):
    before, after = record["dense_accuracy"], record["accuracy"]
    return [f"{before:.2%}", f"{after:.2%}", f"{100 * (before - after):.2f}"]


def _ternary(stored):
    headings = ["experiment", "zeros", "dense top-1", "integers", "points lost", "as the twin"]
    rows = [
        [
            name,
            f"{record['sparsity']:.1%}",
            *_accuracies(record),
            f"{record['agreement']:.2%}",
            f"{record['cycles']:,.0f}",
            f"{record['image_bits']:,}",
            f"{record['dense_bits'] / record['image_bits']:.1f}",
            f"{record['operations'] / 1e6:.2f} M",
            f"{record['dense_operations'] / 1e6:.2f} M",
            record["date"],
        ]
        for name, record in stored.items()
    ]
    headings += ["cycles", "image bits", "times smaller", "operations", "dense multiply-adds", "date"]
    return "ESCALATE: ternary coefficients and 8-bit integers, NAME-BASES-ZEROS", headings, rows


def _uniform(stored):
    headings = [
        "experiment",
        "dense top-1",
        "quantised",
        "points lost",
        "bits",
        "cycles, dense ideal",
        "date",
    ]
    rows = [
        [
            name,
            *_accuracies(record),
            f"{record['image_bits']:,}",
            f"{record['cycles']:,.0f}",
            record["date"],
        ]
        for name, record in stored.items()
    ]
    return "The alternative: uniform weights of few bits (Brevitas), same teacher and epochs", headings, rows


def _real(stored):
    headings = ["experiment", "zeros", "dense top-1", "compressed", "points lost"]
    rows = [
        [
            name,
            f"{record['sparsity']:.1%}",
            *_accuracies(record),
            f"{1 - record['operations'] / record['dense_operations']:.1%}",
            f"{1 - record['penni_operations'] / record['dense_operations']:.1%}",
            record["date"],
        ]
        for name, record in stored.items()
    ]
    headings += ["operations cut", "as PENNI counts", "date"]
    return "PENNI: real coefficients", headings, rows
