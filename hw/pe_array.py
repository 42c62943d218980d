"""Array: all blocks of PEs, each with an input ring of its own, fed with the same chunks."""

import functools
import operator

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from .bases import basis_write_layout, loaded_layout
from .block import Block
from .coefficients import coefficient_write_layout
from .formats import Layer, control_layout

__all__ = ["PeArray"]


class PeArray(wiring.Component):
    """``blocks`` blocks. A chunk enters the rings of all of them in the same cycle, so they work as one, but each ring drives only its own PEs.

    Members
    -------
    layer : in
        Stable while ``busy``.
    start : in
    busy : out
    i : stream of ``control_layout``, in
        Chunks of the map, once for each pass.
    coefficients : array of streams of ``coefficient_write_layout``, in
        One for each row, row ``pe * rows + row``.
    basis : stream of ``basis_write_layout``, in
        Always ready.
    loaded : stream of ``loaded_layout``, in
        Always ready.
    needed : 2 bits, out
        Which halves of the tables of bases any PE still needs.
    o : array of streams of signed ``accumulator_bits``, out, one for each PE
    """

    def __init__(self, config):
        self._config = config
        super().__init__(
            {
                "layer": In(Layer),
                "start": In(1),
                "busy": Out(1),
                "i": In(stream.Signature(control_layout(config))),
                "coefficients": In(stream.Signature(coefficient_write_layout(config))).array(
                    config.pes * config.rows
                ),
                "basis": In(stream.Signature(basis_write_layout(config))),
                "loaded": In(stream.Signature(loaded_layout)),
                "needed": Out(2),
                "o": Out(stream.Signature(signed(config.accumulator_bits))).array(config.pes),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self._config
        blocks = [Block(config, first_pe=config.block_pes * index) for index in range(config.blocks)]
        m.d.comb += [
            self.basis.ready.eq(1),
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
            ]
            for pe in range(config.block_pes):
                connect(m, block=block.o[pe], results=flipped(self.o[index * config.block_pes + pe]))
            for row in range(config.block_pes * config.rows):
                source = self.coefficients[index * config.block_pes * config.rows + row]
                connect(m, source=flipped(source), block=block.coefficients[row])
        return m
