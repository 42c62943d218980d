"""Cycles of the serial machine: what ``sim.cycle_model`` needs to know of it.

Everything comes one after the other, so only one thing is followed: when a ``z`` is complete, and when the multiplier takes it.
"""

import numpy as np
from numba import njit

from hw.formats import Operation
from hw.serial_layer import LayerReader
from hw.serial_taps import SerialTaps
from sw.pooling import pool_windows
from sw.records import decode_lists

from .cycle_sums import nonzero_sums
from .cycle_words import decode_words, list_terms

__all__ = ["AROUND_LAYER", "serial_step"]

#: States of a layer besides its channels: the start of reading, reading, the beginning, the note.
AROUND_LAYER = LayerReader.LATENCY + 3
#: From the start of a channel's output to that of the next channel, besides two for each position: a state, the entry, the last activation
#: on its way, and two states.
_OUTPUT = 7
#: From the start of a pass to the first complete ``z``, besides its words: three states, the chunk, the sum, less the word that is counted.
_FIRST_Z = 5
#: From the start of a pooling to that of its output, besides the places: a state, and two until the last result is written.
_POOL = 3


def serial_step(layer, data, bases, config):
    """Cycles of all channels of a layer, or a function of memory and a number of images that gives those of each.

    Parameters
    ----------
    layer : mapping
        ``LAYER_FIELDS``.
    data : bytes or None
        Its coefficients.
    bases : int8 array [bases, taps]
        Those of all layers.
    config : Config
    """
    positions = layer["output_height"] * layer["output_width"]
    if Operation(layer["operation"]) is Operation.CONVOLUTION:
        return _convolution(layer, data, bases, config, layer["passes"] * (2 * positions + _OUTPUT))
    (rows, columns), _, _ = pool_windows(layer)
    of_channel = positions * (rows * columns + 2) + _POOL + _OUTPUT
    return layer["input_chunks"] * config.chunk * of_channel


def _convolution(layer, data, bases, config, outputs):
    """A function of memory and a number of images, at most ``LANES``, that gives the cycles of each."""
    sizes = config.chunk_bits, config.basis_bits, -(-config.chunk // 8)
    starts = np.array([0, len(data)])
    words = decode_words(np.frombuffer(data, np.uint8), starts, layer["passes"], *sizes)
    lists, of_z, terms = words[0], words[1], list_terms(*words, config.chunk)
    alone = ~bases[:, :-1].any(axis=1)
    own = layer["basis_count"] * layer["basis_own"]
    single = np.array(
        [
            alone[layer["basis_base"] + number * own + word.basis]
            for number, (entries, _) in enumerate(decode_lists(data, config))
            for word in entries
            if word.last
        ]
    )
    first_channel = np.arange(layer["passes"]) // layer["input_repeat"] * layer["input_pass"] * config.chunk
    rows, columns = (np.array([len(taps) for taps in axis]) for axis in SerialTaps.looked_at(config, layer))
    # Memory is fed in squares, the serial machine goes along rows.
    row, column = np.arange(len(rows))[:, None], np.arange(len(columns))
    if layer["squares"]:
        order = (row // 2 * layer["width"] + column // 2) * 4 + row % 2 * 2 + column % 2
    else:
        order = row * layer["width"] + column

    def cycles(banks, images):
        fed, _ = banks.fed(layer)
        nonzero = nonzero_sums(fed, lists, *terms, np.zeros(1, np.int64), first_channel)
        found = np.full(images, outputs, np.int64)
        _follow(nonzero, order, lists[0], of_z, single, rows, columns, found)
        return found

    return cycles


@njit(cache=True, nogil=True)
def _follow(nonzero, order, lists, of_z, single, rows, columns, found):
    for image in range(len(found)):
        for pass_ in range(len(lists)):
            first, count = lists[pass_, 2], lists[pass_, 3]
            # When the last z left; when the multiplier takes the next one, and when it has nothing more to write.
            left, free, settled = _FIRST_Z, 0, 0
            for row in range(len(rows)):
                for column in range(len(columns)):
                    for z in range(first, first + count):
                        left += of_z[z]
                        if nonzero[z, order[row, column]] >> image & 1:
                            left = max(left, free)
                            taps = 1 if single[z] else rows[row] * columns[column]
                            together = not single[z] and rows[row] > 1 and columns[column] > 1
                            free = left + taps + (0 if together else 1)
                            settled = left + taps + 2
                        elif z == first + count - 1:
                            left = max(left, free)
                            free = left + 1
            found[image] += max(left + 2, settled)
