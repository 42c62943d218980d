"""The cycle loop of a convolution: queues and handshakes of the block and what surrounds it, without any data.

Each turn of the loop is one cycle; every unit is looked at from its sink to its source, so that what it decides on is still
the state before the clock edge. Three parts need no registers of their own, as their source never pauses and a pipeline
that is always offered something holds no gap:

- The feeder, its memory and the encoder have a chunk in every cycle from ``_FIRST_CHUNK`` on, until all are written.
- The requantiser has its next job, and its residual beside it, in every cycle from ``_FIRST_ENTRY`` on.
- A row has its next coefficient word in every cycle within a pass. Between passes a header follows the last word, word
  ``n``, when that enters the skid buffer, which it does when word ``n - 2`` has been taken, or as fast as words come; the
  first word of the next pass is there five cycles later.
"""

import numpy as np
from numba import njit

from .cycle_tokens import EMIT, END, NONZERO, STEPS_SHIFT, VALID

__all__ = ["convolution_cycles"]

#: Stages of ``hw.mac`` from the advance of a position to the FIFO of results, and those of ``Flush``.
_MAC_LATENCY, _IN_FLIGHT = 5, 8
#: Cycles from the start until the first chunk can enter the ring: request, memory (2), feeder, skid buffer, encoder (3).
_FIRST_CHUNK = 8
#: Cycles from the start until a row has its first coefficient word: PE, header (3), word (3), skid buffer.
_FIRST_WORD = 8
#: Cycles from the start until the requantiser has its first job and the residual beside it.
_FIRST_ENTRY = 5


@njit(cache=True)
def convolution_cycles(
    tokens,
    token_start,
    word_chunk,
    word_start,
    counts,
    own_halves,
    basis_words,
    groups,
    geometry,
    shape,
    limit,
):
    """Cycles from the start of a convolution to the first in which all units are idle, or -1 beyond ``limit``.

    Parameters
    ----------
    tokens : uint16 array
        What every coefficient word does for every pixel, row after row: pass, pixel, word.
    token_start : int array [rows of all PEs]
    word_chunk : int array
        Chunk of each coefficient word.
    word_start, counts : int array [passes, rows of all PEs]
        Where the words of a list lie in ``word_chunk``, and how many there are.
    own_halves : bool
        Every pass has bases of its own.
    basis_words : int
        Bases that one load of the tables sends.
    groups : int
        Steps of requantisation at one position.
    geometry : int array
        Chunks of a pixel, pixels that a row walks, whether they come in blocks, what of a class makes its first pixel of a
        block (by exclusive or), whether the MAC takes a ``z`` of every class of rows, height, width, line, drain, output height, output width.
    shape : int array
        PEs, rows of one, classes of rows, ring entries, depth of the FIFO of ``z`` and of that of results, whether
        rows concentrate, whether the adder tree is cut, latency of the requantiser, places that the
        ring keeps free.
    limit : int
    """
    passes, readers = counts.shape
    pixel_chunks, pixels, blocks, turned, side_by_side = geometry[:5]
    height, width, line, drain, output_height, output_width = geometry[5:]
    pes, rows, classes, ring, z_depth, output_depth, concentrates, halfway = shape[:8]
    requantiser_latency, ring_unseen = shape[8:]
    shares = 4 // classes if blocks else 1
    step = pixel_chunks * classes if blocks else pixel_chunks
    chunks_left = passes * height * width * (4 if blocks else 1) * pixel_chunks
    groups_left = passes * output_height * output_width * groups
    units = pes // groups
    every_row = (1 << rows) - 1

    # Rows: the next word, the stages of the pipeline (a token, 0 if empty), the FIFO of z.
    row_pass = np.zeros(readers, np.int64)
    row_pixels = np.full(readers, pixels)
    row_index = np.zeros(readers, np.int64)
    row_token = token_start.copy()
    available = np.full(readers, _FIRST_WORD)
    taken_1, taken_2 = np.full(readers, -100), np.full(readers, -100)
    level = np.zeros(readers, np.int64)
    if blocks:
        for reader in range(readers):
            level[reader] = -(reader % rows % classes ^ turned) * pixel_chunks
    matched = np.zeros(readers, np.int64)
    diluted = np.zeros(readers, np.int64)
    held_chunk = np.zeros(readers, np.int64)
    steps_left = np.zeros(readers, np.int64)
    stepped = np.zeros(readers, np.int64)
    summed = np.zeros(readers, np.int64)
    accumulated = np.zeros(readers, np.int64)
    closing = np.zeros(readers, np.int64)
    z_inner = np.zeros(readers, np.int64)
    z_front = np.zeros(readers, np.int64)
    z_places = 1
    while z_places < z_depth:
        z_places *= 2
    z_mask = z_places - 1
    z_queue = np.zeros((readers, z_places), np.int64)
    z_read, z_write = np.zeros(readers, np.int64), np.zeros(readers, np.int64)

    # MACs.
    in_map = np.ones(pes, np.bool_)
    draining = np.zeros(pes, np.bool_)
    column, map_row = np.zeros(pes, np.int64), np.zeros(pes, np.int64)
    passes_left, drain_left = np.full(pes, passes), np.full(pes, drain)
    room = np.ones(pes, np.bool_)
    ended = np.zeros(pes, np.int64)
    share = np.zeros(readers, np.int64)
    half = np.zeros(pes, np.int64)
    needed = np.zeros((pes, 2), np.bool_)
    skip = np.full(pes, drain)
    position = np.zeros(pes, np.int64)
    keep = np.zeros((height, line), np.int64)
    keep[:output_height, :output_width] = 1
    keep = keep.reshape(-1)
    in_flight = np.zeros(pes, np.int64)
    result_inner = np.zeros(pes, np.int64)
    result_front = np.zeros(pes, np.bool_)
    result_held, result_waits = np.zeros(pes, np.bool_), np.zeros(pes, np.bool_)
    macs_left, idle = pes, 0

    write, near_full, ring_room = False, False, True
    load_from, loads_left, load_half = 1, passes if own_halves else 1, 0
    loaded_at, loaded_half = -1, 0
    group = 0
    cycle = 0
    while macs_left or groups_left:
        cycle += 1
        if cycle > limit:
            return -1

        # Loader of bases.
        load = loads_left > 0 and cycle >= load_from
        if load:
            for pe in range(pes):
                load &= not needed[pe, load_half]
        if load:
            loaded_at, loaded_half = cycle + basis_words + 4, load_half
            load_from = cycle + basis_words + 5
            load_half ^= 1
            loads_left -= 1

        # Requantiser: a group leaves when all its results are there.
        popped = -1
        if groups_left and cycle >= _FIRST_ENTRY:
            there = True
            for pe in range(group * units, (group + 1) * units):
                there &= result_held[pe]
            if there:
                popped = group
                group = 0 if group == groups - 1 else group + 1
                groups_left -= 1
                if not groups_left:
                    idle = max(idle, cycle + requantiser_latency + 1)

        # Ring: levels see a chunk two cycles after it was taken, and ``ring_room`` follows them by two.
        taken = chunks_left > 0 and cycle >= _FIRST_CHUNK and ring_room
        ring_room = not near_full
        near_full = False
        for reader in range(readers):
            near_full |= level[reader] > ring - ring_unseen

        for pe in range(pes):
            # Issue of the MAC.
            issued, advance = 0, False
            if in_map[pe]:
                if room[pe] and needed[pe, half[pe]]:
                    if column[pe] >= width:
                        advance = True
                    else:
                        chosen = 0
                        for row in range(rows):
                            front = z_front[pe * rows + row]
                            if front == 0 or ended[pe] >> row & 1:
                                continue
                            if front & NONZERO:
                                number = row % classes if side_by_side else 0
                                if chosen >> number & 1:
                                    continue
                                chosen |= 1 << number
                            issued |= 1 << row
                        for row in range(rows):
                            if issued >> row & 1 and z_front[pe * rows + row] & END:
                                share[pe * rows + row] += 1
                                if share[pe * rows + row] == shares:
                                    share[pe * rows + row] = 0
                                    ended[pe] |= 1 << row
                        advance = ended[pe] == every_row
                    if advance:
                        ended[pe] = 0
                        column[pe] += 1
                        if column[pe] == line:
                            column[pe] = 0
                            map_row[pe] += 1
                            if map_row[pe] == height:
                                map_row[pe] = 0
                                passes_left[pe] -= 1
                                if own_halves:
                                    needed[pe, half[pe]] = False
                                    half[pe] ^= 1
                                if passes_left[pe] == 0:
                                    in_map[pe] = False
                                    draining[pe] = True
            elif draining[pe]:
                if drain_left[pe] == 0:
                    draining[pe] = False
                    macs_left -= 1
                    idle = max(idle, cycle + _IN_FLIGHT + 3)
                elif room[pe]:
                    advance = True
                    drain_left[pe] -= 1

            # Results that the stride keeps, and their FIFO.
            kept = 0
            if advance:
                if skip[pe]:
                    skip[pe] -= 1
                else:
                    kept = keep[position[pe]]
                    position[pe] += 1
                    if position[pe] == len(keep):
                        position[pe] = 0
            room[pe] = result_inner[pe] + result_front[pe] < output_depth - _IN_FLIGHT
            pop = result_front[pe] and not result_waits[pe]
            if not result_held[pe] or popped == pe // units:
                result_held[pe] = result_front[pe] or result_waits[pe]
                result_waits[pe] = False
            elif pop:
                result_waits[pe] = True
            move = result_inner[pe] > 0 and (pop or not result_front[pe])
            result_inner[pe] += (in_flight[pe] >> (_MAC_LATENCY - 1) & 1) - move
            if move:
                result_front[pe] = True
            elif pop:
                result_front[pe] = False
            in_flight[pe] = (in_flight[pe] << 1 | kept) & ((1 << _MAC_LATENCY) - 1)

            for row in range(rows):
                reader = pe * rows + row
                # FIFO of z, and the closer that fills it.
                pop = issued >> row & 1
                held, coming = closing[reader], accumulated[reader]
                if z_depth == 1:
                    z_ready = z_front[reader] == 0
                    if pop:
                        z_front[reader] = 0
                else:
                    z_ready = z_inner[reader] != z_depth - 1
                    if z_inner[reader] and (pop or z_front[reader] == 0):
                        z_front[reader] = z_queue[reader, z_read[reader]]
                        z_read[reader] = z_read[reader] + 1 & z_mask
                        z_inner[reader] -= 1
                    elif pop:
                        z_front[reader] = 0
                merges = held != 0 and held & END == 0 and coming != 0 and coming & NONZERO == 0
                leaves = z_ready and held != 0 and (held & END != 0 or coming != 0)
                if leaves:
                    made = held | END if merges else held
                    if z_depth == 1:
                        z_front[reader] = made
                    else:
                        z_queue[reader, z_write[reader]] = made
                        z_write[reader] = z_write[reader] + 1 & z_mask
                        z_inner[reader] += 1
                closer_ready = held == 0 or z_ready
                if coming and closer_ready:
                    closing[reader] = 0 if merges else coming
                elif leaves:
                    closing[reader] = 0

                # Every stage takes what the one before holds if it is empty or empties.
                free = coming == 0 or closer_ready
                if free:
                    accumulated[reader] = summed[reader] if summed[reader] & EMIT else 0
                free = free or summed[reader] == 0
                if free:
                    summed[reader] = stepped[reader]
                if concentrates:
                    free = free or stepped[reader] == 0
                    accepts = held_chunk[reader] == 0
                    if free:
                        stepped[reader] = 0
                        if held_chunk[reader]:
                            steps_left[reader] -= 1
                            if steps_left[reader] == 0:
                                stepped[reader] = held_chunk[reader]
                                accepts = True
                            else:
                                stepped[reader] = VALID
                    if accepts:
                        held_chunk[reader] = diluted[reader] & ((1 << STEPS_SHIFT) - 1)
                        steps_left[reader] = diluted[reader] >> STEPS_SHIFT
                    free = accepts or diluted[reader] == 0
                    if free:
                        diluted[reader] = matched[reader]
                else:
                    if halfway:
                        free = free or stepped[reader] == 0
                        if free:
                            stepped[reader] = diluted[reader]
                    else:
                        if free:
                            summed[reader] = diluted[reader]
                    free = free or diluted[reader] == 0
                    if free:
                        diluted[reader] = matched[reader]
                free = free or matched[reader] == 0

                # Matcher: the next word meets its chunk.
                released = 0
                if free:
                    matched[reader] = 0
                    at = row_pass[reader]
                    if at < passes and cycle >= available[reader]:
                        index = row_index[reader]
                        if word_chunk[word_start[at, reader] + index] < level[reader]:
                            matched[reader] = tokens[row_token[reader]]
                            row_token[reader] += 1
                            index += 1
                            if index == counts[at, reader]:
                                released = step
                                row_pixels[reader] -= 1
                                if row_pixels[reader] == 0:
                                    # The next header follows the last word into the skid buffer.
                                    sent = available[reader] + pixels * index - 2
                                    available[reader] = max(sent, taken_2[reader] + 1) + 5
                                    row_pass[reader] += 1
                                    row_pixels[reader] = pixels
                                index = 0
                            row_index[reader] = index
                            taken_2[reader] = taken_1[reader]
                            taken_1[reader] = cycle
                level[reader] += write - released

        write = taken
        if taken:
            chunks_left -= 1
            if not chunks_left:
                idle = max(idle, cycle + 1)
        if cycle == loaded_at:
            needed[:, loaded_half] = True
    return idle
