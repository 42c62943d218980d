"""The times of a convolution: queues and handshakes of the PEs and what surrounds them, for ``LANES`` images at once.

Nothing waits for what a later position does: chunks enter the ring when rows have released earlier pixels, a row makes its ``z`` when
chunks are there and its multipliers have taken earlier ones (``sim.cycle_rows``), results leave when those before them have left. So
positions are worked out one after the other, each time as sums and maxima of earlier ones. What all images have in common (coefficient lists,
geometry) steers the walk; what differs, the times and which ``z`` are zero, is in the lanes of vectors.

Only the pixels of a square may need one another, if the ring does not hold them all: the last enter when the first are released. What happens
in a square is then worked out again and again, from when its pixels were released the last time, until nothing changes. Each time follows from
earlier ones, so every round settles at least one more, and what settles is the only solution.

Two parts need no times of their own, as their source never pauses and a pipeline that is always offered something holds no
gap: feeder, memory and, with concentration, encoder have a chunk in every cycle from ``_FIRST_CHUNK``, or as much later, on; the requantiser has its next job, and
its residual beside it, in every cycle from ``_FIRST_ENTRY`` on.
"""

from numba import njit

from .cycle_fifo import forget, wait
from .cycle_layout import END, LOAD_AT, REQUANTISED_AT, Data, Geometry, Shape, layout
from .cycle_rows import Turn, Walk, begin_pass, follow_row, new_row, row_places, stages
from .lanes import any_lane, called, choose, inlined, load, most, pointer, spread, store, vectors

__all__ = ["convolution_cycles"]

#: Cycles from the start until the first chunk can enter the ring: request, memory (4), feeder; with concentration the encoder too.
_FIRST_CHUNK, _ENCODER = 6, 3
#: Cycles from a chunk's entrance until the levels of the ring count it, and from a level until the ring takes a chunk or not.
_COUNTED, _ROOM_SEEN = 2, 2
#: Cycles from the start until the requantiser has its first job and the residual beside it.
_FIRST_ENTRY = 5
#: Cycles of a load of bases besides one for each, until they are there, and until the next load.
_LOADED, _NEXT_LOAD = 4, 5
#: Stages of ``hw.mac`` from the advance of a position to the FIFO of results.
_RESULT_AFTER = 5
#: Places that a MAC keeps in the FIFO of results for those on their way.
_IN_FLIGHT = 8
#: Cycles from the end of a MAC's last position until the sequencer sees it idle: those of ``Flush``, and three.
_IDLE_AFTER = _IN_FLIGHT + 3


@inlined
def _fill(m, at, shape, geometry, first, count):
    """Chunks ``first`` to ``first + count`` enter the ring; whether that is not what they did before."""
    most_chunks, chunks, classes = shape.ring - shape.ring_unseen, geometry.input_chunks, at.row_classes
    changed = spread(0)
    for chunk in range(first, first + count):
        time = spread(_FIRST_CHUNK + (_ENCODER if shape.concentrates else 0))
        if chunk:
            time = most(time, load(m, at.ring + (chunk - 1 & at.ring_mask)) - (_COUNTED - 1) + 1)
        # Levels count the chunks before these four, and of the four those that had entered early enough.
        for counted in range(chunk - _COUNTED - _ROOM_SEEN + 1, chunk + 1):
            needed = spread(0)
            for number in range(classes):
                beyond = counted - number * chunks - most_chunks
                if beyond > 0:
                    pixel = (beyond - 1) // (classes * chunks)
                    place = at.released + number * (at.pixel_mask + 1) + (pixel & at.pixel_mask)
                    needed = most(needed, load(m, place) + _ROOM_SEEN + 1)
            if counted > chunk - _COUNTED - _ROOM_SEEN + 1:
                written = load(m, at.ring + (counted - 1 & at.ring_mask))
                needed = choose(written + _ROOM_SEEN < time, needed, 0)
            time = most(time, needed)
        place = at.ring + (chunk & at.ring_mask)
        changed |= load(m, place) != time + (_COUNTED - 1)
        store(m, place, time + (_COUNTED - 1))
    return any_lane(changed)


@inlined
def _requantise(m, at, pes, groups, number):
    """A result of all PEs leaves their FIFOs for skid buffers with two places, and is requantised, group after group."""
    units, size = pes // groups, at.result_mask + 1
    place, before, before_that = (
        number & at.result_mask,
        number - 1 & at.result_mask,
        number - 2 & at.result_mask,
    )
    last = load(m, REQUANTISED_AT)
    for group in range(groups):
        taken = at.taken + group * size
        time = most(last + 1, _FIRST_ENTRY)
        if number:
            time = most(time, load(m, taken + before) + 1)
        for pe in range(group * units, (group + 1) * units):
            pulled = load(m, at.stored + pe * size + place) + 2
            if number:
                pulled = most(pulled, load(m, at.pulled + pe * size + before) + 1)
            if number > 1:
                pulled = most(pulled, load(m, taken + before_that) + 1)
            store(m, at.pulled + pe * size + place, pulled)
            time = most(time, pulled + 1)
        store(m, taken + place, time)
        last = time
    store(m, REQUANTISED_AT, last)


@inlined
def _results_fifo(at, shape, pe):
    """``sim.cycle_fifo``'s tuple for a MAC's results."""
    first = pe * (at.result_mask + 1)
    return at.fifos + pe, at.stored + first, at.pulled + first, at.result_mask, shape.output_fifo - _IN_FLIGHT


@called
def _work(m, at, places, walk, data, geometry, shape, results, pass_, position):
    """All PEs work on a position of the map; ``results``: how many there are so far."""
    shares = 4 // shape.classes if geometry.squares else 1
    classes = shape.classes if geometry.side_by_side else 1
    first = position * shares
    for number in range(at.row_classes):
        for pixel in range(pass_ * walk.pixels + first, pass_ * walk.pixels + first + shares):
            store(m, at.released + number * (at.pixel_mask + 1) + (pixel & at.pixel_mask), 0)
    for pe in range(shape.pes):
        low = most(load(m, at.macs + pe), load(m, at.ready + pass_))
        fifo = _results_fifo(at, shape, pe)
        room, end = (fifo, forget(m, fifo, results, low), results), low
        for class_ in range(classes):
            claimed = 0
            for index in range(class_, shape.rows, classes):
                reader, number = pe * shape.rows + index, data.numbers[index]
                list_, pixel = reader * geometry.passes + pass_, first * at.row_classes + number
                turn = Turn(
                    pixel=first,
                    count=shares,
                    list_=4 * list_,
                    slot=data.first_slot[list_] + first * data.lists[4 * list_ + 3],
                    chunk=(pass_ * walk.pixels * at.row_classes + pixel) * geometry.input_chunks,
                    chunk_step=at.row_classes * geometry.input_chunks,
                    masks=pixel * data.masks_step + data.first_chunk[pass_],
                    masks_step=at.row_classes * data.masks_step,
                    released=at.released + number * (at.pixel_mask + 1),
                    number=pass_ * walk.pixels,
                    released_mask=at.pixel_mask,
                )
                r, claims = (
                    at.rows + reader * at.row_size,
                    (at.claimed, claimed, index + classes < shape.rows),
                )
                end = most(end, follow_row(m, r, places, walk, data, turn, low, claims, room))
                claimed += shares * data.lists[4 * list_ + 3]
        store(m, at.macs + pe, end)


@called
def _load_bases(m, at, geometry, number):
    """The load of a pass's bases, when no PE needs those of the pass before the last one any more; or one load for all."""
    time = load(m, LOAD_AT)
    if number == 0:
        time = spread(1)
    elif geometry.basis_own:
        time += geometry.basis_words + _NEXT_LOAD
        if number > 1:
            time = most(time, load(m, at.done + number - 2) + 1)
    store(m, LOAD_AT, time)
    store(m, at.ready + number, time + (geometry.basis_words + _LOADED + 1))


@called
def _follow(m, at, places, walk, data, geometry, shape):
    """Cycles of images, in ``END``. Memory is zero at first."""
    pes, size = shape.pes, at.result_mask + 1
    chunks = geometry.input_chunks * (4 if geometry.squares else 1)
    # Chunks of a position that may wait for one of the same position.
    tight = geometry.squares and shape.ring - shape.ring_unseen < chunks - 1
    state = at.copy - at.macs
    for reader in range(pes * shape.rows):
        new_row(m, at.rows + reader * at.row_size)
    for pe in range(pes):
        store(m, at.macs + pe, 1)
    for number in range(min(geometry.passes, 2)):
        _load_bases(m, at, geometry, number)

    across = geometry.height * geometry.line
    results = 0
    for step in range(geometry.passes * across + geometry.drain):
        pass_, place = divmod(step, across)
        row, column = divmod(place, geometry.line)
        if pass_ < geometry.passes and column < geometry.width:
            position = row * geometry.width + column
            first = (pass_ * geometry.height * geometry.width + position) * chunks
            _fill(m, at, shape, geometry, first, chunks)
            if tight:
                for number in range(state):
                    store(m, at.copy + number, load(m, at.macs + number))
            while True:
                _work(m, at, places, walk, data, geometry, shape, results, pass_, position)
                if not tight or not _fill(m, at, shape, geometry, first, chunks):
                    break
                for number in range(state):
                    store(m, at.macs + number, load(m, at.copy + number))
            if position == geometry.height * geometry.width - 1:
                for reader in range(pes * shape.rows):
                    words = data.lists[4 * (reader * geometry.passes + pass_) + 1]
                    begin_pass(m, at.rows + reader * at.row_size, walk.pixels, words)
        else:
            for pe in range(pes):
                time = load(m, at.macs + pe)
                if pass_ < geometry.passes:
                    time = most(time, load(m, at.ready + pass_))
                fifo = _results_fifo(at, shape, pe)
                time = wait(m, fifo, forget(m, fifo, results, time), results, time)
                store(m, at.macs + pe, time + 1)
        if place == across - 1 and pass_ + 2 < geometry.passes:
            done = spread(0)
            for pe in range(pes):
                done = most(done, load(m, at.macs + pe) - 1)
            store(m, at.done + pass_, done)
            _load_bases(m, at, geometry, pass_ + 2)
        if step < geometry.drain:
            continue
        out_row, out_column = divmod((step - geometry.drain) % across, geometry.line)
        if out_column < geometry.output_width and out_row < geometry.output_height:
            for pe in range(pes):
                time = load(m, at.macs + pe) - 1 + _RESULT_AFTER
                store(m, at.stored + pe * size + (results & at.result_mask), time)
            _requantise(m, at, pes, geometry.groups, results)
            results += 1

    end = load(m, REQUANTISED_AT) + (shape.requantiser_latency + 1)
    last = geometry.passes * geometry.height * geometry.width * chunks - 1
    end = most(end, load(m, at.ring + (last & at.ring_mask)) - (_COUNTED - 1) + 1)
    for pe in range(pes):
        end = most(end, load(m, at.macs + pe) + _IDLE_AFTER)
    store(m, END, end)


@njit(cache=True, nogil=True)
def convolution_cycles(
    masks,
    lists,
    of_z,
    chunk,
    coefficients,
    cut,
    nonzero,
    numbers,
    first_chunk,
    first_slot,
    geometry,
    shape,
    out,
):
    """Cycles from the start of a convolution to the first in which all units are idle.

    Parameters
    ----------
    masks : int64 array [pixels, chunks, LANES]
        Which of a chunk are not zero, an image a lane; no chunks if rows do not concentrate.
    lists, of_z, chunk, coefficients : int64 arrays
        As ``cycle_words.decode_words`` gives them.
    cut : int64 array
        As ``cycle_words.cut_table`` gives it.
    nonzero : array [z, pixels of a row]
        As ``cycle_sums.nonzero_sums`` gives it.
    numbers : int64 array [rows of a PE]
        The class of each, by which its pixel of a square follows.
    first_chunk : int64 array [passes]
        The first chunk that each is fed, among those of all passes.
    first_slot : int64 array [rows, passes]
        How many ``z`` a row has made before the pass, as if all were kept.
    geometry, shape : tuple of int
        As ``Geometry`` and ``Shape`` name them.
    out : int64 array [images]
    """
    geometry, shape = Geometry(*geometry), Shape(*shape)
    places = row_places(shape.z_fifo)
    at, size = layout(geometry, shape, places.size, lists[:, :, 3].max())
    walk = Walk(
        pixels=geometry.pixels,
        stages=stages(shape.concentrates, shape.cut),
        concentrates=shape.concentrates,
        width=shape.chunk,
        lanes=shape.lanes,
        lookahead=shape.lookahead,
        ahead=shape.z_ahead,
        ring=at.ring,
        ring_mask=at.ring_mask,
        offsets=shape.offsets,
    )
    data = Data(
        pointer(lists),
        pointer(of_z),
        pointer(chunk),
        pointer(coefficients),
        pointer(cut),
        pointer(nonzero),
        pointer(masks),
        pointer(numbers),
        pointer(first_chunk),
        pointer(first_slot),
        masks.shape[1],
    )
    memory = vectors(size)
    _follow(pointer(memory), at, places, walk, data, geometry, shape)
    out[:] = memory[END, : len(out)]
