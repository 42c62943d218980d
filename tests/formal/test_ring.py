"""The input ring: no entry is lost, freed early, read twice or out of order, whatever the other reader does."""

import pytest
from amaranth.hdl import Cat, Mux, Signal, Value

from hw.ring import InputRing

from .components import TREE
from .harness import Harness
from .prover import Proof, prove

#: Two rows, one of each class; pixels of two chunks.
CONFIG = TREE.replace(kernel_height=2, kernel_width=2, rows=2, ring=8, channels=4)
CHUNKS = CONFIG.chunks
#: Cycles from an entry that is taken to one that is present.
LATENCY = 2
#: Cycles in which the ring may refuse entries although nobody has any to read.
RECOVERY = 2


def _ring(squares):
    """Two readers that keep to what rows do; one entry, any, is followed until the first reader has passed it.

    What the first reader is to see is counted here, by what has entered and what it has released. It stands for the
    other: the two are alike, and which class it is of is free. Of the entry one bit is followed: the others are more
    of the same memory.
    """
    harness = Harness(
        InputRing(CONFIG, 2), static=["last_upper", "last_left"], driven=["squares", "start", "pixel_chunks"]
    )
    m, dut = harness.module, harness.dut
    start, begun, running = harness.free("start"), Signal(), Signal()
    m.d.comb += [dut.squares.eq(squares), dut.pixel_chunks.eq(CHUNKS), dut.start.eq(start)]
    m.d.sync += [begun.eq(1), running.eq(running | start)]
    # A layer begins when its description has been there for a cycle; then entries come.
    harness.assume(~start | (begun & ~running))
    harness.assume(~dut.i.valid | running)

    enters = dut.i.valid & dut.i.ready
    step = CHUNKS * (CONFIG.classes if squares else 1)
    turned = Cat(dut.last_left, dut.last_upper)[: (CONFIG.classes - 1).bit_length()]
    levels = []
    for index, reader in enumerate(dut.readers):
        # A row reads the chunks of its pixel, and releases the pixel with the last one that it needs.
        harness.assume(reader.offset < CHUNKS)
        harness.assume(~reader.advance | (running & reader.present))
        first = CHUNKS * (index ^ turned) if squares else 0
        level = Signal(range(-CONFIG.ring, CONFIG.ring + 1), name=f"level_{index}")
        m.d.sync += level.eq(Mux(start, -first, level + enters - Mux(reader.advance, step, 0)))
        levels.append(level)

    refused = Signal(range(RECOVERY + 2))
    idle = running & Cat(level <= 0 for level in levels).all()
    m.d.sync += refused.eq(Mux(idle & ~dut.i.ready, refused + 1, 0))
    harness.check(refused <= RECOVERY, "nobody needs what is in the ring, and there is no room")
    _follow(harness, dut.readers[0], enters, levels[0], Mux(dut.readers[0].advance, step, 0))
    return harness


def _follow(harness, reader, enters, level, released):
    m = harness.module
    chosen, followed, follows = harness.free("chosen"), Signal(), Signal()
    value, distance = Signal(), Signal(level.shape())
    with m.If(chosen & enters & ~followed):
        # Entries before the reader's first one, or that it has passed, are none of its business.
        m.d.sync += [
            followed.eq(1),
            value.eq(Value.cast(harness.dut.i.payload)[0]),
            distance.eq(level - released),
            follows.eq(level - released >= 0),
        ]
    with m.Elif(follows):
        m.d.sync += [distance.eq(distance - released), follows.eq(distance - released >= 0)]
    wanted = follows & (distance == reader.offset)
    harness.check(~reader.present | (reader.offset < level), "an entry is present that nobody has written")
    harness.check(
        ~(wanted & reader.present) | (Value.cast(reader.entry)[0] == value),
        "another entry stands in its place",
    )
    missing = Signal(range(LATENCY + 2))
    m.d.sync += missing.eq(Mux(wanted & ~reader.present, missing + 1, 0))
    harness.check(missing <= LATENCY, "an entry that was written does not become present")
    harness.cover(
        wanted & reader.present & value & reader.advance & (distance == CHUNKS - 1),
        "the last chunk of a pixel",
    )


PROOFS = [
    Proof(
        name=f"input ring, {kind}",
        claim="a reader sees every entry of its pixels, unchanged, in order, until it has released it, and no other",
        build=lambda squares=squares: _ring(squares),
        cover=14,
    )
    for kind, squares in (("pixel by pixel", 0), ("in squares", 1))
]


@pytest.mark.slow
@pytest.mark.parametrize("proof", PROOFS, ids=lambda proof: proof.name)
def test_ring_keeps_its_entries(proof, tmp_path):
    prove(proof, tmp_path)
