"""Activation memory in numpy: tensors where the program places them, and what of it is fed to a layer.

An image is a lane of the last axis, as in ``sim.lanes``.
"""

import numpy as np
from numba import njit

from hw.formats import Bank

from .lanes import LANES, pointer

__all__ = ["ActivationBanks"]


class ActivationBanks:
    """The three banks of at most ``LANES`` images, empty at first, with the tensors that a run has stored so far."""

    def __init__(self, config):
        self._words = np.zeros((len(Bank), config.activation_words, config.chunk, LANES), np.uint8)

    def store(self, place, tensors, holes):
        """Write tensors [images, C, H, W] in the network's order of channels, as their ``Placement`` says.

        ``holes`` has the values of the slots without a channel, as ``sim.holes.hole_values`` gives them.
        """
        _store(
            self._words[place.bank.value],
            tensors,
            np.array(place.order),
            holes,
            (place.base, place.row, place.pixel, place.slot),
        )

    def fed(self, layer, with_masks=False):
        """What the passes of a descriptor are fed, all those of any pass, as ``hw.feeder.Feeder.model`` gives it.

        Returns
        -------
        int16 array [pixels of a pass, channels, LANES]
        int64 array [pixels of a pass, chunks, LANES]
            Channels of a chunk that are not zero; no chunks if not ``with_masks``.
        """
        chunks = layer["input_chunks"] + (layer["passes"] - 1) // layer["input_repeat"] * layer["input_pass"]
        size = 2 if layer["squares"] else 1
        lanes = self._words.shape[2]
        pixels = layer["height"] * layer["width"] * size * size
        values = np.zeros((pixels, chunks * lanes, LANES), np.int16)
        masks = np.zeros((pixels, chunks if with_masks else 0, LANES), np.int64)
        fields = (
            *("input_base", "input_row", "input_pixel", "input_lanes", "squares"),
            *("height", "width", "map_height", "map_width"),
        )
        words = self._words[layer["input_bank"]].view(np.int8 if layer["input_signed"] else np.uint8)
        _feed(words, chunks, tuple(layer[name] for name in fields), values, masks)
        return values, masks


@njit(cache=True, nogil=True)
def _store(words, tensors, order, holes, place):
    base, row_step, pixel_step, slot = place
    images, _, height, width = tensors.shape
    memory, lanes = pointer(words), words.shape[1]
    for at in range(len(order)):
        channel, hole = order[at], holes[at]
        for row in range(height):
            for column in range(width):
                to = LANES * ((base + row * row_step + column * pixel_step) * lanes + slot + at)
                for image in range(images):
                    memory[to + image] = tensors[image, channel, row, column] if channel >= 0 else hole


@njit(cache=True, nogil=True)
def _feed(words, chunks, fields, values, masks):
    base, row_step, pixel_step, last_lanes, squares, height, width, rows, columns = fields
    lanes, size = words.shape[1], 2 if squares else 1
    for pixel in range(height * width * size * size):
        position, part = divmod(pixel, size * size)
        row = position // width * size + part // size
        column = position % width * size + part % size
        if squares and (row >= rows or column >= columns):
            continue
        address = base + row * row_step + column * pixel_step
        for chunk in range(chunks):
            word = words[(address + chunk) % len(words)].reshape(-1)
            fed = values[pixel, chunk * lanes : (chunk + 1) * lanes].reshape(-1)
            for at in range(LANES * (last_lanes if chunk == chunks - 1 else lanes)):
                fed[at] = word[at]
                if masks.shape[1] and word[at]:
                    masks[pixel, chunk, at % LANES] |= 1 << at // LANES
