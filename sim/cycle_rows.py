"""The times of one row: what meets its chunk when, what of it comes to the FIFO of ``z``, when it is seen there.

What a row does follows from sums and maxima of times:

- ``g``, when a word meets its chunk: one after the last, after the chunk has been written to the ring, when so few ``z`` wait in the
  FIFO that the row goes on, and, with concentration, when there is room for another chunk before the steps.
- Behind that nothing waits, but for steps of concentration: a ``z`` enters the last register a fixed time after its last word
  met its chunk, or after its last step.
- The closer gives a ``z`` to the FIFO when the next one comes, or at once if it ends the pixel.

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
#: Stages from the match of a word to the register behind the adders: adders, register; one more if the tree is cut.
_TREE_STAGES = 2
#: With concentration: dilution and the chunk that is held; then adders and register behind each step.
_BEFORE_STEPS, _BEHIND_STEPS = 2, 2
#: Cycles until the row sees what has been written to the FIFO, or taken from it.
_SEEN_LATER = 2

#: Later than all.
NEVER = 1 << 60
#: Flags of a ``z``.
NONZERO, END = 1, 2

#: How all rows walk: pixels of a pass, how far apart; chunks of one, from one to the next; stages before the register behind
#: the adders, of a tree behind a match, of concentration behind a step; whether rows concentrate, and how; ``z`` that may
#: wait in the FIFO; passes; where ``of_z`` and words lie in what
#: ``cycle_words.pack_words`` gives; how far apart pixels lie among flags of ``z`` and among masks; offsets of columns.
Walk = namedtuple(
    "Walk",
    "pixels step chunks chunk_step stages concentrates width lanes lookahead ahead ring_mask "
    "passes of_z words word_step z_step mask_step offsets",
)
#: Where things lie in memory behind the fields of a row, and masks of their numbers. Of what was
#: written to the FIFO: when, flags. When each was taken. Beside them, the mask of pixels in the pools.
Places = namedtuple("Places", "pixel_mask queue taken queue_mask size")

# The next word: pass, pixel, word, z and word of that; where its pixel is fed, its first chunk.
(_PASS, _PIXEL, _WORD, _Z, _Z_WORD, _PLACE, _BASE) = range(7)
# When words of the pass come; g of the last words; when the last step of each was made.
(_AVAILABLE, _G, _G1, _G2, _U, _U1, _U2) = range(7, 14)
# What the closer holds. Of the FIFO: z written, those of them the row has seen, taken, when the last of these was.
(_HELD, _WRITTEN, _SEEN, _TAKEN, _TAKEN_AT) = range(14, 19)
# Flags of what is in front, when it is seen. Pixels that were released. Pixels ended of the present square.
(FRONT, FRONT_AT, _RELEASED, SHARE) = range(19, 23)
# Its number; where the releases of all rows that see the same pixels are kept: how many rows are left, when the last was. A chunk
# that must be written before anything goes on; whether a z must be taken.
(_READER, _POOL, AWAITS, _FULL) = range(23, 27)
_FIELDS = 27


@njit(cache=True, nogil=True)
def stages(concentrates, cut):
    """Stages of a row to the register behind the adders, whose tree may be cut: from a match, or from the last step of concentration."""
    return (_BEHIND_STEPS if concentrates else _TREE_STAGES) + cut


@njit(cache=True, nogil=True)
def power(least):
    """The power of two that is at least that."""
    found = 1
    while found < least:
        found *= 2
    return found


@njit(cache=True, nogil=True)
def row_places(ahead, z_fifo):
    """``Places`` for rows that are at most so many pixels ahead of the slowest."""
    pixels, queue = power(2 * ahead), power(2 * z_fifo + 16)
    taken = _FIELDS + 2 * queue
    return Places(pixels - 1, _FIELDS, taken, queue - 1, taken + queue)


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
def _to_front(m, r, at, flags):
    """Those before have been taken: when a ``z`` that was written is seen."""
    m[r + FRONT] = flags
    m[r + FRONT_AT] = max(at + 1, m[r + _TAKEN_AT]) + 1


@njit(cache=True, nogil=True, forceinline=True)
def _write_z(m, r, places, at, flags):
    number = m[r + _WRITTEN]
    m[r + _WRITTEN] = number + 1
    if m[r + _TAKEN] == number:
        _to_front(m, r, at, flags)
    z = r + places.queue + 2 * (number & places.queue_mask)
    m[z], m[z + 1] = at, flags


@njit(cache=True, nogil=True, forceinline=True)
def take_z(m, r, places, cycle):
    """The multipliers take what is in front; whether the row waits for that."""
    m[r + places.taken + (m[r + _TAKEN] & places.queue_mask)] = cycle
    number = m[r + _TAKEN] + 1
    m[r + _TAKEN] = number
    m[r + _TAKEN_AT] = cycle
    if number < m[r + _WRITTEN]:
        z = r + places.queue + 2 * (number & places.queue_mask)
        _to_front(m, r, m[z], m[z + 1])
    else:
        m[r + FRONT_AT] = NEVER
    return m[r + _FULL] != 0


@njit(cache=True, nogil=True, forceinline=True)
def _when_room(m, r, places, ahead, g):
    """First cycle from ``g`` on in which the row sees few enough ``z`` in the FIFO, ``NEVER`` if that is not known.

    What is written that early comes of words before this one.
    """
    while True:
        while (
            m[r + _SEEN] < m[r + _WRITTEN]
            and m[r + places.queue + 2 * (m[r + _SEEN] & places.queue_mask)] <= g - _SEEN_LATER
        ):
            m[r + _SEEN] += 1
        number = m[r + _SEEN] - ahead - 1
        if number < 0:
            return g
        if number >= m[r + _TAKEN]:
            return NEVER
        at = m[r + places.taken + (number & places.queue_mask)] + _SEEN_LATER
        if at <= g:
            return g
        g = at


@njit(cache=True, nogil=True, forceinline=True)
def _close(m, r, places, at, flags):
    """A ``z`` that enters the last register at that time goes on to the closer and the FIFO."""
    held = m[r + _HELD]
    if held:
        # The next one tells the closer whether what it holds ends the pixel.
        merges = flags & NONZERO == 0
        _write_z(m, r, places, at + 1, held | (END if merges else 0))
        if merges:
            flags = 0
    if flags & END:
        _write_z(m, r, places, at + 2, flags)
        flags = 0
    m[r + _HELD] = flags


@njit(cache=True, nogil=True, forceinline=True)
def run_row(m, r, places, walk, ring, written, w, nonzero, masks, cut):
    """Work out all that follows from what is known; whether all rows have released a pixel."""
    ring_mask, passes, ahead = walk.ring_mask, walk.passes, walk.ahead
    m[r + AWAITS] = NEVER
    m[r + _FULL] = 0
    freed = False
    while m[r + _PASS] < passes:
        list_ = 4 * (m[r + _READER] * passes + m[r + _PASS])
        first_word, word_count, first_z = w[list_], w[list_ + 1], w[list_ + 2]
        place, base = m[r + _PLACE], m[r + _BASE]
        while m[r + _WORD] < word_count:
            word = first_word + m[r + _WORD]
            chunk = base + w[walk.words + word]
            if chunk >= written:
                m[r + AWAITS] = chunk
                return freed
            g = max(m[r + _G], m[ring + (chunk & ring_mask)]) + 1
            if walk.concentrates:
                g = max(g, m[r + _U2])
            g = _when_room(m, r, places, ahead, g)
            if g == NEVER:
                m[r + _FULL] = 1
                return freed
            at = g
            if walk.concentrates:
                steps = _steps(
                    masks[place * walk.mask_step + w[walk.words + walk.word_step + word]],
                    w[walk.words + 2 * walk.word_step + word],
                    walk,
                    cut,
                )
                m[r + _U2], m[r + _U1] = m[r + _U1], m[r + _U]
                at = m[r + _U] = max(m[r + _U], g + _BEFORE_STEPS) + steps
            m[r + _G2], m[r + _G1], m[r + _G] = m[r + _G1], m[r + _G], g
            m[r + _WORD] += 1
            m[r + _Z_WORD] += 1
            index = first_z + m[r + _Z]
            if m[r + _Z_WORD] == w[walk.of_z + index]:
                flags = nonzero[place * walk.z_step + index] | (END if m[r + _WORD] == word_count else 0)
                if flags:
                    _close(m, r, places, at + walk.stages, flags)
                m[r + _Z] += 1
                m[r + _Z_WORD] = 0
        freed |= _end_pixel(m, r, places, word_count, walk)
    return freed


@njit(cache=True, nogil=True, forceinline=True)
def _end_pixel(m, r, places, word_count, walk):
    """The next word is that of another pixel; whether all rows have released this one."""
    m[r + _RELEASED] += 1
    pool = m[r + _POOL] + 2 * (m[r + _RELEASED] & places.pixel_mask)
    m[pool] -= 1
    m[pool + 1] = max(m[pool + 1], m[r + _G])
    m[r + _WORD] = m[r + _Z] = 0
    m[r + _BASE] += walk.chunk_step
    m[r + _PIXEL] += 1
    m[r + _PLACE] += walk.step
    if m[r + _PIXEL] == walk.pixels:
        m[r + _PIXEL] = 0
        m[r + _PLACE] -= walk.pixels * walk.step
        m[r + _PASS] += 1
        header = max(m[r + _AVAILABLE] + walk.pixels * word_count - 2, m[r + _G2] + 1)
        m[r + _AVAILABLE] = header + _NEXT_PASS
        m[r + _G] = max(m[r + _G], m[r + _AVAILABLE] - 1)
    return m[pool] == 0


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
