"""Which ``z`` of a layer are zero: all sums of activations, worked out before the times."""

import numpy as np
from numba import njit

from .lanes import BITS, bits_of, load_short, pointer, spread

__all__ = ["nonzero_sums"]

#: Pixels whose activations stay in the fastest memory while all sums are made of them.
_BLOCK = 16


@njit(cache=True, nogil=True)
def nonzero_sums(fed, lists, terms, channels, numbers, first_channel):
    """``BITS`` array [z, pixels]: in which images a ``z`` of a pixel that its row makes is not zero.

    Parameters
    ----------
    fed : int16 array [pixels, channels, LANES]
        Activations, an image a lane.
    lists, terms, channels : int64 arrays
        As ``cycle_words.decode_words`` and ``cycle_words.list_terms`` give them.
    numbers : int64 array [rows of a PE]
        The class of pixels that each makes, of ``max(numbers) + 1`` that follow one another.
    first_channel : int64 array [passes]
        The first channel that each is fed, among those of all passes.
    """
    classes, width = numbers.max() + 1, fed.shape[1]
    pixels = len(fed) // classes
    found = np.zeros((len(terms), pixels), BITS)
    activations, added = pointer(fed), pointer(channels)
    for block in range(0, pixels, _BLOCK):
        for row in range(len(lists)):
            number = numbers[row % len(numbers)]
            for pass_ in range(lists.shape[1]):
                for z in range(lists[row, pass_, 2], lists[row, pass_, 2] + lists[row, pass_, 3]):
                    for pixel in range(block, min(block + _BLOCK, pixels)):
                        channel = (pixel * classes + number) * width + first_channel[pass_]
                        total = spread(0)
                        for at in range(terms[z, 0], terms[z, 1]):
                            total += load_short(activations, channel + added[at])
                        for at in range(terms[z, 1], terms[z, 2]):
                            total -= load_short(activations, channel + added[at])
                        found[z, pixel] = bits_of(total)
    return found
