"""The times of one row: what meets its chunk when, what of it comes to the FIFO of ``z``, when it is seen there.

What a row does follows from sums and maxima of times:

- ``g``, when a word could meet its chunk if nothing behind it ever waited: one after the last, after the chunk has been
  written to the ring, and, with concentration, when there is room for another chunk before the steps.
- ``a``, when a step enters the register behind the adders: after the one before, after ``g`` and the stages between,
  and when the last ``z`` that went on left that register. A pipeline that moves whenever what is before it is free
  does as a queue with a place for each stage: a word meets its chunk at ``g``, or at the ``a`` of the step that many before.
- The closer and the FIFO of ``z``: each after the one before, and after there was room.

All is worked out as soon as what it follows from is known, which may be long before its time.

A row has its next coefficient word in every cycle within a pass. Between passes a header follows the last word, word ``n``,
when that enters the skid buffer, which it does when word ``n - 2`` has been taken, or as fast as words come.
"""

from collections import namedtuple

import numpy as np
from numba import njit

from .cycle_words import CUT_STEPS, TABLE_WIDTH, pattern_steps

__all__ = [
    "AWAITS",
    "END",
    "FRONT",
    "FRONT_AT",
    "NEVER",
    "NONZERO",
    "SHARE",
    "Walk",
    "new_row",
    "power",
    "row_places",
    "run_row",
    "stages",
    "take_z",
]

#: Cycles from the start until a row has its first coefficient word: PE, header (3), word (3), skid buffer.
_FIRST_WORD = 8
#: Cycles from a header's way into the skid buffer to the first word of its pass.
_NEXT_PASS = 5
#: Stages from the match of a word to the register behind the adders: dilution, adders, register; one more if the tree is cut.
_TREE_STAGES = 3
#: With concentration: dilution and the chunk that is held; then adders and register behind each step.
_BEFORE_STEPS, _BEHIND_STEPS = 2, 2

#: Later than all.
NEVER = 1 << 60
#: Flags of a ``z``.
NONZERO, END = 1, 2

#: How all rows walk: pixels of a pass, how far apart; chunks of one, from one to the next; stages before the register behind
#: the adders; whether rows concentrate, and how; depth of the FIFO of ``z``; passes; where ``of_z`` and words lie in what
#: ``cycle_words.pack_words`` gives; how far apart pixels lie among flags of ``z`` and among masks; offsets of columns.
Walk = namedtuple(
    "Walk",
    "pixels step chunks chunk_step stages concentrates width lanes lookahead depth ring_mask "
    "passes of_z words word_step z_step mask_step offsets",
)
#: Where things lie in memory behind the fields of a row, and masks of their numbers. Of each ``z``: steps, the first of them, ``g`` of the
#: last, ``a`` of the first, flags. Of each pixel: ``g`` of its last word, the step that must have entered the last register. Of what is in the
#: FIFO: when it was written, flags. When ``z`` came to its front.
Places = namedtuple("Places", "z z_mask pixel pixel_mask queue front queue_mask size")

# The next word: pass, pixel, word, z and word of that; where its pixel is fed, its first chunk. Whether it waits for a header,
# when that pass could begin, and what must have happened: g of a word, the step before it.
(_PASS, _PIXEL, _WORD, _Z, _Z_WORD, _PLACE, _BASE, _WAITS, _AVAILABLE, _PASS_G, _PASS_STEP) = range(11)
# g of the last words; steps so far, and of the last words; when the last step of each was made.
(_G, _G1, _G2, _STEPS, _S1, _S2, _S3, _S4, _S5, _U, _U1, _U2) = range(11, 23)
# z that have a g, and an a; the last a, its step; when the last z that went on left the register; the flags of one that could not.
(_MATCHED, _ADDED, _A, _ENTERED, _LEFT, _STUCK) = range(23, 29)
# What the closer holds, since when, and when it gave up the last. Of the FIFO: z written, taken, when the last of these was.
(_HELD, _HELD_AT, _CLOSED_AT, _WRITTEN, _TAKEN, _TAKEN_AT) = range(29, 35)
# Flags of what is in front, when it is seen. Pixels that have a g, and that were released. Pixels ended of the present square.
(FRONT, FRONT_AT, _PIXELS, _RELEASED, SHARE) = range(35, 40)
# Its number; where the releases of all rows that see the same pixels are kept: how many rows are left, when the last was. A chunk
# that must be written before anything goes on.
(_READER, _POOL, AWAITS) = range(40, 43)
_FIELDS = 43


@njit(cache=True, nogil=True)
def stages(concentrates, halfway):
    """Stages of a row from a match to the register behind the adders, whose tree may be cut halfway."""
    return _BEFORE_STEPS + 1 + _BEHIND_STEPS if concentrates else _TREE_STAGES + halfway


@njit(cache=True, nogil=True)
def power(least):
    """The power of two that is at least that."""
    found = 1
    while found < least:
        found *= 2
    return found


@njit(cache=True, nogil=True)
def row_places(ahead, most_z, depth):
    """``Places`` for rows that are at most so many pixels ahead of the slowest, of so many ``z`` each."""
    zs, pixels, queue = power(ahead * most_z + 16), power(2 * ahead), power(depth + 1)
    pixel = _FIELDS + 5 * zs
    front = pixel + 2 * pixels + 2 * queue
    return Places(_FIELDS, zs - 1, pixel, pixels - 1, pixel + 2 * pixels, front, queue - 1, front + queue)


@njit(cache=True, nogil=True)
def new_row(m, r, reader, number, chunks, pool):
    """State before the first cycle of a row that begins with that pixel."""
    m[r + _READER], m[r + _POOL] = reader, pool
    m[r + _PLACE] = number
    m[r + _BASE] = number * chunks
    m[r + _AVAILABLE] = _FIRST_WORD
    m[r + _G] = _FIRST_WORD - 1
    m[r + FRONT_AT] = NEVER


@njit(cache=True, nogil=True, forceinline=True)
def _to_front(m, r, places, depth, at, flags):
    """Those before have been taken: when a ``z`` that was written is seen."""
    if depth > 1:
        at = max(at + 1, m[r + _TAKEN_AT])
        m[r + places.front + (m[r + _TAKEN] & places.queue_mask)] = at
    m[r + FRONT] = flags
    m[r + FRONT_AT] = at + 1


@njit(cache=True, nogil=True, forceinline=True)
def _write_z(m, r, places, depth, at, flags):
    number = m[r + _WRITTEN]
    m[r + _WRITTEN] = number + 1
    if m[r + _TAKEN] == number:
        _to_front(m, r, places, depth, at, flags)
    else:
        z = r + places.queue + 2 * (number & places.queue_mask)
        m[z], m[z + 1] = at, flags


@njit(cache=True, nogil=True, forceinline=True)
def take_z(m, r, places, depth, cycle):
    """The multipliers take what is in front; whether the row waits for that."""
    number = m[r + _TAKEN] + 1
    m[r + _TAKEN] = number
    m[r + _TAKEN_AT] = cycle
    if number < m[r + _WRITTEN]:
        z = r + places.queue + 2 * (number & places.queue_mask)
        _to_front(m, r, places, depth, m[z], m[z + 1])
    else:
        m[r + FRONT_AT] = NEVER
    return m[r + _STUCK] != 0 or m[r + _HELD] & END != 0


@njit(cache=True, nogil=True, forceinline=True)
def _room_for_z(m, r, places, depth):
    """First cycle in which the next ``z`` may enter the FIFO, -1 if that is not known."""
    number = m[r + _WRITTEN] - (depth - 1)
    if number > m[r + _TAKEN]:
        return -1
    if depth == 1:
        return m[r + _TAKEN_AT] + 1
    return m[r + places.front + (number & places.queue_mask)] + 1 if number >= 0 else 0


@njit(cache=True, nogil=True, forceinline=True)
def _entered(m, r, places, step):
    """When a step entered the register behind the adders, as far as it can matter to words that follow."""
    if step <= 0:
        return 0
    number = m[r + _ADDED] - 1
    z = r + places.z + 5 * (number & places.z_mask)
    while m[z + 1] > step:
        number -= 1
        z = r + places.z + 5 * (number & places.z_mask)
    return m[z + 3] + step - m[z + 1]


@njit(cache=True, nogil=True, forceinline=True)
def _release(m, r, places):
    """Pixels whose last word has met its chunk; whether all rows have released one."""
    freed = False
    while m[r + _RELEASED] < m[r + _PIXELS]:
        pixel = r + places.pixel + 2 * (m[r + _RELEASED] & places.pixel_mask)
        if m[pixel + 1] > m[r + _ENTERED]:
            break
        at = max(m[pixel], _entered(m, r, places, m[pixel + 1]))
        m[r + _RELEASED] += 1
        place = m[r + _POOL] + 2 * (m[r + _RELEASED] & places.pixel_mask)
        m[place] -= 1
        m[place + 1] = max(m[place + 1], at)
        freed |= m[place] == 0
    return freed


@njit(cache=True, nogil=True, forceinline=True)
def _add(m, r, places, walk):
    """Everything behind the matches, as far as it is known; whether all rows have released a pixel."""
    depth = walk.depth
    freed = _release(m, r, places)
    while True:
        if m[r + _HELD] & END:
            room = _room_for_z(m, r, places, depth)
            if room < 0:
                return freed
            m[r + _CLOSED_AT] = max(m[r + _HELD_AT] + 1, room)
            _write_z(m, r, places, depth, m[r + _CLOSED_AT], m[r + _HELD])
            m[r + _HELD] = 0
        if m[r + _STUCK]:
            if m[r + _HELD]:
                # The next one tells the closer whether what it holds ends the pixel.
                room = _room_for_z(m, r, places, depth)
                if room < 0:
                    return freed
                m[r + _CLOSED_AT] = max(m[r + _A] + 1, room)
                merges = m[r + _STUCK] & NONZERO == 0
                _write_z(m, r, places, depth, m[r + _CLOSED_AT], m[r + _HELD] | (END if merges else 0))
                m[r + _HELD] = 0 if merges else m[r + _STUCK]
            else:
                m[r + _HELD] = m[r + _STUCK]
            m[r + _LEFT] = m[r + _HELD_AT] = max(m[r + _A] + 1, m[r + _CLOSED_AT])
            m[r + _STUCK] = 0
        elif m[r + _ADDED] < m[r + _MATCHED]:
            z = r + places.z + 5 * (m[r + _ADDED] & places.z_mask)
            m[r + _ADDED] += 1
            m[z + 3] = max(m[r + _A] + 1, m[r + _LEFT])
            m[r + _A] = max(m[z + 3] + m[z] - 1, m[z + 2])
            m[r + _ENTERED] += m[z]
            m[r + _STUCK] = m[z + 4]
            freed |= _release(m, r, places)
        else:
            return freed


@njit(cache=True, nogil=True, forceinline=True)
def run_row(m, r, places, walk, ring, written, w, nonzero, masks, cut):
    """Work out all that follows from what is known; whether all rows have released a pixel."""
    freed = False
    while True:
        _match(m, r, places, walk, ring, written, w, nonzero, masks, cut)
        freed |= _add(m, r, places, walk)
        if not m[r + _WAITS] or m[r + _PASS_STEP] > m[r + _ENTERED]:
            return freed
        taken = max(m[r + _PASS_G], _entered(m, r, places, m[r + _PASS_STEP]))
        m[r + _AVAILABLE] = max(m[r + _AVAILABLE], taken + 1) + _NEXT_PASS
        m[r + _G] = max(m[r + _G], m[r + _AVAILABLE] - 1)
        m[r + _WAITS] = 0


@njit(cache=True, nogil=True, forceinline=True)
def _match(m, r, places, walk, ring, written, w, nonzero, masks, cut):
    """All words whose chunks are known to be written."""
    ring_mask, passes = walk.ring_mask, walk.passes
    m[r + AWAITS] = NEVER
    while m[r + _PASS] < passes and not m[r + _WAITS]:
        list_ = 4 * (m[r + _READER] * passes + m[r + _PASS])
        first_word, word_count, first_z, z_count = w[list_], w[list_ + 1], w[list_ + 2], w[list_ + 3]
        place, base = m[r + _PLACE], m[r + _BASE]
        if (
            not walk.concentrates
            and m[r + _WORD] == 0
            and m[r + _PIXEL] < walk.pixels - 3
            and base + walk.chunks <= written
            and m[ring + (base + walk.chunks - 1 & ring_mask)] <= m[r + _G]
        ):
            # All chunks are there: only the number of words matters.
            g, steps, number = m[r + _G], m[r + _STEPS], m[r + _MATCHED]
            for index in range(first_z, first_z + z_count):
                z = r + places.z + 5 * (number & places.z_mask)
                number += 1
                m[z] = w[walk.of_z + index]
                m[z + 1] = steps + 1
                steps += m[z]
                g += m[z]
                m[z + 2] = g + walk.stages
                m[z + 4] = nonzero[place * walk.z_step + index]
            m[z + 4] |= END
            m[r + _MATCHED] = number
            m[r + _G], m[r + _STEPS] = g, steps
        else:
            while m[r + _WORD] < word_count:
                word = first_word + m[r + _WORD]
                chunk = base + w[walk.words + word]
                if chunk >= written:
                    m[r + AWAITS] = chunk
                    return
                g = max(m[r + _G], m[ring + (chunk & ring_mask)]) + 1
                steps = 1
                if walk.concentrates:
                    g = max(g, m[r + _U2])
                    steps = _steps(
                        masks[place * walk.mask_step + w[walk.words + walk.word_step + word]],
                        w[walk.words + 2 * walk.word_step + word],
                        walk,
                        cut,
                    )
                    m[r + _U2], m[r + _U1] = m[r + _U1], m[r + _U]
                    m[r + _U] = max(m[r + _U], g + _BEFORE_STEPS) + steps
                m[r + _G2], m[r + _G1], m[r + _G] = m[r + _G1], m[r + _G], g
                m[r + _S5], m[r + _S4], m[r + _S3], m[r + _S2], m[r + _S1] = (
                    m[r + _S4],
                    m[r + _S3],
                    m[r + _S2],
                    m[r + _S1],
                    steps,
                )
                z = r + places.z + 5 * (m[r + _MATCHED] & places.z_mask)
                if m[r + _Z_WORD] == 0:
                    m[z] = 0
                    m[z + 1] = m[r + _STEPS] + 1
                m[z] += steps
                m[r + _STEPS] += steps
                m[r + _WORD] += 1
                m[r + _Z_WORD] += 1
                index = first_z + m[r + _Z]
                if m[r + _Z_WORD] == w[walk.of_z + index]:
                    m[z + 2] = m[r + _U] + _BEHIND_STEPS if walk.concentrates else g + walk.stages
                    m[z + 4] = nonzero[place * walk.z_step + index] | (
                        END if m[r + _WORD] == word_count else 0
                    )
                    m[r + _Z] += 1
                    m[r + _Z_WORD] = 0
                    m[r + _MATCHED] += 1
        _end_pixel(m, r, places, word_count, walk)


@njit(cache=True, nogil=True, forceinline=True)
def _end_pixel(m, r, places, word_count, walk):
    """The next word is that of another pixel."""
    pixel = r + places.pixel + 2 * (m[r + _PIXELS] & places.pixel_mask)
    m[r + _PIXELS] += 1
    m[pixel] = m[r + _G]
    if walk.concentrates:
        m[pixel + 1] = m[r + _STEPS] - m[r + _S1] - m[r + _S2] - m[r + _S3] - _BEHIND_STEPS
    else:
        m[pixel + 1] = m[r + _STEPS] - walk.stages
    m[r + _WORD] = m[r + _Z] = 0
    m[r + _BASE] += walk.chunk_step
    m[r + _PIXEL] += 1
    m[r + _PLACE] += walk.step
    if m[r + _PIXEL] == walk.pixels:
        m[r + _PIXEL] = 0
        m[r + _PLACE] -= walk.pixels * walk.step
        m[r + _PASS] += 1
        m[r + _AVAILABLE] += walk.pixels * word_count - 2
        m[r + _PASS_G] = m[r + _G2]
        m[r + _PASS_STEP] = m[pixel + 1] - (m[r + _S4] + m[r + _S5] if walk.concentrates else 2)
        m[r + _WAITS] = 1


@njit(cache=True, nogil=True)
def _steps(mask, nonzero, walk, cut):
    """Steps of concentration for the coefficients of a word and the activations of a chunk."""
    if mask & nonzero == 0:
        return 1
    packed, place = 0, 0
    for shift in range(0, walk.width, 8):
        byte = mask >> shift & 255
        index = 2 * (byte << 8 | byte & nonzero >> shift)
        packed |= cut[index] << place
        place += cut[index + 1]
    if walk.width <= TABLE_WIDTH:
        return cut[CUT_STEPS + packed]
    return pattern_steps(
        np.uint64(packed), walk.width, walk.lanes, walk.lookahead, cut, CUT_STEPS, walk.offsets
    )
