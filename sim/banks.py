"""Activation memory in numpy: tensors where the program places them, and what of it is fed to a layer."""

import numpy as np
from numba import njit

from hw.formats import Bank

__all__ = ["ActivationBanks"]


class ActivationBanks:
    """The three banks of some images, empty at first, with the tensors that a run has stored so far."""

    def __init__(self, config, images):
        self._words = np.zeros((images, len(Bank), config.activation_words, config.chunk), np.uint8)

    def store(self, place, tensors, holes):
        """Write tensors [images, C, H, W] in the network's order of channels, as their ``Placement`` says.

        ``holes`` has the values of the slots without a channel, as ``sim.holes.hole_values`` gives them.
        """
        _store(
            self._words[:, place.bank.value],
            tensors,
            np.array(place.order),
            holes,
            (place.base, place.row, place.pixel, place.slot),
        )

    def fed(self, layer, with_masks=False):
        """What the passes of a descriptor are fed, all those of any pass, as ``hw.feeder.Feeder.model`` gives it.

        Returns
        -------
        float32 array [images, pixels of a pass, channels]
        uint64 array [images, pixels of a pass, chunks]
            Channels of a chunk that are not zero; no chunks if not ``with_masks``.
        """
        chunks = layer["input_chunks"] + (layer["passes"] - 1) // layer["input_repeat"] * layer["input_pass"]
        size = 2 if layer["squares"] else 1
        images, lanes = len(self._words), self._words.shape[3]
        pixels = layer["height"] * layer["width"] * size * size
        values = np.zeros((images, pixels, chunks * lanes), np.float32)
        masks = np.zeros((images, pixels, chunks if with_masks else 0), np.uint64)
        fields = (
            *("input_base", "input_row", "input_pixel", "input_lanes", "input_signed", "squares"),
            *("height", "width", "map_height", "map_width"),
        )
        _feed(
            self._words[:, layer["input_bank"]], chunks, tuple(layer[name] for name in fields), values, masks
        )
        return values, masks


@njit(cache=True, nogil=True)
def _store(words, tensors, order, holes, place):
    base, row_step, pixel_step, slot = place
    images, _, height, width = tensors.shape
    lanes = words.shape[2]
    for image in range(images):
        for at in range(len(order)):
            chunk, lane = divmod(slot + at, lanes)
            for row in range(height):
                address = base + row * row_step + chunk
                for column in range(width):
                    value = tensors[image, order[at], row, column] if order[at] >= 0 else holes[at]
                    words[image, address, lane] = value & 0xFF
                    address += pixel_step


@njit(cache=True, nogil=True)
def _feed(words, chunks, fields, values, masks):
    base, row_step, pixel_step, last_lanes, is_signed, squares, height, width, rows, columns = fields
    lanes, size = words.shape[2], 2 if squares else 1
    for image in range(len(words)):
        pixel = -1
        for place in range(height * width * size * size):
            pixel += 1
            position, part = divmod(place, size * size)
            row = position // width * size + part // size
            column = position % width * size + part % size
            if squares and (row >= rows or column >= columns):
                continue
            address = (base + row * row_step + column * pixel_step) % words.shape[1]
            for chunk in range(chunks):
                word = words[image, (address + chunk) % words.shape[1]]
                mask = np.uint64(0)
                for lane in range(last_lanes if chunk == chunks - 1 else lanes):
                    value = word[lane]
                    if value:
                        mask |= np.uint64(1) << np.uint64(lane)
                        values[image, pixel, chunk * lanes + lane] = (
                            np.int64(value) - 256 if is_signed and value > 127 else value
                        )
                if masks.shape[2]:
                    masks[image, pixel, chunk] = mask
