"""Coefficient words of a layer as arrays, and the steps that concentration takes for them."""

from functools import cache

import numpy as np
from numba import njit

from hw.concentration import column_offsets

from .lanes import called

__all__ = [
    "CUT_STEPS",
    "TABLE_WIDTH",
    "cut_table",
    "decode_words",
    "list_terms",
    "pattern_steps",
    "steps_of",
]

#: Widest chunk for which the steps of every pattern of matches are kept.
TABLE_WIDTH = 16
#: Where the steps of patterns lie in ``cut_table``.
CUT_STEPS = 1 << 17


@njit(cache=True, nogil=True)
def decode_words(data, starts, passes, chunk_bits, basis_bits, lane_bytes):
    """What ``sw.records.encode_list`` wrote for all rows of a layer.

    Parameters
    ----------
    data : uint8 array
    starts : int array [rows + 1]
        Where the bytes of each row start and end.
    passes, chunk_bits, basis_bits : int
    lane_bytes : int
        Bytes of one bit for each lane of a chunk.

    Returns
    -------
    lists : int64 array [rows, passes, 4]
        Of each list, its first word, how many it has, its first ``z``, how many it has.
    of_z : int64 array [z]
        Words of each ``z``; all those of a pass lie together.
    chunk : int64 array [words]
    nonzero, negative : uint64 array [words]
    """
    control_bytes = (chunk_bits + basis_bits + 8) // 8
    rows = len(starts) - 1
    lists = np.zeros((rows, passes, 4), np.int64)
    most = len(data) // (control_bytes + lane_bytes)
    chunk, last = np.zeros(most, np.int64), np.zeros(most, np.bool_)
    nonzero, negative = np.zeros(most, np.uint64), np.zeros(most, np.uint64)
    word = 0
    for row in range(rows):
        at = starts[row]
        for number in range(passes):
            count = data[at] | np.int64(data[at + 1]) << 8
            at += 2
            lists[row, number, 0], lists[row, number, 1] = word, count
            for _ in range(count):
                control = 0
                for byte in range(control_bytes):
                    control |= np.int64(data[at + byte]) << 8 * byte
                at += control_bytes
                lanes = np.uint64(0)
                for byte in range(lane_bytes):
                    lanes |= np.uint64(data[at + byte]) << np.uint64(8 * byte)
                at += lane_bytes
                chunk[word] = control & (1 << chunk_bits) - 1
                last[word] = control >> chunk_bits + basis_bits
                nonzero[word] = lanes
                lists[row, number, 3] += last[word]
                signs, left = 0, lanes
                while left:
                    if data[at + signs // 8] >> (signs & 7) & 1:
                        negative[word] |= left & ~(left - np.uint64(1))
                    left &= left - np.uint64(1)
                    signs += 1
                at += (signs + 7) // 8
                word += 1
    total = 0
    for number in range(passes):
        for row in range(rows):
            lists[row, number, 2] = total
            total += lists[row, number, 3]
    of_z = np.zeros(total, np.int64)
    for row in range(rows):
        for number in range(passes):
            first, count, z, _ = lists[row, number]
            for index in range(first, first + count):
                of_z[z] += 1
                z += last[index]
    return lists, of_z, chunk[:word], nonzero[:word], negative[:word]


@njit(cache=True, nogil=True)
def list_terms(lists, of_z, chunk, nonzero, negative, lanes):
    """The channels that each ``z`` adds, then those that it subtracts, among those that its pass is fed.

    ``lanes`` is the number of channels of a chunk; the other parameters are as ``decode_words`` gives them.

    Returns
    -------
    terms : int64 array [z, 3]
        Of each ``z``, where its channels begin, where those that are subtracted begin, where they end.
    channels : int64 array
    """
    total = 0
    for mask in nonzero:
        while mask:
            mask &= mask - np.uint64(1)
            total += 1
    terms, channels = np.zeros((len(of_z), 3), np.int64), np.empty(total, np.int64)
    at = 0
    for row in range(lists.shape[0]):
        for number in range(lists.shape[1]):
            word, _, z, count = lists[row, number]
            for index in range(z, z + count):
                for subtracted in range(2):
                    terms[index, subtracted] = at
                    for each in range(word, word + of_z[index]):
                        left = nonzero[each] & (negative[each] if subtracted else ~negative[each])
                        channel = chunk[each] * lanes
                        while left:
                            if left & np.uint64(1):
                                channels[at] = channel
                                at += 1
                            left >>= np.uint64(1)
                            channel += 1
                terms[index, 2] = at
                word += of_z[index]
    return terms, channels


@njit(cache=True, nogil=True)
def pattern_steps(pattern, chunk, lanes, lookahead, table, at, count):
    """Cycles of concentration for the packed positions that match; ``count`` offsets of columns lie in the table."""
    full = np.uint64((1 << lanes) - 1 if lanes < 64 else -1)
    steps = 0
    left = np.zeros(chunk // lanes, np.uint64)
    width = np.uint64(lanes)
    first = 0
    for step in range(len(left)):
        left[step] = pattern >> np.uint64(step) * width & full
    while True:
        while first < len(left) and left[first] == 0:
            first += 1
        if first == len(left):
            return max(steps, 1)
        steps += 1
        free = full
        for number in range(at, at + count):
            # A lane looks at the column at this offset.
            by = np.uint64(table[number] % lanes)
            for step in range(first, min(first + lookahead + 1, len(left))):
                seen = (left[step] >> by | left[step] << width - by) & full if by else left[step]
                taken = seen & free
                free &= ~taken
                left[step] &= ~((taken << by | taken >> width - by) & full if by else taken)


@cache
def cut_table(config):
    """What concentration needs, int64; nothing for other configurations.

    First, for each byte ``mask`` and ``bits``, at ``2 * (mask << 8 | bits)``: the bits under the mask, moved to the front, and how
    many bits the mask has. From ``CUT_STEPS`` on the steps of every pattern, or, for wide chunks, the offsets of columns.
    """
    if config.accumulation != "concentration":
        return np.zeros(0, np.int64)
    offsets = np.array(column_offsets(config))
    masks, bits = np.divmod(np.arange(1 << 16), 256)
    packed, place = np.zeros(1 << 16, np.int64), np.zeros(1 << 16, np.int64)
    for bit in range(8):
        packed |= (bits >> bit & masks >> bit & 1) << place
        place += masks >> bit & 1
    if config.chunk <= TABLE_WIDTH:
        offsets = _all_steps(config.chunk, config.lanes, config.lookahead, offsets)
    return np.concatenate([np.stack([packed, place], axis=1).reshape(-1), offsets])


@njit(cache=True, nogil=True)
def _all_steps(chunk, lanes, lookahead, offsets):
    table = np.zeros(1 << chunk, np.int64)
    for pattern in range(len(table)):
        table[pattern] = pattern_steps(np.uint64(pattern), chunk, lanes, lookahead, offsets, 0, len(offsets))
    return table


@called
def steps_of(mask, coefficients, walk, cut):
    """Steps of concentration for the coefficients of a word and the activations of a chunk, as masks; ``walk`` says how rows concentrate."""
    if mask & coefficients == 0:
        return 1
    packed, place = 0, 0
    for shift in range(0, walk.width, 8):
        byte = mask >> shift & 255
        index = 2 * (byte << 8 | byte & coefficients >> shift)
        packed |= cut[index] << place
        place += cut[index + 1]
    if walk.width <= TABLE_WIDTH:
        return cut[CUT_STEPS + packed]
    return pattern_steps(
        np.uint64(packed), walk.width, walk.lanes, walk.lookahead, cut, CUT_STEPS, walk.offsets
    )
