"""Gather and scatter mean what they say, for every mask and all data."""

import pytest
from amaranth.hdl import Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from hw.butterfly import BitGather, BitScatter, ControlDecoder

from .harness import Harness
from .order import packed
from .prover import Proof, prove

#: Bits of an element: more are more of the same wires.
_BITS = 2


def _decoded(network, width):
    """A network with the decoder of its mask."""

    class Decoded(wiring.Component):
        mask: In(width)

        def elaborate(self, platform):
            m = Module()
            m.submodules.decoder = decoder = ControlDecoder(width)
            m.submodules.network = network
            m.d.comb += [decoder.mask.eq(self.mask), network.controls.eq(decoder.controls)]
            return m

    return Harness(Decoded())


def _gather(width):
    network = BitGather(width, _BITS)
    harness = _decoded(network, width)
    mask = harness.dut.mask
    data = harness.free("data", network.i.shape().size)
    elements = [data.word_select(lane, _BITS) & mask[lane].replicate(_BITS) for lane in range(width)]
    harness.module.d.comb += [network.i[lane].eq(element) for lane, element in enumerate(elements)]
    for place, element in enumerate(packed(mask, elements)):
        harness.check(network.o[place] == element, f"place {place}")
    harness.cover((mask == 0b1010) & (network.o[1] == 3), "two are gathered")
    return harness


def _scatter(width):
    network = BitScatter(width, _BITS)
    harness = _decoded(network, width)
    mask = harness.dut.mask
    data = harness.free("data", network.i.shape().size)
    harness.module.d.comb += [Value.cast(network.i).eq(data), network.mask.eq(mask)]
    for lane in range(width):
        rank = sum((mask[other] for other in range(lane)), start=mask[0] & 0)
        element = Signal(_BITS, name=f"element_{lane}")
        harness.module.d.comb += element.eq(data.word_select(rank, _BITS) & mask[lane].replicate(_BITS))
        harness.check(network.o[lane] == element, f"lane {lane}")
    harness.cover((mask == 0b1010) & (network.o[3] == 3), "two are scattered")
    return harness


PROOFS = [
    Proof(
        name=f"butterfly {kind}, {width} lanes",
        claim=claim,
        build=lambda build=build, width=width: build(width),
        cover=2,
    )
    for width in (8, 16)
    for kind, claim, build in (
        ("gather", "elements under any mask come to the front in order, zeros above", _gather),
        ("scatter", "element n goes to the n-th place under any mask, zeros elsewhere", _scatter),
    )
]


@pytest.mark.slow
@pytest.mark.parametrize("proof", PROOFS, ids=lambda proof: proof.name)
def test_moves_what_it_should(proof, tmp_path):
    prove(proof, tmp_path)
