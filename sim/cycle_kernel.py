"""The times of a convolution: queues and handshakes of the PEs and what surrounds them, without any data.

What a row does before its FIFO of ``z`` is worked out ahead (``sim.cycle_rows``). The multipliers choose among what lies in
front of them, so their cycles are taken in order, over all PEs; cycles in which none of them acts are left out. What is not
known by then follows from something that is yet to come, so nothing is decided too early.

Two parts need no times of their own, as their source never pauses and a pipeline that is always offered something holds no
gap: feeder, memory and, with concentration, encoder have a chunk in every cycle from ``_FIRST_CHUNK``, or as much later, on; the requantiser has its next job, and
its residual beside it, in every cycle from ``_FIRST_ENTRY`` on.
"""

from collections import namedtuple

import numpy as np
from numba import njit, types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

from .cycle_rows import (
    AWAITS,
    END,
    FRONT,
    FRONT_AT,
    NEVER,
    NONZERO,
    SHARE,
    Walk,
    new_row,
    power,
    row_places,
    run_row,
    stages,
    take_z,
)

__all__ = ["convolution_cycles"]

#: Stages of ``hw.mac`` from the advance of a position to the FIFO of results, and those of ``Flush``.
_MAC_LATENCY, _IN_FLIGHT = 5, 8
#: Cycles from the end of a MAC's last position until the sequencer sees it idle, besides those of ``Flush``.
_IDLE_SEEN = 3
#: Cycles from the start until the first chunk can enter the ring: request, memory (2), feeder, skid buffer; with concentration the
#: encoder too.
_FIRST_CHUNK, _ENCODER = 5, 3
#: Cycles from a chunk's entrance until the levels of the ring count it, and from a level until the ring takes a chunk or not.
_COUNTED, _ROOM_SEEN = 2, 2
#: Cycles from the start until the requantiser has its first job and the residual beside it.
_FIRST_ENTRY = 5
#: Cycles of a load of bases besides one for each, until they are there, and until the next load.
_LOADED, _NEXT_LOAD = 4, 5

#: States of a MAC.
_IN_MAP, _DRAINING, _DONE = 0, 1, 2
# What is kept of a MAC: when it acts next, and not before; its position, rows that have ended it; positions to drain, to the first
# result; where the next result lies in the map; results made, stored by then, and whose way out of the FIFO is known; whether it waits for the requantiser.
(
    _NEXT,
    _LOW,
    _MODE,
    _COLUMN,
    _ROW,
    _PASS,
    _ENDED,
    _DRAIN,
    _SKIP,
    _OUT_COLUMN,
    _OUT_ROW,
    _RESULTS,
    _STORED,
    _PULLED,
    _FULL,
) = range(15)
_FIELDS = 16
# What is kept once, at the front of memory: chunks whose way into the ring is known, when the last enters, how many are counted by then; group of PEs and number of
# the result that is requantised next, when the last was; loads of bases that are known, when the last began; when MACs are idle.
(_WRITTEN, _WRITTEN_AT, _COUNT, _GROUP, _RESULT, _REQUANTISED_AT, _LOADS, _LOAD_AT, _IDLE) = range(9)
_ONCE = 9

_Geometry = namedtuple(
    "_Geometry",
    "input_chunks pixels squares turned side_by_side height width line drain output_height output_width passes groups basis_own basis_words",
)
_Shape = namedtuple(
    "_Shape",
    "pes rows classes ring z_fifo z_ahead output_fifo requantiser_latency concentrates cut chunk lanes lookahead ring_unseen offsets",
)
#: Where things lie in memory: when each entry of the ring was written; of each class of rows, pixels that all have released, when
#: the last was, and the releases under way; of each pass, when its bases are there, how many PEs have done with them, when the last
#: had; results of each PE, when they were stored and when they left the FIFO; of each group, when they were requantised; MACs; rows.
_Layout = namedtuple(
    "_Layout",
    "ring freed pools pool_size ready stored pulled taken result_mask macs rows row_size size row_classes",
)


@njit(cache=True, nogil=True, forceinline=True)
def _fill(m, at_, walk, total, readers_of, most):
    """Chunks that enter the ring, as far as that is known: the levels of all rows, as they were, must be at most ``most``."""
    mask = at_.pool_size // 2 - 1
    while m[_WRITTEN] < total:
        at = max(m[_WRITTEN_AT] + 1, _FIRST_CHUNK + (_ENCODER if walk.concentrates else 0))
        room = False
        while not room:
            room = True
            # The ring keeps when chunks are counted.
            while m[_COUNT] < m[_WRITTEN] and m[at_.ring + (m[_COUNT] & walk.ring_mask)] < at - _ROOM_SEEN:
                m[_COUNT] += 1
            for number in range(at_.row_classes):
                beyond = m[_COUNT] - number * walk.chunks - most
                if beyond <= 0:
                    continue
                freed = at_.freed + 2 * number
                pixels = (beyond + walk.chunk_step - 1) // walk.chunk_step
                while m[freed] < pixels:
                    pool = at_.pools + number * at_.pool_size + 2 * (m[freed] + 1 & mask)
                    if m[pool] > 0:
                        return
                    m[freed] += 1
                    m[freed + 1] = m[pool + 1]
                    m[pool], m[pool + 1] = readers_of[number], 0
                if m[freed + 1] >= at - _ROOM_SEEN:
                    at = m[freed + 1] + _ROOM_SEEN + 1
                    room = False
        m[at_.ring + (m[_WRITTEN] & walk.ring_mask)] = at + _COUNTED - 1
        m[_WRITTEN] += 1
        m[_WRITTEN_AT] = at


@njit(cache=True, nogil=True, forceinline=True)
def _schedule(m, pe, at_, places_size, geometry, rows):
    """When a MAC acts next, as far as that is known."""
    mac = at_.macs + pe * _FIELDS
    at = m[mac + _LOW]
    if m[mac + _FULL] or m[mac + _MODE] == _DONE:
        at = NEVER
    elif m[mac + _MODE] == _IN_MAP:
        at = max(at, m[at_.ready + 3 * m[mac + _PASS]])
        if m[mac + _COLUMN] < geometry.width:
            first = NEVER
            front = at_.rows + pe * rows * places_size + FRONT_AT
            for index in range(rows):
                if not m[mac + _ENDED] >> index & 1:
                    first = min(first, m[front])
                front += places_size
            at = max(at, first)
    m[mac + _NEXT] = at


@njit(cache=True, nogil=True, forceinline=True)
def _has_room(m, pe, cycle, at_, output_fifo):
    """Whether another position may follow; if not, it is noted when to try again."""
    mac, mask = at_.macs + pe * _FIELDS, at_.result_mask
    stored = at_.stored + pe * (mask + 1)
    while m[mac + _STORED] < m[mac + _RESULTS] and m[stored + (m[mac + _STORED] & mask)] <= cycle - 2:
        m[mac + _STORED] += 1
    number = m[mac + _STORED] - (output_fifo - _IN_FLIGHT)
    if number < 0:
        return True
    if number >= m[mac + _PULLED]:
        m[mac + _FULL] = 1
        return False
    taken = m[at_.pulled + pe * (mask + 1) + (number & mask)]
    if taken > cycle - 2:
        m[mac + _LOW] = taken + 2
        return False
    return True


@njit(cache=True, nogil=True, forceinline=True)
def _pull(m, pe, at_, taken, known):
    """Results that leave the FIFO for a skid buffer with two places before the requantiser, ``known`` of which are taken."""
    mac, mask = at_.macs + pe * _FIELDS, at_.result_mask
    stored, pulled = at_.stored + pe * (mask + 1), at_.pulled + pe * (mask + 1)
    while m[mac + _PULLED] < min(m[mac + _RESULTS], known + 2):
        number = m[mac + _PULLED]
        at = m[stored + (number & mask)] + 2
        if number:
            at = max(at, m[pulled + (number - 1 & mask)] + 1)
        if number > 1:
            at = max(at, m[taken + (number - 2 & mask)] + 1)
        m[pulled + (number & mask)] = at
        m[mac + _PULLED] = number + 1


@njit(cache=True, nogil=True, forceinline=True)
def _requantise(m, at_, units, groups):
    """Results that all PEs of a group have; whether a MAC was waiting for that."""
    mask, woken = at_.result_mask, False
    while True:
        group, number = m[_GROUP], m[_RESULT]
        at = max(m[_REQUANTISED_AT] + 1, _FIRST_ENTRY)
        taken = at_.taken + group * (mask + 1)
        before = m[taken + (number - 1 & mask)] if number else 0
        for pe in range(group * units, (group + 1) * units):
            _pull(m, pe, at_, taken, number)
            if m[at_.macs + pe * _FIELDS + _RESULTS] <= number:
                return woken
            at = max(at, max(m[at_.pulled + pe * (mask + 1) + (number & mask)], before) + 1)
        m[taken + (number & mask)] = m[_REQUANTISED_AT] = at
        for pe in range(group * units, (group + 1) * units):
            mac = at_.macs + pe * _FIELDS
            _pull(m, pe, at_, taken, number + 1)
            if m[mac + _FULL]:
                m[mac + _FULL] = 0
                m[mac + _LOW] = max(m[mac + _LOW], at + 2)
                woken = True
        m[_GROUP] = group + 1
        if group + 1 == groups:
            m[_GROUP] = 0
            m[_RESULT] += 1


@njit(cache=True, nogil=True)
def _load_bases(m, at_, geometry, pes):
    """Loads of bases: those of a pass, when no PE needs those of the pass before the last one any more; or one for all."""
    while m[_LOADS] < geometry.passes:
        number = m[_LOADS]
        at = m[_LOAD_AT] + geometry.basis_words + _NEXT_LOAD if number else 1
        if number > 1 and geometry.basis_own:
            before = at_.ready + 3 * (number - 2)
            if m[before + 1] < pes:
                return
            at = max(at, m[before + 2] + 1)
        if number and not geometry.basis_own:
            at = m[_LOAD_AT]
        m[_LOAD_AT] = at
        m[at_.ready + 3 * number] = at + geometry.basis_words + _LOADED + 1
        m[_LOADS] = number + 1


@njit(cache=True, nogil=True, forceinline=True)
def _advance(m, pe, cycle, at_, geometry, pes):
    """The MAC goes on to the next position; whether another MAC may be woken by that."""
    mac, woken = at_.macs + pe * _FIELDS, False
    if m[mac + _MODE] == _DRAINING:
        m[mac + _DRAIN] -= 1
    else:
        m[mac + _ENDED] = 0
        m[mac + _COLUMN] += 1
        if m[mac + _COLUMN] == geometry.line:
            m[mac + _COLUMN] = 0
            m[mac + _ROW] += 1
            if m[mac + _ROW] == geometry.height:
                m[mac + _ROW] = 0
                if geometry.basis_own:
                    ready = at_.ready + 3 * m[mac + _PASS]
                    m[ready + 1] += 1
                    m[ready + 2] = cycle
                    _load_bases(m, at_, geometry, pes)
                    woken = True
                m[mac + _PASS] += 1
                if m[mac + _PASS] == geometry.passes:
                    m[mac + _MODE] = _DRAINING
    if m[mac + _SKIP]:
        m[mac + _SKIP] -= 1
        return woken
    kept = m[mac + _OUT_COLUMN] < geometry.output_width and m[mac + _OUT_ROW] < geometry.output_height
    m[mac + _OUT_COLUMN] += 1
    if m[mac + _OUT_COLUMN] == geometry.line:
        m[mac + _OUT_COLUMN] = 0
        m[mac + _OUT_ROW] += 1
        if m[mac + _OUT_ROW] == geometry.height:
            m[mac + _OUT_ROW] = 0
    if kept:
        place = at_.stored + pe * (at_.result_mask + 1) + (m[mac + _RESULTS] & at_.result_mask)
        m[place] = cycle + _MAC_LATENCY
        m[mac + _RESULTS] += 1
        units = pes // geometry.groups
        taken = at_.taken + pe // units * (at_.result_mask + 1)
        _pull(m, pe, at_, taken, m[_RESULT] + (pe // units < m[_GROUP]))
        if m[mac + _RESULTS] == m[_RESULT] + 1:
            woken |= _requantise(m, at_, units, geometry.groups)
    return woken


@njit(cache=True, nogil=True)
def _follow(m, at_, places, geometry, shape, walk, w, nonzero, masks, cut):
    """Cycles of one image, -1 if it waits for ever. Memory is zero at first."""
    pes, rows, size = shape.pes, shape.rows, places.size
    shares = 4 // shape.classes if geometry.squares else 1
    mac_classes = shape.classes if geometry.side_by_side else 1
    every_row, readers = (1 << rows) - 1, pes * rows
    total = geometry.passes * geometry.height * geometry.width * (4 if geometry.squares else 1) * walk.chunks

    readers_of = np.zeros(at_.row_classes, np.int64)
    for reader in range(readers):
        number = reader % rows % at_.row_classes ^ geometry.turned
        readers_of[number] += 1
        new_row(m, at_.rows + reader * size, reader, number, walk.chunks, at_.pools + number * at_.pool_size)
    for number in range(at_.row_classes):
        for place in range(0, at_.pool_size, 2):
            m[at_.pools + number * at_.pool_size + place] = readers_of[number]
    for pe in range(pes):
        mac = at_.macs + pe * _FIELDS
        m[mac + _LOW] = 1
        m[mac + _DRAIN] = geometry.drain
        m[mac + _SKIP] = geometry.drain
    for number in range(geometry.passes):
        m[at_.ready + 3 * number] = NEVER
    _load_bases(m, at_, geometry, pes)

    left, freed = pes, True
    while left:
        while freed:
            freed = False
            _fill(m, at_, walk, total, readers_of, shape.ring - shape.ring_unseen)
            for reader in range(readers):
                r = at_.rows + reader * size
                if m[r + AWAITS] < m[_WRITTEN]:
                    freed |= run_row(m, r, places, walk, at_.ring, m[_WRITTEN], w, nonzero, masks, cut)
            for pe in range(pes):
                _schedule(m, pe, at_, size, geometry, rows)
        cycle = NEVER
        for pe in range(pes):
            cycle = min(cycle, m[at_.macs + pe * _FIELDS + _NEXT])
        if cycle == NEVER:
            return -1
        woken = False
        for pe in range(pes):
            mac = at_.macs + pe * _FIELDS
            if m[mac + _NEXT] != cycle:
                continue
            if m[mac + _MODE] == _DRAINING and m[mac + _DRAIN] == 0:
                m[mac + _MODE] = _DONE
                m[_IDLE] = cycle + _IN_FLIGHT + _IDLE_SEEN
                left -= 1
            elif _has_room(m, pe, cycle, at_, shape.output_fifo):
                m[mac + _LOW] = cycle + 1
                ends = True
                if m[mac + _MODE] == _IN_MAP and m[mac + _COLUMN] < geometry.width:
                    chosen, ended = 0, m[mac + _ENDED]
                    for index in range(rows):
                        r = at_.rows + (pe * rows + index) * size
                        if ended >> index & 1 or m[r + FRONT_AT] > cycle:
                            continue
                        flags = m[r + FRONT]
                        if flags & NONZERO:
                            mine = 1 << index % mac_classes
                            if chosen & mine:
                                continue
                            chosen |= mine
                        if flags & END:
                            m[r + SHARE] += 1
                            if m[r + SHARE] == shares:
                                m[r + SHARE] = 0
                                ended |= 1 << index
                        if take_z(m, r, places, cycle):
                            freed |= run_row(
                                m, r, places, walk, at_.ring, m[_WRITTEN], w, nonzero, masks, cut
                            )
                    m[mac + _ENDED] = ended
                    ends = ended == every_row
                if ends:
                    woken |= _advance(m, pe, cycle, at_, geometry, pes)
            _schedule(m, pe, at_, size, geometry, rows)
        if woken:
            for pe in range(pes):
                _schedule(m, pe, at_, size, geometry, rows)
    return max(max(m[_IDLE], m[_WRITTEN_AT] + 1), m[_REQUANTISED_AT] + shape.requantiser_latency + 1)


@intrinsic
def _pointer(context, array):
    """Pointer to the elements of an array that lie one after the other. Unlike an array it has no count of references, which would be
    kept in every call, and no index from the end, which every access would ask for."""

    def generate(context, builder, signature, arguments):
        return make_array(array)(context, builder, arguments[0]).data

    return types.CPointer(array.dtype)(array), generate


@njit(cache=True, nogil=True)
def convolution_cycles(nonzero, masks, words, cut, geometry, shape, sizes, out):
    """Cycles from the start of a convolution to the first in which all units are idle, -1 for an image that waits for ever.

    Parameters
    ----------
    nonzero : uint8 array [images, pixels, z]
        Whether a ``z`` of a pixel is not zero.
    masks : int64 array [images, pixels, chunks]
        Activations that are not zero; no chunks if rows do not concentrate.
    words, cut : int64 arrays
        As ``cycle_words.pack_words`` and ``cut_table`` give them.
    geometry, shape : tuple of int
        As ``_Geometry`` and ``_Shape`` name them.
    sizes : tuple of int
        Lists times 4, ``z``, words.
    out : int64 array [images]
    """
    geometry, shape = _Geometry(*geometry), _Shape(*shape)
    of_lists, of_z, of_words = sizes
    together = shape.classes if geometry.squares else 1
    walk = Walk(
        pixels=geometry.pixels,
        step=together,
        chunks=geometry.input_chunks,
        chunk_step=together * geometry.input_chunks,
        stages=stages(shape.concentrates, shape.cut),
        concentrates=shape.concentrates,
        width=shape.chunk,
        lanes=shape.lanes,
        lookahead=shape.lookahead,
        ahead=shape.z_ahead,
        ring_mask=shape.ring - 1,
        passes=geometry.passes,
        of_z=of_lists,
        words=of_lists + of_z,
        word_step=of_words,
        z_step=nonzero.shape[2],
        mask_step=masks.shape[2],
        offsets=shape.offsets,
    )
    places = row_places(shape.ring // walk.chunk_step + 3, shape.z_fifo)
    pool_size, results = 2 * (places.pixel_mask + 1), power(2 * shape.output_fifo)
    freed = _ONCE + shape.ring
    pools = freed + 2 * together
    ready = pools + pool_size * together
    stored = ready + 3 * geometry.passes
    pulled = stored + results * shape.pes
    taken = pulled + results * shape.pes
    macs = taken + results * geometry.groups
    rows = macs + _FIELDS * shape.pes
    size = rows + places.size * shape.pes * shape.rows
    at = _Layout(
        _ONCE,
        freed,
        pools,
        pool_size,
        ready,
        stored,
        pulled,
        taken,
        results - 1,
        macs,
        rows,
        places.size,
        size,
        together,
    )
    memory = np.zeros((len(nonzero), size), np.int64)
    w, table = _pointer(words), _pointer(cut)
    for image in range(len(nonzero)):
        m, of_image, mask = _pointer(memory[image]), _pointer(nonzero[image]), _pointer(masks[image])
        out[image] = _follow(m, at, places, geometry, shape, walk, w, of_image, mask, table)
