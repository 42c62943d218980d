"""What is in a model file, as tables."""

from rich.table import Table

from fpga.complexity_tables import storage_table, work_table
from sw.complexity import network_complexity
from sw.compression.deep.size import LayerSize, layer_sizes

__all__ = ["show_model", "size_line", "size_rows"]

_SIZES = ("weights", "zeros", "fillers", "dense", "pruned", "shared", "coded", "times smaller")


def show_model(console, network, name):
    """Print what a ``sw.model.Network`` of real numbers stores, computes and moves, and the bits of shared weights step by step."""
    layers = network_complexity(network)
    shape = " x ".join(map(str, network.pixels.shape))
    console.print(f"{name}, input {shape}, real numbers of 32 bits", highlight=False, markup=False)
    console.print(storage_table(layers))
    console.print(work_table(layers))
    sizes = layer_sizes(network)
    if sizes:
        table = Table(
            title="shared weights, bits", caption="fillers: zeros that are stored to bridge long gaps"
        )
        table.add_column("layer")
        for heading in _SIZES:
            table.add_column(heading, justify="right")
        for row in size_rows(sizes):
            table.add_row(*row)
        console.print(table)


def size_rows(sizes):
    """Steps of Deep Compression of ``{name: LayerSize}``, and of all: lists of texts."""
    every = [*sizes.items(), ("network", sum(sizes.values(), LayerSize()))]
    return [
        [
            name,
            f"{size.weights:,}",
            f"{1 - size.nonzero / size.weights:.1%}",
            f"{size.fillers:,}",
            *(f"{bits:,}" for bits in (size.dense, size.pruned, size.shared, size.coded)),
            f"{size.ratio:.1f}",
        ]
        for name, size in every
    ]


def size_line(size):
    """A line of what a ``LayerSize`` consists of."""
    return (
        f"shared weights: {size.coded:,} bits coded ({size.codebook:,} codebooks, {size.coded_codes:,} codes, "
        f"{size.coded_gaps:,} gaps, {size.scales:,} scales), {size.ratio:.1f} times fewer than {size.dense:,}"
    )
