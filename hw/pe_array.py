"""Array: all blocks of PEs, each with an input ring of its own, fed with the same chunks."""

import functools
import operator

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import connect, flipped

from .block import Block, block_ports

__all__ = ["PeArray"]


class PeArray(wiring.Component):
    """``blocks`` blocks. A chunk enters the rings of all of them in the same cycle, so they work as one, but each ring drives only its own PEs.

    Members
    -------
    Those of ``Block``, for all PEs.
    """

    def __init__(self, config):
        self._config = config
        super().__init__(block_ports(config, config.pes))

    def elaborate(self, platform):
        m = Module()
        config = self._config
        blocks = [Block(config, first_pe=config.block_pes * index) for index in range(config.blocks)]
        m.d.comb += [
            self.basis.ready.eq(1),
            self.coefficients.ready.eq(1),
            self.loaded.ready.eq(1),
            self.busy.eq(Cat(block.busy for block in blocks).any()),
            self.needed.eq(functools.reduce(operator.or_, (block.needed for block in blocks))),
            self.i.ready.eq(Cat(block.i.ready for block in blocks).all()),
        ]
        for index, block in enumerate(blocks):
            m.submodules[f"block_{index}"] = block
            others = Cat(other.i.ready for other in blocks if other is not block)
            m.d.comb += [
                block.layer.eq(self.layer),
                block.start.eq(self.start),
                block.i.payload.eq(self.i.payload),
                block.i.valid.eq(self.i.valid & others.all()),
                block.basis.payload.eq(self.basis.payload),
                block.basis.valid.eq(self.basis.valid),
                block.loaded.payload.eq(self.loaded.payload),
                block.loaded.valid.eq(self.loaded.valid),
                block.coefficients.payload.eq(self.coefficients.payload),
                block.coefficients.valid.eq(self.coefficients.valid),
            ]
            for pe in range(config.block_pes):
                connect(m, block=block.o[pe], results=flipped(self.o[index * config.block_pes + pe]))
        return m
