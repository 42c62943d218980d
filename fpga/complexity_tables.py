"""Complexity and roofline of a network as tables."""

from rich.table import Table

from sw.complexity import total

__all__ = ["roofline_table", "storage_rows", "storage_table", "work_rows", "work_table"]

_STORAGE = (
    "kind",
    "output",
    "dense parameters",
    "parameters",
    "zeros",
    "dense bits",
    "bits",
    "bits, zeros free",
)
_WORK = (
    "dense multiply-adds",
    "adds",
    "multiply-adds",
    "operations",
    "as PENNI counts",
    "dense bytes",
    "bytes",
    "operations a byte",
)


def storage_rows(layers):
    """What is stored of each ``LayerComplexity``, and of all: lists of texts, headings of ``storage_table``."""
    rows = [
        [
            layer.name,
            layer.kind,
            " x ".join(map(str, layer.shape)),
            *_stored(layer.dense, layer.compressed, layer.coefficients, layer.nonzero),
        ]
        for layer in layers
    ]
    coefficients, nonzero = (
        sum(getattr(layer, name) for layer in layers) for name in ("coefficients", "nonzero")
    )
    whole = total(layers, "dense"), total(layers, "compressed")
    return [*rows, ["network", "", "", *_stored(*whole, coefficients, nonzero)]]


def _stored(dense, compressed, coefficients, nonzero):
    return [
        _number(dense.parameters),
        _number(compressed.parameters),
        f"{1 - nonzero / coefficients:.1%}" if coefficients else "",
        _number(dense.bits),
        _number(compressed.bits),
        _number(compressed.bits_zeros_free),
    ]


def work_rows(layers):
    """What each ``LayerComplexity``, and all, compute and move for an image: lists of texts, headings of ``work_table``."""
    rows = [[layer.name, *_moved(layer.dense, layer.compressed, layer.penni_operations)] for layer in layers]
    whole = total(layers, "dense"), total(layers, "compressed")
    return [*rows, ["network", *_moved(*whole, sum(layer.penni_operations for layer in layers))]]


def _moved(dense, compressed, penni_operations):
    return [
        _number(dense.multiply_adds),
        _number(compressed.adds),
        _number(compressed.multiply_adds),
        _number(compressed.operations),
        _number(penni_operations),
        _number(round(dense.traffic_bytes)),
        _number(round(compressed.traffic_bytes)),
        f"{compressed.intensity:.2f}" if compressed.operations else "",
    ]


def _number(value):
    """Nothing for 0: most layers that pool have only zeros."""
    return f"{value:,}" if value else ""


def storage_table(layers):
    """A table of ``storage_rows``."""
    return _table(
        "stored",
        "dense: in 32 bits; parameters: other than 0; bits: with masks; zeros free: as papers count, not to be compared with bits",
        _STORAGE,
        storage_rows(layers),
    )


def work_table(layers):
    """A table of ``work_rows``."""
    return _table(
        "computed and moved for an image",
        "adds: of channels; operations: adds and multiply-adds; as PENNI counts: bases first; bytes: weights and maps",
        _WORK,
        work_rows(layers),
    )


def roofline_table(roofline):
    """Points of a ``sw.roofline.Roofline``: operations for each byte, 10^9 operations a second."""
    headings, states = [], [roofline.before, roofline.after]
    for state in ("dense", "compressed"):
        headings += [f"{state}: a byte", "attainable"]
    if roofline.achieved:
        states.append(roofline.achieved)
        headings += ["achieved: a byte", "10^9/s"]
    points = {name: [state[name] for state in states] for name in roofline.before}
    points["network, over the link"] = [
        roofline.network[state] for state in ("before", "after", "achieved") if state in roofline.network
    ]
    rows = [
        [
            name,
            *(
                text
                for point in found
                for text in (f"{point.intensity:,.2f}", f"{point.performance / 1e9:,.3f}")
            ),
        ]
        for name, found in points.items()
    ]
    return _table("roofline", "attainable and achieved in 10^9 operations a second", headings, rows)


def _table(title, caption, headings, rows):
    table = Table(title=title, caption=caption)
    table.add_column("layer")
    for heading in headings:
        table.add_column(heading, justify="left" if heading == "kind" else "right")
    for number, row in enumerate(rows):
        if number == len(rows) - 1:
            table.add_section()
        table.add_row(*row)
    return table
