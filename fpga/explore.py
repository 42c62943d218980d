"""Search for the configuration that runs a network fastest on a board, by estimate and exact cycle model.

From a few seeds the search goes to the neighbours of all configurations that none beats in both LUTs and cycles, round by round, until there
is no new neighbour or the number of evaluations is used up. A round is evaluated in parallel, on the cores here or wherever the workers of a
Dask scheduler are; what is found does not depend on how many there are.
"""

import dataclasses
import math
from dataclasses import dataclass

from distributed import Client, LocalCluster

from fpga.estimate import RESOURCES, fit, random_image
from fpga.resources import Resources, count_resources
from hw.config import Config
from hw.link_words import LoadFormat
from hw.protocol import Target
from sim.cycle_model import layer_cycles
from sim.reference import run
from sw.compiler import compile_network
from sw.network import Convolution, MaxPool

__all__ = ["Candidate", "Shape", "explore", "fastest", "front", "neighbours", "shrink"]

#: Numbers of PEs that are tried.
_PES = (1, 2, 3, 4, 6, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64)
#: Configurations of one round.
_ROUND = 16
#: Words of the memories before it is known how many a network needs.
_ROOMY = {
    "activation_words": 1 << 15,
    "coefficient_words": 1 << 15,
    "basis_words": 1 << 13,
    "scale_words": 1 << 12,
    "layers": 512,
}
#: Least words of a memory: that of distributed memory.
_LEAST_WORDS = 16
#: Positions of a line: what all lines share a block RAM with, and what few maps are wider than.
_LINE = range(32, 129)


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What is searched; as the fields of ``Config``. ``lanes`` 0 is the adder tree; ``ring`` in least rings. Of a serial machine it is ``chunk`` alone."""

    chunk: int
    lanes: int
    rows: int
    pes: int
    requantisers: int
    z_fifo: int = 16
    ring: int = 1
    output_fifo: int = 16


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A configuration that the network runs on, what it takes and its cycles of one image."""

    shape: Shape
    config: Config
    resources: Resources
    cycles: int


def _power(number, least=1):
    """The least power of two that is at least ``number``."""
    return 1 << (max(number, least) - 1).bit_length()


def _configure(network, base, shape):
    """``Config`` of a shape with room for everything; raises ``ValueError`` if there is none."""
    tensors = network.tensors().values()
    convolutions = [layer for layer in network.layers if isinstance(layer, Convolution)]
    widest = max(max(info.height, info.width) for info in tensors)
    channels = -(-max(info.channels for info in tensors) // shape.chunk) * shape.chunk
    chunks = channels // shape.chunk
    pools = any(isinstance(layer, MaxPool) for layer in network.layers)
    values = {
        "chunk": shape.chunk,
        **_accumulation(shape, base.serial),
        "rows": shape.rows,
        "pes": shape.pes,
        "requantisers": shape.requantisers,
        "kernel_height": max((layer.kernel[0] for layer in convolutions), default=1),
        "kernel_width": max((layer.kernel[1] for layer in convolutions), default=1),
        "bases": max((layer.bases.shape[-3] for layer in convolutions), default=1),
        "line": min(max(widest, _LINE.start), _LINE.stop - 1),
        "channels": channels,
        "ring": shape.ring * _power(max(2 * chunks, chunks + base.ring_unseen - 1), _LEAST_WORDS),
        "pool_columns": min(64, _power(widest)) if pools and not base.serial else 0,
        "z_fifo": shape.z_fifo,
        "output_fifo": shape.output_fifo,
    }
    small = base.replace(name="explored", **values, **dict.fromkeys(_ROOMY, _LEAST_WORDS))
    # A list says in its first word how long it is.
    words = min(_ROOMY["coefficient_words"], 1 << small.coefficient_bits)
    return small.replace(**_ROOMY | {"coefficient_words": words})


def _accumulation(shape, serial):
    """How channels are added, as the fields of ``Config``."""
    if serial:
        return {"accumulation": "serial", "lanes": shape.chunk, "lookahead": 0, "lookaside": 0}
    lanes = shape.lanes or max(1, shape.chunk // 2)
    return {
        "accumulation": "concentration" if shape.lanes else "tree",
        "lanes": lanes,
        "lookahead": min(1, shape.chunk // lanes - 1),
        "lookaside": min(1, lanes - 1),
    }


def shrink(program):
    """The configuration of a ``Program`` with memories no deeper than it needs."""
    config, formats = program.config, LoadFormat(program.config)
    words = dict.fromkeys(Target, 0)
    for section in program.sections:
        if section.target is Target.COEFFICIENT:
            count = len(formats.words(section.target, section.data)[0])
        else:
            count = -(-len(section.data) // formats.fixed_bytes[section.target])
        words[section.target] = max(words[section.target], section.address + count)
    last = max(
        place.base + (place.height - 1) * place.row + (place.width - 1) * place.pixel + place.chunks
        for place in program.tensors.values()
    )
    return config.replace(
        activation_words=_power(last, _LEAST_WORDS),
        coefficient_words=_power(words[Target.COEFFICIENT], _LEAST_WORDS),
        basis_words=_power(words[Target.BASIS], _LEAST_WORDS),
        scale_words=_power(words[Target.SCALE], _LEAST_WORDS),
        layers=_power(len(program.layers)),
    )


def _compile_tightly(network, config):
    """``Program`` of a configuration with half the activations, and half of that, as long as the compiler finds places."""
    program = compile_network(network, config)
    while config.activation_words > _LEAST_WORDS:
        config = config.replace(activation_words=config.activation_words // 2)
        try:
            program = compile_network(network, config)
        except ValueError:
            break
    return program


def _check_fit(config, board):
    """``Resources`` of a configuration; raises ``ValueError`` if the board has less."""
    resources = count_resources(config, board.family)
    found = fit(resources, board)
    if not found.fits:
        raise ValueError(
            f"expected at most all {RESOURCES[found.first]} of {board.name}, got {found.shares[found.first]:.0%}"
        )
    return resources


def _evaluate(shape, network, tensors, base, board):
    """``Candidate`` of a shape, or a line that says why there is none."""
    try:
        roomy = _configure(network, base, shape)
        if not base.serial:
            # What does not fit with hardly any memory need not be compiled.
            _check_fit(roomy.replace(**dict.fromkeys(_ROOMY, _LEAST_WORDS)), board)
        program = _compile_tightly(network, shrink(compile_network(network, roomy)))
        config, resources = program.config, _check_fit(program.config, board)
        cycles = layer_cycles(program, tensors)
    except ValueError as error:
        return str(error)
    return Candidate(shape=shape, config=config, resources=resources, cycles=int(cycles.sum()))


def _seeds(network, serial):
    """Trees of 8 and 16 lanes, or of as many as there are channels, from one PE to many, and the least ones; of serial machines all there are."""
    channels = max(info.channels for info in network.tensors().values())
    if serial:
        return [_one_row(chunk) for chunk in (4, 8, 16) if chunk <= _power(channels, 4)]
    chunks = {min(chunk, _power(channels, 2)) for chunk in (8, 16)}
    trees = [
        Shape(chunk=chunk, lanes=0, rows=2, pes=pes, requantisers=min(pes, 8, chunk))
        for chunk in sorted(chunks)
        for pes in (1, 2, 4, 8, 16)
    ]
    return [*trees, *(_one_row(chunk) for chunk in (2, 4))]


def _one_row(chunk):
    return Shape(chunk=chunk, lanes=0, rows=1, pes=1, requantisers=1)


def neighbours(shape):
    """Shapes of a machine with PEs that differ from one in one value, and in what must follow it."""
    at = _PES.index(shape.pes)
    changes = [{"pes": pes} for pes in _PES[max(0, at - 1) : at + 2]]
    changes += [{"rows": rows} for rows in (shape.rows - 1, shape.rows + 1) if 1 <= rows <= 8]
    changes += [{"chunk": chunk} for chunk in (shape.chunk // 2, shape.chunk * 2) if 2 <= chunk <= 64]
    lanes = (shape.lanes // 2, shape.lanes * 2) if shape.lanes else (shape.chunk // 2, shape.chunk // 4)
    changes += [{"lanes": count} for count in lanes]
    changes += [{"requantisers": units} for units in (shape.requantisers // 2, shape.requantisers * 2)]
    changes += [{"z_fifo": places} for places in (16, 32, 64)]
    changes += [{"ring": rings} for rings in (1, 2)]
    changes += [{"output_fifo": places} for places in (12, 16, 32)]
    found = []
    for change in changes:
        following = dataclasses.replace(shape, **change)
        units = math.gcd(following.pes, following.chunk)
        following = dataclasses.replace(
            following,
            lanes=following.lanes if following.lanes < following.chunk else 0,
            requantisers=math.gcd(max(1, following.requantisers), units & -units),
        )
        if following != shape and following not in found:
            found.append(following)
    return found


def front(candidates):
    """Those that none has both fewer LUTs and fewer cycles than, from fewest LUTs on."""
    kept, least = [], math.inf
    for candidate in sorted(candidates, key=lambda one: (one.resources.luts, one.cycles)):
        if candidate.cycles < least:
            kept.append(candidate)
            least = candidate.cycles
    return kept


def fastest(candidates):
    """The one of fewest cycles, and of those of fewest LUTs."""
    return min(candidates, key=lambda one: (one.cycles, one.resources.luts))


def explore(network, board, base, *, evaluations=100, jobs=None, scheduler=None, progress=lambda done: None):
    """Search the fastest configuration for ``network`` that fits ``board`` by estimate.

    Parameters
    ----------
    network : IntegerNetwork
    board : Board
    base : Config
        Values that are not searched: the machine, widths of sums, multipliers and biases.
    evaluations : int
        Configurations that are compiled, at most.
    jobs : int or None
        Processes on this machine; ``None`` takes one for each core.
    scheduler : str or None
        Address of a Dask scheduler whose workers evaluate instead; they need farthing.
    progress : function
        Called with the number of configurations that have been evaluated.

    Returns
    -------
    list of Candidate
        All that fit, in the order in which they were found; never empty.

    Raises
    ------
    ValueError
        If none fits, with the reason of the last one, or ``base`` is not the machine that is counted for the board.
    """
    # Refused before processes start.
    count_resources(base, board.family)
    cluster = scheduler or LocalCluster(n_workers=jobs, threads_per_worker=1, dashboard_address="localhost:0")
    with Client(cluster) as client:
        try:
            return _search(client, network, board, base, evaluations, progress)
        finally:
            if not scheduler:
                cluster.close()


def _search(client, network, board, base, evaluations, progress):
    shared = {
        "network": network,
        "tensors": run(network, random_image(network)),
        "base": base,
        "board": board,
    }
    shared = {name: client.scatter(value, broadcast=True, hash=False) for name, value in shared.items()}
    seen, found, reason = set(), [], "there was nothing to try"
    seeds = waiting = _seeds(network, base.serial)
    while waiting and len(seen) < evaluations:
        batch = waiting[: min(_ROUND, evaluations - len(seen))]
        seen.update(batch)
        for result in client.gather(client.map(_evaluate, batch, **shared)):
            if isinstance(result, Candidate):
                found.append(result)
            else:
                reason = result
        progress(len(seen))
        # Seeds, then the neighbours of the fastest first.
        best = [] if base.serial else reversed(front(found))
        following = [shape for one in best for shape in neighbours(one.shape)]
        waiting = [shape for shape in dict.fromkeys([*seeds, *following]) if shape not in seen]
    if not found:
        raise ValueError(
            f"expected a configuration that runs {network.name} on {board.name}, got none of {len(seen)}; the last one: {reason}"
        )
    return found
