"""A row whose match waits for nothing behind it never loses a ``z``: its FIFO has a place for every one that comes."""

import pytest
from amaranth.hdl import Assert, Cover

from hw.row import Row

from .components import LEAST, TREE
from .harness import Harness
from .prover import Proof, prove


class _Watched(Row):
    """A row that shows its FIFO to the proof."""

    def elaborate(self, platform):
        m = super().elaborate(platform)
        fifo = m.submodules.fifo
        m.d.comb += [
            Assert(~fifo.w_en | fifo.w_rdy, "a z comes that the FIFO has no place for"),
            Cover(fifo.level == fifo.depth, "every place is needed"),
        ]
        return m


PROOFS = [
    Proof(
        name=f"FIFO of a row, {config.accumulation}",
        claim="has a place for every `z` that comes, whatever the coefficients, the chunks and the multipliers do",
        build=lambda config=config: Harness(_Watched(config), static=["layer"]),
        cover=45,
    )
    for config in (LEAST, TREE)
]


@pytest.mark.slow
@pytest.mark.parametrize("proof", PROOFS, ids=lambda proof: proof.name)
def test_a_row_has_a_place_for_every_z(proof, tmp_path):
    prove(proof, tmp_path)
