"""Tables of the results, for the terminal and for ``docs/performance.md``, both from the stored file."""

import re
from pathlib import Path

from rich.table import Table

__all__ = ["PAGE", "page_with", "tables", "to_rich"]

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
#: Between these lines a page is written by a command, which is one of a module unless it is named.
_BETWEEN = "(<!-- written by {}: begin -->).*?(<!-- end -->)"
_OF_A_MODULE = "python -m [a-z.]+"

_OTHERS = {"dense_ideal": "dense ideal", "eyeriss": "Eyeriss", "scnn": "SCNN", "sparten": "SparTen"}


def tables(results):
    """``[(title, headings, rows)]`` of strings."""
    networks = {name: record for name, record in results.items() if "layers" in record}
    found = [_ratios(networks), _compressed(networks), _board(networks), _structures(networks)]
    if "choices" in results:
        found.append(_choices(results["choices"]))
    if "cycle_model" in results:
        row = [f"{number:,}" for number in results["cycle_model"].values()]
        headings = ["layers exact", "layers wrong", "times faster than RTL"]
        found.append(("Cycle model against RTL, random networks", headings, [row]))
    if "components" in results:
        rows = [[name, f"{luts:,}"] for name, luts in results["components"].items()]
        found.append(("LUTs of components alone, preset ulx3s-85f", ["component", "LUTs"], rows))
    found += [_layers(name, record) for name, record in networks.items()]
    return [table for table in found if table[2]]


def _ratios(networks):
    headings = [
        "network",
        "multipliers",
        "adders",
        "cycles",
        *(f"over {title}" for title in _OTHERS.values()),
    ]
    rows = [
        [
            name,
            str(record["multipliers"]),
            f"{record['adders']:,}",
            f"{record['cycles']:,}",
            *(f"{record[f'speedup_{model}']:.2f}" for model in _OTHERS),
            f"{_share(record):.1%}",
            f"{record['rtl_checked_layers']} of {record['rtl_layers']}",
        ]
        for name, record in networks.items()
    ]
    return "Speed at equal multipliers", [*headings, "bound / cycles", "layers equal in RTL"], rows


def _compressed(networks):
    headings = ["network", "cycles", "of all", *(f"over {title}" for title in _OTHERS.values())]
    rows = [
        [
            name,
            f"{record['compressed']['cycles']:,}",
            f"{record['compressed']['cycles'] / record['cycles']:.0%}",
            *(f"{record['compressed'][f'speedup_{model}']:.2f}" for model in _OTHERS),
        ]
        for name, record in networks.items()
    ]
    return "Compressed layers alone, without first layers, depthwise layers and pooling", headings, rows


def _share(record):
    return sum(layer["bound_cycles"] for layer in record["layers"]) / record["cycles"]


def _board(networks):
    headings = ["network", "clock, MHz", "inferences a second", "LUTs", "multipliers", "block RAMs"]
    rows = [
        [
            name,
            f"{record['fmax_mhz']:g}",
            f"{record['inferences_per_second']:,.0f}",
            f"{record['luts']:,}",
            str(record["dsps"]),
            str(record["block_rams"]),
        ]
        for name, record in networks.items()
        if record.get("fmax_mhz")
    ]
    return "On the ULX3S-85F, after place and route", headings, rows


def _structures(networks):
    headings = [
        "network",
        "zero coefficients",
        "bases",
        "kept of them",
        "planes",
        "zero activations",
        "multiply-adds",
    ]
    rows = [
        [
            name,
            f"{record['sparsity']:.1%}",
            *(str(record["structure"][key]) for key in ("bases", "kept", "planes")),
            f"{record['activation_zeros']:.1%}",
            f"{record['macs'] / 1e6:,.1f} M",
        ]
        for name, record in networks.items()
    ]
    return (
        "The networks",
        [*headings, "of which neither is zero"],
        [
            [*row, f"{record['effectual_macs'] / record['macs']:.1%}"]
            for row, record in zip(rows, networks.values(), strict=True)
        ],
    )


def _choices(choices):
    headings = ["network", "chunk", "accumulation", "rows", "multipliers", "adders", "cycles"]
    rows = [
        [
            str(choice["network"]),
            str(choice["chunk"]),
            choice["accumulation"],
            str(choice["rows"]),
            str(choice["multipliers"]),
            f"{choice['adders']:,}",
            f"{choice['cycles']:,}",
        ]
        for choice in choices
    ]
    return "Channel accumulation for the same multipliers", headings, rows


def _layers(name, record):
    headings = ["layer", "cycles", "bound", "utilisation", *_OTHERS.values()]
    rows = [
        [
            layer["name"],
            f"{layer['cycles']:,}",
            f"{layer['bound_cycles']:,}",
            f"{layer['utilisation']:.0%}",
            *(f"{layer[model]:,}" if model in layer else "" for model in _OTHERS),
        ]
        for layer in record["layers"]
    ]
    return f"{name}, cycles layer by layer", headings, rows


def to_rich(table):
    """A table for the terminal."""
    title, headings, rows = table
    shown = Table(title=title)
    for number, heading in enumerate(headings):
        shown.add_column(heading, justify="right" if number else "left")
    for row in rows:
        shown.add_row(*row)
    return shown


def page_with(text, found, align="---:", command=None):
    """The page with what lies between its markers written anew: tables as ``tables`` gives them, columns but the first aligned.

    ``command`` names the part of a page that has more than that of a module.
    """
    parts = []
    for title, headings, rows in found:
        lines = [headings, ["---", *[align] * (len(headings) - 1)], *rows]
        parts.append(f"### {title}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines))
    body = "\n\n".join(parts)
    between = _BETWEEN.format(_OF_A_MODULE if command is None else re.escape(command))
    return re.sub(between, lambda match: f"{match[1]}\n\n{body}\n\n{match[2]}", text, flags=re.DOTALL)
