"""Cycle model: the cycles that the accelerator takes for each layer, without simulating its RTL.

The numbers are those of the device's own counters: from the cycle after the note of the layer before (or after the run
was taken) to the cycle in which the sequencer notes the cycles. What depends on data (matches of a chunk, which ``z``
are zero) is worked out ahead; ``sim.cycle_kernel`` then follows the queues.
"""

import numpy as np

from hw.concentration import column_offsets
from hw.formats import LAYER_FIELDS, Operation
from hw.max_pool import MaxPool
from hw.protocol import Target
from hw.requantiser import Requantiser
from hw.window_axis import WindowAxis
from hw.window_reader import axes
from sw.network import INPUT

from .banks import ActivationBanks
from .cycle_kernel import convolution_cycles
from .cycle_words import cut_table, decode_words, make_planes, pack_words
from .holes import hole_values

__all__ = ["layer_cycles"]

#: From the copy of a description, or the start of a run, to the copy of the next: words, memory (2), the copy.
_DESCRIBE = len(LAYER_FIELDS) + 3
#: From the copy of a description to the note, besides the work of the units: a cycle before their start, one in which
#: no unit is busy, the note.
_TURN = 3
#: From the start of a pooling to the chunk before the first one: a state, request, memory (2), skid buffer.
_FIRST_WINDOW = 4


def layer_cycles(program, tensors):
    """Cycles of each layer for each image, equal to what the device counts for its steps together.

    Parameters
    ----------
    program : sw.program.Program
    tensors : dict
        All tensors of the images, as ``sim.reference.run`` gives them.

    Returns
    -------
    int64 array [images, layers]
    """
    images = len(tensors[INPUT])
    banks = ActivationBanks(program.config, images)
    coefficients, holes = _coefficients(program), hole_values(program)
    banks.store(program.tensors[INPUT], tensors[INPUT], holes[INPUT])
    units = np.zeros((images, len(program.layers)), np.int64)
    for number, (of_layer, layer) in enumerate(zip(program.step_layers, program.layers, strict=True)):
        operation = Operation(layer["operation"])
        if operation is Operation.MAX_POOL:
            units[:, number] = _max_pool(layer, program.config)
        elif operation is Operation.AVERAGE_POOL:
            units[:, number] = _average_pool(layer, program.config)
        else:
            rows = coefficients[layer["coefficient_base"]]
            units[:, number] = _convolution(layer, rows, banks, program.config)
        if number + 1 == len(program.layers) or program.step_layers[number + 1] != of_layer:
            name = program.layer_names[of_layer]
            banks.store(program.tensors[name], tensors[name], holes[name])
    cycles = units + _TURN
    # A description is read from the copy of the one before on: a layer waits for what its predecessor did not cover.
    covered = np.hstack([np.zeros((images, 1), np.int64), cycles[:, :-1]])
    return program.layer_sums(cycles + np.maximum(_DESCRIBE - covered, 0))


def _window_sizes(layer):
    """Places of each window that lie in the map, int64 [output_height, output_width]."""
    rows, columns = (
        [len(places) for places in WindowAxis.model(geometry, layer[f"output_{side}"])]
        for side, geometry in axes(layer).items()
    )
    return np.outer(rows, columns)


def _max_pool(layer, config):
    """One chunk a cycle from the cycle after the start; request, memory (2), skid buffer, maximum and write follow."""
    around = 5 + MaxPool.latency(config)
    if not layer["scan"]:
        return int(_window_sizes(layer).sum()) * layer["input_chunks"] + around
    rows, columns = (
        WindowAxis.scan_model(geometry, layer[f"output_{side}"]) for side, geometry in axes(layer).items()
    )
    # In a row of two rows of windows the end of a stretch waits if the chunk before it was an end too.
    ends = [column["last"] for column in columns]
    waits = sum(before & end for before, end in zip(ends[-1:] + ends, ends, strict=False))
    both = sum(row["next"] & ~(row["last"] & row["next_first"]) for row in rows)
    return (len(rows) * len(columns) + both * waits) * layer["input_chunks"] + around


def _average_pool(layer, config):
    """Windows follow one another as fast as they are read, or as the sums of the one before leave; they come as in a maximum."""
    groups = config.chunk // config.requantisers
    end, left = _FIRST_WINDOW, 0
    for size in np.tile(_window_sizes(layer).reshape(-1), layer["input_chunks"]):
        end = max(end + size, left)
        left = end + groups
    return left + Requantiser.latency(config) + 1


def _coefficients(program):
    """For each address, the bytes of coefficients of every row."""
    found = {}
    for section in program.sections:
        if section.target is Target.COEFFICIENT:
            found.setdefault(section.address, {})[section.index] = section.data
    return found


def _convolution(layer, rows, banks, config):
    """Cycles of each image from the start until nothing is busy."""
    data = [rows[index] for index in range(config.pes * config.rows)]
    starts = np.cumsum([0, *map(len, data)])
    data = np.frombuffer(b"".join(data), np.uint8)
    passes = layer["passes"]
    sizes = config.chunk_bits, config.basis_bits, -(-config.chunk // 8)
    lists, of_z, chunk, nonzero, negative = decode_words(data, starts, passes, *sizes)
    concentrates = config.accumulation == "concentration"
    words = pack_words(lists, of_z, chunk, nonzero, layer["input_repeat"], layer["input_pass"])
    fed, masks = banks.fed(layer, concentrates)
    lanes = layer["input_chunks"] * config.chunk
    sums = np.empty((len(fed), fed.shape[1], len(of_z)), np.uint8)
    # Passes that are fed the same chunks.
    same = layer["input_repeat"] if layer["input_pass"] else passes
    for first in range(0, passes, same):
        end = min(first + same, passes)
        planes = make_planes(
            lists, of_z, chunk, nonzero, negative, first, end, layer["input_chunks"], config.chunk
        )
        channel = first // same * layer["input_pass"] * config.chunk
        at = lists[0, first, 2]
        np.not_equal(
            fed[:, :, channel : channel + lanes] @ planes.T,
            0,
            out=sums[:, :, at : at + len(planes)],
            casting="unsafe",
        )
    own = layer["basis_own"]
    # What of a class makes its first pixel of a square, by exclusive or.
    turned = (2 * layer["last_upper"] + layer["last_left"]) % config.classes if layer["squares"] else 0
    fields = "side_by_side height width line drain output_height output_width passes groups"
    geometry = [layer["input_chunks"], layer["pixels"], layer["squares"], turned]
    geometry += [layer[name] for name in fields.split()]
    geometry += [own, layer["basis_count"] * (config.pes if own else 1)]
    shape = (
        *(config.pes, config.rows, config.classes, config.ring, config.z_fifo, config.z_ahead),
        *(config.output_fifo, Requantiser.latency(config), concentrates, config.tree_is_cut),
        *(config.chunk, config.lanes, config.lookahead, config.ring_unseen, len(column_offsets(config))),
    )
    cycles = np.zeros(len(fed), np.int64)
    convolution_cycles(
        sums,
        masks.view(np.int64),
        words,
        cut_table(config),
        tuple(map(int, geometry)),
        tuple(map(int, shape)),
        (lists.size, len(of_z), len(chunk)),
        cycles,
    )
    if cycles.min() < 0:
        raise RuntimeError("expected a layer to come to its end, got one that waits for ever")
    return cycles
