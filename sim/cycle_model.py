"""Cycle model: the cycles that the accelerator takes for each layer, without simulating its RTL.

The numbers are those of the device's own counters: from the cycle after the note of the layer before (or after the run
was taken) to the cycle in which the sequencer notes the cycles. Which ``z`` are zero is worked out ahead by ``sim.cycle_sums``;
``sim.cycle_kernel`` then follows the queues.
"""

import os
from concurrent.futures import ThreadPoolExecutor

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
from .cycle_sums import nonzero_sums
from .cycle_words import cut_table, decode_words, list_terms
from .holes import hole_values
from .lanes import LANES
from .serial_cycles import AROUND_LAYER, serial_step

__all__ = ["layer_cycles"]

#: From the copy of a description, or the start of a run, to the copy of the next: words, memory (2), the copy.
_DESCRIBE = len(LAYER_FIELDS) + 3
#: From the copy of a description to the note, besides the work of the units: a cycle before their start, one in which
#: no unit is busy, the note.
_TURN = 3
#: From the start of a pooling to the chunk before the first one: a state, request, memory (4), skid buffer.
_FIRST_WINDOW = 6


def layer_cycles(program, tensors):
    """Cycles of each layer for each image, equal to what the device counts for its steps together.

    ``LANES`` images are followed side by side, and take little longer than one; such groups are dealt to threads, one for each
    processor.

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
    holes = hole_values(program)
    steps = [_step(program, layer, rows) for layer, rows in _with_coefficients(program)]
    units = np.zeros((images, len(program.layers)), np.int64)

    def follow(first):
        together = slice(first, first + LANES)
        banks = ActivationBanks(program.config)
        banks.store(program.tensors[INPUT], tensors[INPUT][together], holes[INPUT])
        for number, (of_layer, step) in enumerate(zip(program.step_layers, steps, strict=True)):
            units[together, number] = step(banks, len(units[together])) if callable(step) else step
            if number + 1 == len(program.layers) or program.step_layers[number + 1] != of_layer:
                name = program.layer_names[of_layer]
                banks.store(program.tensors[name], tensors[name][together], holes[name])

    with ThreadPoolExecutor(os.cpu_count()) as threads:
        # What threads raise comes with their results.
        list(threads.map(follow, range(0, images, LANES)))
    if program.config.serial:
        return program.layer_sums(units + AROUND_LAYER)
    cycles = units + _TURN
    # A description is read from the copy of the one before on: a layer waits for what its predecessor did not cover.
    covered = np.hstack([np.zeros((images, 1), np.int64), cycles[:, :-1]])
    return program.layer_sums(cycles + np.maximum(_DESCRIBE - covered, 0))


def _with_coefficients(program):
    """Each description, and the bytes of coefficients of every row."""
    found = {}
    for section in program.sections:
        if section.target is Target.COEFFICIENT:
            found.setdefault(section.address, {})[section.index] = section.data
    for layer in program.layers:
        yield layer, found.get(layer["coefficient_base"])


def _step(program, layer, rows):
    """Cycles from the start of the unit that a description is for until nothing is busy, or a function that tells them of images."""
    config, operation = program.config, Operation(layer["operation"])
    if config.serial:
        bases = b"".join(section.data for section in program.sections if section.target is Target.BASIS)
        bases = np.frombuffer(bases, np.int8).reshape(-1, config.taps)
        return serial_step(layer, rows and rows[0], bases, config)
    if operation is Operation.MAX_POOL:
        return _max_pool(layer, config)
    if operation is Operation.AVERAGE_POOL:
        return _average_pool(layer, config)
    return _convolution(layer, rows, config)


def _window_sizes(layer):
    """Places of each window that lie in the map, int64 [output_height, output_width]."""
    rows, columns = (
        [len(places) for places in WindowAxis.model(geometry, layer[f"output_{side}"])]
        for side, geometry in axes(layer).items()
    )
    return np.outer(rows, columns)


def _max_pool(layer, config):
    """One chunk a cycle from the cycle after the start; request, memory (4), skid buffer, maximum and write follow."""
    around = 7 + MaxPool.latency(config)
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


def _convolution(layer, rows, config):
    """A function of memory and a number of images, at most ``LANES``, that gives the cycles of each."""
    data = [rows[index] for index in range(config.pes * config.rows)]
    starts = np.cumsum([0, *map(len, data)])
    data = np.frombuffer(b"".join(data), np.uint8)
    sizes = config.chunk_bits, config.basis_bits, -(-config.chunk // 8)
    words = decode_words(data, starts, layer["passes"], *sizes)
    lists, of_z, chunk, nonzero, _ = words
    coefficients, terms = (lists, of_z, chunk, nonzero.view(np.int64)), list_terms(*words, config.chunk)
    concentrates = config.accumulation == "concentration"
    own = layer["basis_own"]
    # What of a class makes its first pixel of a square, by exclusive or.
    turned = (2 * layer["last_upper"] + layer["last_left"]) % config.classes if layer["squares"] else 0
    fields = "side_by_side height width line drain output_height output_width passes groups"
    together = config.classes if layer["squares"] else 1
    numbers = np.arange(config.rows) % together ^ turned
    first_chunk = np.arange(layer["passes"]) // layer["input_repeat"] * layer["input_pass"]
    first_slot = (np.cumsum(lists[:, :, 3], axis=1) - lists[:, :, 3]) * layer["pixels"]
    geometry = [layer["input_chunks"], layer["pixels"], layer["squares"]]
    geometry += [layer[name] for name in fields.split()]
    geometry += [own, layer["basis_count"] * (config.pes if own else 1)]
    shape = (
        *(config.pes, config.rows, config.classes, config.ring, config.z_fifo, config.z_ahead),
        *(config.output_fifo, Requantiser.latency(config), concentrates, config.tree_is_cut),
        *(config.chunk, config.lanes, config.lookahead, config.ring_unseen, len(column_offsets(config))),
    )
    geometry, shape = tuple(map(int, geometry)), tuple(map(int, shape))
    cut, places = cut_table(config), (numbers, first_chunk, first_slot)

    def cycles(banks, images):
        found = np.zeros(images, np.int64)
        fed, masks = banks.fed(layer, concentrates)
        sums = nonzero_sums(fed, lists, *terms, numbers, first_chunk * config.chunk)
        convolution_cycles(masks, *coefficients, cut, sums, *places, geometry, shape, found)
        return found

    return cycles
