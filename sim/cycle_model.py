"""Cycle model: the cycles that the accelerator takes for each layer, without simulating its RTL.

The numbers are those of the device's own counters: from the cycle after the note of the layer before (or after the run
was taken) to the cycle in which the sequencer notes the cycles. What depends on data (matches of a chunk, which ``z``
are zero) is worked out ahead; ``sim.cycle_kernel`` then follows the queues.
"""

from functools import cache

import numpy as np

from hw.concentration import Concentration
from hw.formats import LAYER_FIELDS, Operation
from hw.protocol import Target
from hw.requantiser import Requantiser
from hw.window_axis import WindowAxis
from hw.window_reader import axes
from sw.network import INPUT
from sw.records import decode_lists

from .banks import ActivationBanks
from .cycle_kernel import convolution_cycles
from .cycle_tokens import STEPS_SHIFT, make_tokens, nonzero_sums, pack_matches
from .holes import hole_values

__all__ = ["layer_cycles"]

#: From the copy of a description, or the start of a run, to the copy of the next: words, memory (2), the copy.
_DESCRIBE = len(LAYER_FIELDS) + 3
#: From the copy of a description to the note, besides the work of the units: a cycle before their start, one in which
#: no unit is busy, the note.
_TURN = 3
#: From the start of a pooling to the chunk before the first one: a state, request, memory (2).
_FIRST_WINDOW = 3
#: Widest chunk for which the steps of every pattern of matches are kept.
_TABLE_WIDTH = 16


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
    banks = [ActivationBanks(program.config) for _ in range(images)]
    holes = hole_values(program)
    _store(banks, program.tensors[INPUT], tensors[INPUT], holes[INPUT])
    units = np.zeros((images, len(program.layers)), np.int64)
    for number, (of_layer, layer) in enumerate(zip(program.step_layers, program.layers, strict=True)):
        operation = Operation(layer["operation"])
        if operation is Operation.MAX_POOL:
            units[:, number] = _max_pool(layer)
        elif operation is Operation.AVERAGE_POOL:
            units[:, number] = _average_pool(layer, program.config)
        else:
            convolution = _Convolution(program, layer)
            units[:, number] = [convolution.cycles(image.fed(layer)) for image in banks]
        if number + 1 == len(program.layers) or program.step_layers[number + 1] != of_layer:
            name = program.layer_names[of_layer]
            _store(banks, program.tensors[name], tensors[name], holes[name])
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


def _store(banks, place, tensor, holes):
    for image, of_image in zip(banks, tensor, strict=True):
        image.store(place, of_image, holes)


def _max_pool(layer):
    """One chunk of a window a cycle from the cycle after the start; request, memory (2), maximum and write follow."""
    return int(_window_sizes(layer).sum()) * layer["input_chunks"] + 5


def _average_pool(layer, config):
    """Windows follow one another as fast as they are read, or as the sums of the one before leave; they come as in a maximum."""
    groups = config.chunk // config.requantisers
    end, left = _FIRST_WINDOW, 0
    for size in np.tile(_window_sizes(layer).reshape(-1), layer["input_chunks"]):
        end = max(end + size, left)
        left = end + groups
    return left + Requantiser.latency(config) + 1


class _Convolution:
    """What one convolution does whatever the image."""

    def __init__(self, program, layer):
        self._layer, self._config = layer, program.config
        config, readers = program.config, program.config.pes * program.config.rows
        lists = [None] * readers
        for section in program.sections:
            if section.target is Target.COEFFICIENT and section.address == layer["coefficient_base"]:
                lists[section.index] = [words for words, _ in decode_lists(section.data, config)]
        self._counts = np.array([[len(words) for words in reader] for reader in lists]).T.copy()
        sizes = self._counts.T.reshape(-1)
        self._word_start = (np.cumsum(sizes) - sizes).reshape(readers, -1).T.copy()
        words = [word for reader in lists for passed in reader for word in passed]
        self._chunk = np.array([word.chunk for word in words])
        self._map = np.array([word.map for word in words], np.uint64)
        self._last = np.array([word.last for word in words], np.bool_)
        first = np.arange(layer["passes"]) // layer["input_repeat"] * layer["input_pass"]
        # Chunks count from the first that a pass is fed.
        self._place = self._chunk + np.repeat(np.tile(first, readers), sizes)
        # The words of one z follow one another.
        self._z = np.cumsum(self._last) - self._last
        lanes = np.arange(config.chunk, dtype=np.uint64)
        nonzero = (self._map[:, None] >> lanes & np.uint64(1)).astype(np.int32)
        negative = np.array([word.negative for word in words], np.uint64)[:, None] >> lanes & np.uint64(1)
        chunks = layer["input_chunks"] + first[-1]
        coefficients = np.zeros((self._z[-1] + 1, chunks, config.chunk), np.int32)
        coefficients[self._z, self._place] = nonzero - 2 * negative.astype(np.int32)
        self._coefficients = coefficients.reshape(len(coefficients), -1)

    def cycles(self, fed):
        """Cycles from the start until nothing is busy; ``fed`` as ``ActivationBanks.fed`` gives it."""
        layer, config = self._layer, self._config
        nonzero = nonzero_sums(fed.reshape(len(fed), -1), self._coefficients)
        # Classes of rows walk pixels of their own.
        pixel_step = config.classes if layer["blocks"] else 1
        rows = np.arange(config.pes * config.rows) % config.rows
        turned = (2 * layer["last_upper"] + layer["last_left"]) % config.classes
        walk = (rows % pixel_step ^ turned, pixel_step)

        concentrates = config.accumulation == "concentration"
        tokens, token_start = make_tokens(nonzero, self._counts, self._word_start, self._z, self._last, *walk)
        if concentrates:
            bits = np.uint64(1) << np.arange(config.chunk, dtype=np.uint64)
            masks = ((fed != 0) * bits).sum(axis=2, dtype=np.uint64)
            matches = pack_matches(masks, self._counts, self._word_start, self._place, self._map, *walk)
            tokens += (_steps(matches, config) - 1) << STEPS_SHIFT
        own = bool(layer["basis_own"])
        shape = (
            config.pes,
            config.rows,
            config.classes,
            config.ring,
            config.z_fifo,
            config.output_fifo,
            int(concentrates),
            int(not concentrates and config.chunk > 8),
            Requantiser.latency(config),
            config.ring_unseen,
        )
        geometry = [
            *(layer[name] for name in ("input_chunks", "pixels", "blocks")),
            turned,
            *(layer[name] for name in ("side_by_side", "height", "width", "line", "drain")),
            *(layer[name] for name in ("output_height", "output_width")),
        ]
        limit = 10_000 + 64 * (len(tokens) + layer["passes"] * len(fed) * (fed.shape[1] + config.line))
        cycles = convolution_cycles(
            tokens,
            token_start,
            self._chunk,
            self._word_start,
            self._counts,
            own,
            layer["basis_count"] * (config.pes if own else 1),
            layer["groups"],
            np.array(geometry),
            np.array(shape),
            limit,
        )
        if cycles < 0:
            raise RuntimeError(f"expected a layer to end within {limit} cycles, got one that waits for ever")
        return cycles


def _steps(matches, config):
    """Cycles of concentration, uint16, for matches packed as bits: those of the component's model."""
    if config.chunk <= _TABLE_WIDTH:
        return _steps_table(config)[matches]
    patterns, places = np.unique(matches, return_inverse=True)
    return _model_steps(patterns, config)[places]


@cache
def _steps_table(config):
    return _model_steps(np.arange(1 << config.chunk, dtype=np.uint64), config)


def _model_steps(patterns, config):
    match = patterns[:, None] >> np.arange(config.chunk, dtype=np.uint64) & np.uint64(1)
    number = np.arange(len(match))
    # The basis, which travels with every step, tells of which pattern it is.
    tag = {"basis": number, "last": 0 * number, "end": 0 * number}
    steps = Concentration.model(config, {"values": match, "match": match, "negative": 0 * match, "tag": tag})
    return np.bincount(steps["tag"]["basis"]).astype(np.uint16)
