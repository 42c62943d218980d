"""Tokens of the cycle model: all that the data of a layer means to its queues."""

import numpy as np
from numba import njit

__all__ = ["EMIT", "END", "NONZERO", "STEPS_SHIFT", "VALID", "make_tokens", "pack_matches"]

#: Bits of a token, a coefficient word that meets a pixel: it is there; it gives a ``z`` to the end of its row; that is not
#: zero; it ends the pixel. The steps of concentration lie above them.
VALID, EMIT, NONZERO, END = 1, 2, 4, 8
STEPS_SHIFT = 4


@njit(cache=True)
def make_tokens(nonzero, counts, word_start, word_z, word_last):
    """Tokens of all rows and where those of each row start; they lie by row, pass, pixel, word, and take one step each.

    Parameters
    ----------
    nonzero : bool array [z, pixels]
    counts, word_start : int array [passes, rows of all PEs]
        Length of each list, and where its words lie in the following arrays.
    word_z, word_last : arrays [words]
        The ``z`` of a word, and whether it is the last of it.
    """
    passes, readers = counts.shape
    pixels = nonzero.shape[1]
    starts = np.zeros(readers, np.int64)
    tokens = np.empty(counts.sum() * pixels, np.uint16)
    at = 0
    for reader in range(readers):
        starts[reader] = at
        for number in range(passes):
            first = word_start[number, reader]
            end = first + counts[number, reader]
            for pixel in range(pixels):
                for word in range(first, end):
                    token = VALID | 1 << STEPS_SHIFT
                    if word == end - 1:
                        token |= END | EMIT
                    if word_last[word] and nonzero[word_z[word], pixel]:
                        token |= NONZERO | EMIT
                    tokens[at] = token
                    at += 1
    return tokens, starts


@njit(cache=True)
def pack_matches(masks, counts, word_start, word_chunk, word_map):
    """Matches of every token at the packed places of its chunk, uint64, in the order of ``make_tokens``.

    Parameters
    ----------
    masks : uint64 array [chunks, pixels]
        Activations that are not zero.
    word_chunk, word_map : arrays [words]
        Chunk and uint64 coefficients of a word.
    """
    passes, readers = counts.shape
    pixels = masks.shape[1]
    matches = np.empty(counts.sum() * pixels, np.uint64)
    one, at = np.uint64(1), 0
    for reader in range(readers):
        for number in range(passes):
            first = word_start[number, reader]
            end = first + counts[number, reader]
            for pixel in range(pixels):
                for word in range(first, end):
                    mask = masks[word_chunk[word], pixel]
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
