"""Block: PEs that share one input ring."""

import functools
import operator

import numpy as np
from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from .bases import basis_write_layout, loaded_layout
from .coefficients import coefficient_write_layout
from .formats import Layer, ring_layout
from .pe import ProcessingElement
from .ring import InputRing

__all__ = ["Block", "block_ports"]


def block_ports(config, pes):
    """Members of ``Block`` for ``pes`` processing elements."""
    return {
        "layer": In(Layer),
        "start": In(1),
        "busy": Out(1),
        "i": In(stream.Signature(ring_layout(config))),
        "coefficients": In(stream.Signature(coefficient_write_layout(config))).array(pes * config.rows),
        "basis": In(stream.Signature(basis_write_layout(config))),
        "loaded": In(stream.Signature(loaded_layout)),
        "needed": Out(2),
        "o": Out(stream.Signature(signed(config.accumulator_bits))).array(pes),
    }


class Block(wiring.Component):
    """Some processing elements and the input ring that their rows read.

    PEs fill most of a part. What is meant for those of a block comes through a register of the block: the start, coefficients and bases,
    as chunks do in the ring. ``busy`` and ``needed`` follow by as much.

    Parameters
    ----------
    config : Config
        ``block_pes`` PEs.
    first_pe : int
        Number of its first PE among those of all blocks.

    Members
    -------
    layer : in
        Stable while ``busy``.
    start : in
    busy : out
    i : stream of ``ring_layout``, in
        Chunks of the map in raster order, once for each pass.
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

    def __init__(self, config, first_pe=0):
        self._config = config
        self._first_pe = first_pe
        super().__init__(block_ports(config, config.block_pes))

    @staticmethod
    def model(config, chunks, lists, bases, layer):
        """Results of every PE, int64 [PEs, passes, output_height, output_width].

        ``lists`` has for each PE what ``ProcessingElement.model`` takes; the rest is the same for all.
        """
        return np.stack(
            [ProcessingElement.model(config, chunks, pe_lists, bases, layer) for pe_lists in lists]
        )

    def elaborate(self, platform):
        m = Module()
        config = self._config
        m.submodules.ring = ring = InputRing(config, readers=config.block_pes * config.rows)
        start, basis, loaded = Signal(), Signal.like(self.basis.p), Signal.like(self.loaded.p)
        basis_comes, loaded_comes = Signal(), Signal()
        m.d.sync += [
            start.eq(self.start),
            basis.eq(self.basis.p),
            basis_comes.eq(self.basis.valid),
            loaded.eq(self.loaded.p),
            loaded_comes.eq(self.loaded.valid),
        ]
        m.d.comb += [
            ring.start.eq(start),
            ring.pixel_chunks.eq(self.layer.input_chunks),
            ring.squares.eq(self.layer.squares),
            ring.last_upper.eq(self.layer.last_upper),
            ring.last_left.eq(self.layer.last_left),
        ]
        connect(m, chunks=flipped(self.i), ring=ring.i)

        busy = Signal(config.block_pes)
        needed = []
        m.d.comb += [self.busy.eq(self.start | busy.any()), self.basis.ready.eq(1), self.loaded.ready.eq(1)]
        for index in range(config.block_pes):
            m.submodules[f"pe_{index}"] = pe = ProcessingElement(config)
            m.d.comb += [
                pe.layer.eq(self.layer),
                pe.start.eq(start),
                busy[index].eq(pe.busy),
                pe.basis.payload.eq(basis),
                pe.basis.valid.eq(basis_comes & (basis.every | (basis.pe == self._first_pe + index))),
                pe.loaded.payload.eq(loaded),
                pe.loaded.valid.eq(loaded_comes),
            ]
            needed.append(pe.needed)
            connect(m, pe=pe.o, results=flipped(self.o[index]))
            for row in range(config.rows):
                reader = index * config.rows + row
                connect(m, pe=pe.readers[row], ring=ring.readers[reader])
                source, sink = self.coefficients[reader], pe.coefficients[row]
                m.d.comb += source.ready.eq(1)
                m.d.sync += [sink.payload.eq(source.payload), sink.valid.eq(source.valid)]
        m.d.comb += self.needed.eq(functools.reduce(operator.or_, needed))
        return m
