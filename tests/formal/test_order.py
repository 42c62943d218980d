"""Components that give one payload for each that they take: nothing lost, nothing twice, in order, and of the right value."""

import pytest
from amaranth.hdl import Cat, Mux, Signal

from hw.butterfly import ControlDecoder
from hw.concentration import Concentration
from hw.double_buffer import DoubleBuffer
from hw.skid import SkidBuffer
from hw.sparsemap import SparseMapDecoder, SparseMapEncoder

from .components import LEAST
from .harness import Harness
from .order import check_order, packed
from .prover import Proof, prove

FOUR = LEAST.replace(chunk=4, lanes=2)


def _two_places(buffer):
    harness = Harness(buffer(3))
    check_order(harness, harness.dut.i, harness.dut.o, lambda payload: payload, latency=1, most=2)
    return harness


def _encoder():
    harness = Harness(SparseMapEncoder(FOUR))
    harness.module.submodules.controls = decoder = ControlDecoder(FOUR.chunk)
    harness.module.d.comb += decoder.mask.eq(Cat(value != 0 for value in harness.dut.i.payload))

    def expected(dense):
        # What the controls do is the butterfly's proof; here they are those of the mask.
        mask = Cat(value != 0 for value in dense)
        return Cat(mask, *packed(mask, list(dense)), decoder.controls)

    check_order(harness, harness.dut.i, harness.dut.o, expected, latency=3, most=3)
    return harness


def _decoder():
    harness = Harness(SparseMapDecoder(4, 2))

    def expected(payload):
        mask, values, dense = payload.mask, payload.values, []
        for lane in range(4):
            rank = sum((mask[other] for other in range(lane)), start=mask[0] & 0)
            dense.append(Mux(mask[lane], values[rank], 0))
        return Cat(mask, *dense)

    check_order(harness, harness.dut.i, harness.dut.o, expected, latency=2, most=2)
    return harness


def _concentration():
    """Of a chosen chunk, the steps hold a chosen position, with its sign, once if it is a match and never if it is not.

    Values name their positions: what a lane carries tells where it was taken from.
    """
    harness = Harness(Concentration(FOUR))
    m, i, o = harness.module, harness.dut.i, harness.dut.o
    position = harness.constant(harness.free("position", range(FOUR.chunk)))
    # The final step of a chunk carries its tag: every chunk has one here.
    harness.assume(~i.valid | i.p.tag.last)
    for place, value in enumerate(i.p.values):
        harness.assume(~i.valid | (value == place))
    sign = Signal()
    given = [lane.valid & (lane.value == position) & (lane.negative == sign) for lane in o.p.lanes]

    enters, leaves = i.valid & i.ready, o.valid & o.ready
    ends = leaves & o.p.tag.last
    chosen, follows, left = harness.free("chosen"), Signal(), Signal()
    under_way, ahead, due = Signal(range(4)), Signal(range(4)), Signal()
    m.d.sync += under_way.eq(under_way + enters - ends)
    still_due = Signal(range(-2, 2))
    m.d.comb += still_due.eq(due - sum(given))
    with m.If(chosen & enters & ~follows & ~left):
        m.d.sync += [
            follows.eq(1),
            ahead.eq(under_way - ends),
            due.eq(i.p.match.bit_select(position, 1)),
            sign.eq(i.p.negative.bit_select(position, 1)),
        ]
    with m.Elif(follows & leaves & (ahead == 0)):
        m.d.sync += [due.eq(still_due), follows.eq(~ends), left.eq(ends)]
        harness.check(still_due >= 0, "a match is given twice, or one that is none is given")
        harness.check(~ends | (still_due == 0), "a match is lost")
    with m.Elif(follows & ends):
        m.d.sync += ahead.eq(ahead - 1)
    quiet = Signal(range(4))
    m.d.sync += quiet.eq(Mux((under_way != 0) & ~o.valid, quiet + 1, 0))
    harness.check(quiet <= 2, "what is under way does not come")
    harness.check(under_way <= 2, "more is under way than there is room for")
    harness.cover(
        follows & leaves & due & (ahead == 0) & ~Cat(given).any() & ~ends,
        "the position leaves in a second step",
    )
    return harness


PROOFS = [
    Proof(
        name="skid buffer",
        claim="gives what it takes, in order, a cycle later at best",
        build=lambda: _two_places(SkidBuffer),
    ),
    Proof(
        name="double buffer",
        claim="gives what it takes, in order, a cycle later at best",
        build=lambda: _two_places(DoubleBuffer),
    ),
    Proof(
        name="SparseMap encoder",
        claim="gives the mask of the non-zeros and exactly the non-zeros, in order, of each chunk in turn",
        build=_encoder,
    ),
    Proof(
        name="SparseMap decoder",
        claim="gives each chunk in turn with its values back in the places of the mask, zeros elsewhere",
        build=_decoder,
    ),
    Proof(
        name="concentration",
        claim="gives every match of each chunk in turn once, and nothing else",
        build=_concentration,
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize("proof", PROOFS, ids=lambda proof: proof.name)
def test_gives_what_it_takes(proof, tmp_path):
    prove(proof, tmp_path)
