"""What an accelerator would take and give, in seconds: resources, fit on every board, cycles of a network."""

import math
from dataclasses import dataclass

import numpy as np
from rich.table import Table

from fpga.boards import BOARDS
from fpga.family import Family
from fpga.resources import Resources, total
from hw.config import Config
from sim.cycle_model import layer_cycles
from sim.reference import run
from sw.compiler import compile_network
from sw.inputs import input_integers

__all__ = [
    "RESOURCES",
    "BoardFit",
    "Estimate",
    "estimate",
    "fit",
    "network_cycles",
    "random_image",
    "show",
    "to_json",
]

#: What can run out, by the name that resources and boards give it, and how it is called.
RESOURCES = {
    "luts": "LUTs",
    "registers": "flip-flops",
    "dsps": "multipliers",
    "block_rams": "block RAMs",
    "large_rams": "large RAMs",
}
#: Of the random image.
_SEED = 0


@dataclass(frozen=True, kw_only=True)
class BoardFit:
    """How an accelerator fits one board.

    ``shares`` of what the part has, by name in ``RESOURCES``, 1 for all; ``first`` is the largest of them: what runs out first.
    ``inferences_per_second`` at the clock of the board, in Hz, weights resident; ``None`` without a network.
    """

    board: str
    frequency: int
    shares: dict[str, float]
    inferences_per_second: float | None

    @property
    def first(self):
        return max(self.shares, key=self.shares.get)

    @property
    def fits(self):
        return self.shares[self.first] <= 1


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Resources of a configuration, all and by part; cycles of each layer of a network, means of its images, if there is one.

    Parts and resources are those on ``family``, that of the first board.
    """

    config: Config
    family: Family
    parts: dict[str, Resources]
    layers: dict[str, float] | None
    boards: tuple[BoardFit, ...]

    @property
    def resources(self):
        return total(self.parts)

    @property
    def cycles(self):
        """Cycles of one image, or ``None``."""
        return None if self.layers is None else sum(self.layers.values())


def random_image(network):
    """One image of random integers that the network reads, int64 [1, C, H, W]; always the same."""
    info = network.input
    return np.random.default_rng(_SEED).integers(info.low, info.high + 1, (1, *info.shape))


def network_cycles(network, config, inputs=()):
    """Cycles of each layer by name, means over images; those of the device, from the exact cycle model.

    Parameters
    ----------
    network : IntegerNetwork
    config : Config
    inputs : sequence of array [C, H, W] or [n, C, H, W]
        As ``sw.inputs.input_integers`` takes them; without any it is ``random_image``.

    Raises
    ------
    ValueError
        If the network cannot run on the configuration, or does not read these images.
    """
    program = compile_network(network, config)
    images = [input_integers(program, array) for array in inputs] or [random_image(network)]
    cycles = layer_cycles(program, run(network, np.concatenate(images))).mean(axis=0)
    return {layer.name: float(mean) for layer, mean in zip(network.layers, cycles, strict=True)}


def fit(resources, board, cycles=None):
    """``BoardFit`` of ``Resources`` on a ``Board``."""
    both = {name: (getattr(resources, name), getattr(board, name)) for name in RESOURCES}
    return BoardFit(
        board=board.name,
        frequency=board.frequency,
        shares={
            name: used / there if there else math.inf for name, (used, there) in both.items() if used or there
        },
        inferences_per_second=None if cycles is None else board.frequency / cycles,
    )


def estimate(config, network=None, inputs=(), board=None):
    """What a configuration takes and gives.

    Parameters
    ----------
    config : Config
    network : IntegerNetwork or None
        Whose cycles are wanted.
    inputs : sequence of array
        As of ``network_cycles``.
    board : Board or None
        The one that is asked about; otherwise all whose family is counted for the machine.

    Returns
    -------
    Estimate

    Raises
    ------
    ValueError
        If the family of ``board`` is not counted for the machine, or as ``network_cycles`` does.
    """
    boards = [board] if board else [one for one in BOARDS.values() if one.family.serial == config.serial]
    families = {one.family.name: one.family.count_parts(config) for one in boards}
    layers = None if network is None else network_cycles(network, config, inputs)
    cycles = None if layers is None else sum(layers.values())
    family = boards[0].family
    return Estimate(
        config=config,
        family=family,
        parts=families[family.name],
        layers=layers,
        boards=tuple(fit(total(families[one.family.name]), one, cycles) for one in boards),
    )


def to_json(result):
    """Plain values of an ``Estimate``."""
    return {
        "preset": result.config.name,
        "family": result.family.name,
        "resources": vars(result.resources),
        "parts": {
            name: {kind: round(value) for kind, value in vars(part).items()}
            for name, part in result.parts.items()
        },
        "cycles": result.cycles,
        "layers": result.layers,
        "boards": {
            found.board: {
                "frequency": found.frequency,
                "fits": found.fits,
                "runs_out_first": found.first,
                "shares": {name: round(share, 4) for name, share in found.shares.items()},
                "inferences_per_second": found.inferences_per_second,
            }
            for found in result.boards
        },
    }


def show(console, result):
    """Print the tables of an ``Estimate``."""
    if result.layers is not None:
        console.print(_layer_table(result))
    console.print(_part_table(result))
    console.print(_board_table(result))


def _layer_table(result):
    table = Table(title=f"cycles of an image, preset {result.config.name}")
    table.add_column("layer")
    table.add_column("cycles", justify="right")
    table.add_column("share", justify="right")
    for name, cycles in result.layers.items():
        table.add_row(name, f"{cycles:,.0f}", f"{cycles / result.cycles:.1%}")
    table.add_section()
    table.add_row("network", f"{result.cycles:,.0f}", "")
    return table


def _kinds(result):
    """What the parts of boards have, by name in ``RESOURCES``."""
    return [kind for kind in RESOURCES if any(kind in found.shares for found in result.boards)]


def _part_table(result):
    kinds = [kind for kind in RESOURCES if kind in result.boards[0].shares]
    table = Table(
        title=f"resources on {result.family.name}, preset {result.config.name}",
        caption="LUTs and flip-flops estimated, within 10 % of synthesis; multipliers and block RAMs counted",
    )
    table.add_column("part")
    for kind in kinds:
        table.add_column(RESOURCES[kind], justify="right")
    for name, part in result.parts.items():
        table.add_row(name, *(f"{getattr(part, kind):,.0f}" for kind in kinds))
    table.add_section()
    table.add_row("accelerator", *(f"{getattr(result.resources, kind):,}" for kind in kinds))
    return table


def _board_table(result):
    kinds, serial = _kinds(result), result.config.serial
    others = [name for name, board in BOARDS.items() if board.family.serial != serial]
    machine = "machines with PEs" if serial else "a serial machine"
    table = Table(title="boards", caption=f"for {machine} alone: {', '.join(others)}")
    table.add_column("board")
    of_kinds = [RESOURCES[kind] for kind in kinds]
    for title in ("fits", "runs out first", *of_kinds, "clock, MHz", "inferences a second"):
        table.add_column(title, justify="right")
    for found in result.boards:
        speed = found.inferences_per_second
        table.add_row(
            found.board,
            "yes" if found.fits else "no",
            RESOURCES[found.first],
            *(f"{found.shares.get(kind, 0):.0%}" for kind in kinds),
            f"{found.frequency / 1e6:g}",
            "" if speed is None or not found.fits else f"{speed:,.{0 if speed >= 100 else 1}f}",
        )
    return table
