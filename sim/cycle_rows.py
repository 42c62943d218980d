"""The times of one row: what meets its chunk when, what of it comes to the FIFO of ``z``, when the multipliers take it.

What a row does follows from sums and maxima of times:

- ``g``, when a word meets its chunk: one after the last, after the chunk has been written to the ring, when so few ``z`` wait in the
  FIFO that the row goes on, and, with concentration, when there is room for another chunk before the steps.
- Behind that nothing waits, but for steps of concentration: a ``z`` enters the last register a fixed time after its last word
  met its chunk, or after its last step.
- The closer gives a ``z`` to the FIFO when the next one comes, or at once if it ends the pixel. It gives none that is zero, but
  for one that ends a pixel of which it holds nothing.
- The multipliers see what is in front a cycle after it was written and two after the one before it was taken.

Times are vectors, an image a lane. What is written to the FIFO has the same number in all lanes, counted from the end: where a ``z`` goes nowhere, those
before it move up by one.

A row has its next coefficient word in every cycle within a pass. Between passes a header follows the last word, word ``n``,
when that enters the skid buffer, which it does when word ``n - 2`` has been taken, or as fast as words come.
"""

from collections import namedtuple

from .cycle_fifo import forget, wait
from .cycle_layout import power
from .cycle_macs import claim, take
from .cycle_words import steps_of
from .lanes import LANES, any_lane, called, choose, inlined, load, load_bits, most, spread, store

__all__ = ["Places", "Turn", "Walk", "begin_pass", "follow_row", "new_row", "row_places", "stages"]

#: Cycles from the start until a row has its first coefficient word: relay, header (3), word (3), skid buffer.
_FIRST_WORD = 8
#: Cycles from a header's way into the skid buffer to the first word of its pass.
_NEXT_PASS = 5
#: Stages from the match of a word to the register behind the adders: adders, register; one more if the tree is cut.
_TREE_STAGES = 2
#: With concentration: dilution and the chunk that is held; then adders and register behind each step.
_BEFORE_STEPS, _BEHIND_STEPS = 2, 2
#: Cycles from the last register until the closer has given a ``z`` to the FIFO: one that ends its pixel, one when the next comes.
_CLOSED, _HELD_CLOSED = 2, 1
#: Cycles from when a ``z`` is written to the FIFO until the multipliers see it.
_IN_FRONT = 2

#: Later than all.
_NEVER = 1 << 30

#: How all rows walk: pixels of a pass; stages before the register behind the adders, of a tree behind a match, of concentration behind a
#: step; whether rows concentrate, and how; ``z`` that may wait in the FIFO; where the times of chunks in the ring lie; offsets of columns.
Walk = namedtuple("Walk", "pixels stages concentrates width lanes lookahead ahead ring ring_mask offsets")
#: What a row does in a position: number of the first pixel among those that it makes in the pass, and how many there are; where its list lies
#: among lists; number of the next ``z``, as if all were kept; number of the next chunk in the ring, and where its masks lie, and steps of
#: both from one pixel to the next; where released times lie, the number of the first pixel of the pass among them, the mask of numbers.
Turn = namedtuple(
    "Turn", "pixel count list_ slot chunk chunk_step masks masks_step released number released_mask"
)
#: Where things lie in memory behind the fields of a row, in vectors. Of what was written to the FIFO: when, and when each was taken.
Places = namedtuple("Places", "written taken mask size")

# When words of the pass come; g of the last words; when the last step of each was made; room for the steps of a word; of the FIFO, the
# first entry that could still matter.
(_AVAILABLE, _G, _G1, _G2, _U, _U1, _U2, _WORD_STEPS, _FIRST_ENTRY) = range(9)
_FIELDS = 9
#: Entries besides those in the FIFO that are followed: on their way, taken so late that the row does not know, one that moves up.
_UNSEEN = 16


@called
def stages(concentrates, cut):
    """Stages of a row to the register behind the adders, whose tree may be cut: from a match, or from the last step of concentration."""
    return (_BEHIND_STEPS if concentrates else _TREE_STAGES) + cut


@called
def row_places(z_fifo):
    """``Places`` for rows with FIFOs of that depth."""
    queue = power(z_fifo + _UNSEEN)
    return Places(_FIELDS, _FIELDS + queue, queue - 1, _FIELDS + 2 * queue)


@called
def new_row(m, r):
    """State before the first cycle, in memory of zeros."""
    store(m, r + _AVAILABLE, _FIRST_WORD)
    store(m, r + _G, _FIRST_WORD - 1)


@inlined
def follow_row(m, r, places, walk, data, turn, low, claims, room):
    """A row makes its pixels of a position, and the multipliers take what comes of them; the cycle after the last of that.

    Parameters
    ----------
    m : pointer
        Memory.
    r : int
        Where the row lies.
    turn : Turn
    low : vector
        The first cycle of the position.
    claims : tuple
        Where the cycles lie that rows before it have claimed, as ``cycle_macs`` says, how many there are, whether it claims some too.
    room : tuple
        What ``cycle_fifo.wait`` asks for besides the cycle.
    """
    claimed, before_it, claims_too = claims
    # What it claims itself is over when it looks for another one.
    claims_there, looks = before_it, before_it > 0
    count = data.lists[turn.list_ + 3]
    chunk, masks, slot, free = turn.chunk, turn.masks, turn.slot, low
    for pixel in range(turn.pixel, turn.pixel + turn.count):
        word, held = data.lists[turn.list_], spread(0)
        for number in range(count):
            z = data.lists[turn.list_ + 2] + number
            length = data.of_z[z]
            at = _meet(m, r, places, walk, data, pixel, word, length, chunk, masks, slot) + walk.stages
            word += length
            nonzero, last = load_bits(data.nonzero, z * walk.pixels + pixel), number == count - 1
            if number:
                # The next one tells the closer whether what it holds ends the pixel.
                goes, written = held if last else held & nonzero, at + _HELD_CLOSED
                others = claims_there if looks else 0
                taken = take(m, claimed, others, room, most(written + _IN_FRONT, free), goes)
                free = _give(m, r + (slot - 1 & places.mask), places, written, taken, goes, free)
                if claims_too:
                    claim(m, claimed, claims_there, taken, goes)
                    claims_there += 1
            lost, here = held & ~nonzero if last else ~nonzero, r + (slot & places.mask)
            if last:
                written, others = at + _CLOSED, claims_there if looks else 0
                taken = take(m, claimed, others, room, most(written + _IN_FRONT, free), nonzero)
                free = _give(m, here, places, written, taken, ~lost, free)
                if claims_too:
                    claim(m, claimed, claims_there, taken, nonzero)
                    claims_there += 1
            else:
                store(m, here + places.written, _NEVER)
            held |= nonzero
            if any_lane(lost):
                _move_up(m, r, places, walk.ahead + 1, slot, lost)
            slot += 1
        place = turn.released + (turn.number + pixel & turn.released_mask)
        store(m, place, most(load(m, place), load(m, r + _G)))
        chunk += turn.chunk_step
        masks += turn.masks_step
    return free


@inlined
def _give(m, entry, places, written, taken, mask, free):
    """A ``z`` is written to the FIFO and taken, in lanes of ``mask``; when the next one can be taken."""
    store(m, entry + places.written, choose(mask, written, load(m, entry + places.written)))
    store(m, entry + places.taken, choose(mask, taken, load(m, entry + places.taken)))
    return choose(mask, taken + 1, free)


@called
def _move_up(m, r, places, limit, slot, lost):
    """What was written before a slot takes that slot, and so on, as far as it still matters, in lanes of ``lost``."""
    for number in range(slot, max(m[LANES * (r + _FIRST_ENTRY)], limit) - limit - 1, -1):
        to, of = r + (number & places.mask), r + (number - 1 & places.mask)
        for kind in (places.written, places.taken):
            store(m, to + kind, choose(lost, load(m, of + kind), load(m, to + kind)))


@inlined
def _meet(m, r, places, walk, data, pixel, word, length, chunk, masks, slot):
    """Some words meet their chunks; when the adders have the last of them."""
    fifo = r + _FIRST_ENTRY, r + places.written, r + places.taken, places.mask, walk.ahead + 1
    g = load(m, r + _G)
    made = g
    for number in range(word, word + length):
        if walk.concentrates or pixel >= walk.pixels - 3:
            store(m, r + _G2, load(m, r + _G1))
            store(m, r + _G1, g)
        g = most(g, load(m, walk.ring + (chunk + data.chunk[number] & walk.ring_mask))) + 1
        if walk.concentrates:
            g = most(g, load(m, r + _U2))
        g = wait(m, fifo, forget(m, fifo, slot, g), slot, g)
        if walk.concentrates:
            made = load(m, r + _U)
            store(m, r + _U2, load(m, r + _U1))
            store(m, r + _U1, made)
            steps = _steps(m, r, data, walk, number, masks + data.chunk[number])
            made = most(made, g + _BEFORE_STEPS) + steps
            store(m, r + _U, made)
    store(m, r + _G, g)
    return made if walk.concentrates else g


@inlined
def _steps(m, r, data, walk, word, masks):
    """Steps of concentration for the coefficients of a word and the activations of a chunk."""
    at = LANES * (r + _WORD_STEPS)
    for lane in range(LANES):
        m[at + lane] = steps_of(data.masks[LANES * masks + lane], data.coefficients[word], walk, data.cut)
    return load(m, r + _WORD_STEPS)


@called
def begin_pass(m, r, pixels, words):
    """The header of the next pass follows all words of a pass."""
    header = most(load(m, r + _AVAILABLE) + (pixels * words - 2), load(m, r + _G2) + 1)
    store(m, r + _AVAILABLE, header + _NEXT_PASS)
    store(m, r + _G, most(load(m, r + _G), header + (_NEXT_PASS - 1)))
