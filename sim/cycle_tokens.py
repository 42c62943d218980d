"""Tokens of the cycle model: all that the data of a layer means to its queues."""

import numpy as np
from numba import njit

__all__ = ["EMIT", "END", "NONZERO", "STEPS_SHIFT", "VALID", "make_tokens", "nonzero_sums", "pack_matches"]

#: Bits of a token, a coefficient word that meets a pixel: it is there; it gives a ``z`` to the end of its row; that is not
#: zero; it ends the pixel. The steps of concentration lie above them.
VALID, EMIT, NONZERO, END = 1, 2, 4, 8
STEPS_SHIFT = 4


@njit(cache=True)
def nonzero_sums(activations, coefficients):
    """Which ``z`` are not zero, bool [pixels, z], of int32 arrays [pixels, channels] and [z, channels]."""
    pixels, channels = activations.shape
    found = np.empty((pixels, len(coefficients)), np.bool_)
    for pixel in range(pixels):
        for z in range(len(coefficients)):
            total = np.int32(0)
            for channel in range(channels):
                total += activations[pixel, channel] * coefficients[z, channel]
            found[pixel, z] = total != 0
    return found


@njit(cache=True)
def make_tokens(nonzero, counts, word_start, word_z, word_last, first_pixel, pixel_step):
    """Tokens of all rows and where those of each row start; they lie by row, pass, pixel, word, and take one step each.

    Parameters
    ----------
    nonzero : bool array [pixels, z]
    counts, word_start : int array [passes, rows of all PEs]
        Length of each list, and where its words lie in the following arrays.
    word_z, word_last : arrays [words]
        The ``z`` of a word, and whether it is the last of it.
    first_pixel : int array [rows of all PEs]
        A row walks every ``pixel_step``-th pixel from that one on.
    """
    passes, readers = counts.shape
    pixels = len(nonzero)
    starts = np.zeros(readers, np.int64)
    tokens = np.empty(counts.sum() * (pixels // pixel_step), np.uint16)
    at = 0
    for reader in range(readers):
        starts[reader] = at
        for number in range(passes):
            first = word_start[number, reader]
            end = first + counts[number, reader]
            for pixel in range(first_pixel[reader], pixels, pixel_step):
                for word in range(first, end):
                    token = VALID | 1 << STEPS_SHIFT
                    if word == end - 1:
                        token |= END | EMIT
                    if word_last[word] and nonzero[pixel, word_z[word]]:
                        token |= NONZERO | EMIT
                    tokens[at] = token
                    at += 1
    return tokens, starts


@njit(cache=True)
def pack_matches(masks, counts, word_start, word_chunk, word_map, first_pixel, pixel_step):
    """Matches of every token at the packed places of its chunk, uint64, in the order of ``make_tokens``.

    Parameters
    ----------
    masks : uint64 array [pixels, chunks]
        Activations that are not zero.
    word_chunk, word_map : arrays [words]
        Chunk, of all of the pixel, and uint64 coefficients of a word.
    first_pixel, pixel_step
        As above.
    """
    passes, readers = counts.shape
    pixels = len(masks)
    matches = np.empty(counts.sum() * (pixels // pixel_step), np.uint64)
    one, at = np.uint64(1), 0
    for reader in range(readers):
        for number in range(passes):
            first = word_start[number, reader]
            end = first + counts[number, reader]
            for pixel in range(first_pixel[reader], pixels, pixel_step):
                for word in range(first, end):
                    mask = masks[pixel, word_chunk[word]]
                    match = mask & word_map[word]
                    packed, place = np.uint64(0), np.uint64(0)
                    while match:
                        packed |= (match & one) << place
                        place += mask & one
                        match >>= one
                        mask >>= one
                    matches[at] = packed
                    at += 1
    return matches
