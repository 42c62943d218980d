"""How much channel accumulation the large networks want for the same multipliers, and what it costs in adders."""

from sim.cycle_model import layer_cycles
from sw.compiler import compile_network

from .workloads import LARGE, build

__all__ = ["explore"]

#: Chunk, accumulation, lanes and rows; PEs, and so multipliers, are the same for all.
CHOICES = (
    (16, "tree", 16, 4),
    (64, "concentration", 16, 4),
    (64, "tree", 64, 2),
    (64, "tree", 64, 4),
)


def explore(names, console):
    """Cycles of each network with each choice."""
    found = []
    for name in names:
        for chunk, accumulation, lanes, rows in CHOICES:
            config = LARGE.replace(
                chunk=chunk,
                accumulation=accumulation,
                lanes=lanes,
                lookahead=min(1, chunk // lanes - 1),
                rows=rows,
                ring=2 * LARGE.channels // chunk,
                requantisers=min(chunk, LARGE.requantisers),
            )
            with console.status(f"{name}: chunk {chunk}, {accumulation}, {rows} rows"):
                work = build(name, config)
                try:
                    cycles = layer_cycles(compile_network(work.network, config), work.tensors).sum()
                except ValueError as error:
                    console.print(f"{name}, chunk {chunk}, {rows} rows: {error}")
                    continue
            found.append(
                {
                    "network": name,
                    "chunk": chunk,
                    "accumulation": accumulation if accumulation == "tree" else f"{lanes} lanes",
                    "rows": rows,
                    "multipliers": config.multipliers,
                    "adders": config.adders,
                    "cycles": int(cycles),
                }
            )
    return found
