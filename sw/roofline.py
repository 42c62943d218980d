"""Roofline: what an accelerator could reach on each layer, limited by its arithmetic or by its memory.

Source: S. Williams et al., "Roofline: An Insightful Visual Performance Model for Multicore Architectures", CACM 2009.
Weights are resident in memories of their own, so the traffic of a layer is that of its maps, 8 bits an activation before
and after compression: cutting computation alone moves a layer left, towards the memory's roof.
"""

import math
from dataclasses import dataclass

from hw.config import ACTIVATION_BITS

__all__ = ["LINK_BYTES", "Machine", "Point", "Roofline", "make_machine", "make_roofline"]

#: Bytes a second of a serial host link of 1 MBd, ten bits a byte.
LINK_BYTES = 100_000


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Peaks of one accelerator, each a second."""

    name: str
    #: Clock in MHz.
    clock: float
    #: Of all MACs.
    multiply_adds: float
    #: Of the channel accumulation of all rows.
    adds: float
    #: Activation memory: two ports that read a chunk, one that takes the results that are requantised at once.
    memory_bytes: float
    #: Host link.
    link_bytes: float

    def attainable(self, work, seconds_of_traffic):
        """Operations a second of a ``Work`` whose traffic takes at least ``seconds_of_traffic``; 0 of one that computes nothing."""
        if not work.operations:
            return 0.0
        return work.operations / max(
            work.adds / self.adds, work.multiply_adds / self.multiply_adds, seconds_of_traffic
        )


@dataclass(frozen=True, kw_only=True)
class Point:
    """One layer, or the whole network, in one state."""

    #: Operations for each byte of maps; of the network, for each byte over the host link.
    intensity: float
    #: Operations a second: what the roofs leave, or what was measured.
    performance: float


@dataclass(frozen=True, kw_only=True)
class Roofline:
    """Points by layer name, of layers that compute; ``network`` are those of the whole over the host link."""

    machine: Machine
    #: On the same machine without compression: multiply-adds of 8-bit weights.
    before: dict[str, Point]
    after: dict[str, Point]
    #: Operations that were really done, over the cycles that they took; empty if nothing was measured.
    achieved: dict[str, Point]
    #: ``before``, ``after`` and, if measured, ``achieved``.
    network: dict[str, Point]


def make_machine(config, clock, link_bytes=LINK_BYTES):
    """``Machine`` of a ``hw.config.Config`` at ``clock`` MHz.

    Raises
    ------
    ValueError
        If clock or link are not above 0.
    """
    if clock <= 0 or link_bytes <= 0:
        raise ValueError(f"expected a clock and a link above 0, got {clock} MHz and {link_bytes} bytes/s")
    hertz = clock * 1e6
    values = 2 * config.chunk + config.requantisers
    return Machine(
        name=config.name,
        clock=clock,
        multiply_adds=config.multipliers * hertz,
        adds=config.adders * hertz,
        memory_bytes=values * ACTIVATION_BITS / 8 * hertz,
        link_bytes=link_bytes,
    )


def make_roofline(network, layers, machine, measured=None):
    """``Roofline`` of an integer network.

    Parameters
    ----------
    network : sw.network.IntegerNetwork
    layers : tuple of LayerComplexity
        Of ``sw.complexity.integer_complexity``.
    machine : Machine
    measured : dict or None
        ``{layer name: (operations, cycles)}`` of an image: those really done (``sim.counting.LayerCount.operations``) and
        the cycles of all layers, pooling too.
    """
    computing = [layer for layer in layers if layer.dense.operations]
    # The same 8-bit maps before and after.
    traffic = {layer.name: layer.compressed.map_bytes for layer in computing}
    before = {layer.name: _point(machine, layer.dense, traffic[layer.name]) for layer in computing}
    after = {layer.name: _point(machine, layer.compressed, traffic[layer.name]) for layer in computing}
    achieved = {}
    hertz = machine.clock * 1e6
    for name in traffic if measured else ():
        operations, cycles = measured[name]
        achieved[name] = Point(intensity=operations / traffic[name], performance=operations * hertz / cycles)
    return Roofline(
        machine=machine,
        before=before,
        after=after,
        achieved=achieved,
        network=_network(network, layers, machine, measured),
    )


def _point(machine, work, traffic):
    return Point(
        intensity=work.operations / traffic,
        performance=machine.attainable(work, traffic / machine.memory_bytes),
    )


def _network(network, layers, machine, measured):
    """The layers one after the other, each at best at its own roof; over the link go the image and the result."""
    shapes = network.tensors()
    moved = math.prod(network.input.shape) + math.prod(shapes[network.layers[-1].name].shape)
    found = {}
    for state, kind in (("before", "dense"), ("after", "compressed")):
        works = [(getattr(layer, kind), layer.compressed.map_bytes) for layer in layers]
        seconds = [
            work.operations / machine.attainable(work, traffic / machine.memory_bytes)
            for work, traffic in works
            if work.operations
        ]
        found[state] = _over_link(machine, sum(work.operations for work, _ in works), sum(seconds), moved)
    if measured:
        operations, cycles = map(sum, zip(*measured.values(), strict=True))
        found["achieved"] = _over_link(machine, operations, cycles / (machine.clock * 1e6), moved)
    return found


def _over_link(machine, operations, seconds, moved):
    return Point(
        intensity=operations / moved,
        performance=operations / max(seconds, moved / machine.link_bytes),
    )
