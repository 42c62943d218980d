"""Block: PEs that share one input ring."""

import functools
import operator

import numpy as np
from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from .bases import basis_write_layout, loaded_layout
from .coefficients import row_write_layout
from .formats import Layer, ring_layout
from .pe import ProcessingElement
from .relay import NEAR, Relay
from .ring import InputRing

__all__ = ["Block", "block_ports"]


def block_ports(config, pes):
    """Members of ``Block`` for ``pes`` processing elements."""
    return {
        "layer": In(Layer),
        "start": In(1),
        "busy": Out(1),
        "i": In(stream.Signature(ring_layout(config))),
        "coefficients": In(stream.Signature(row_write_layout(config))),
        "basis": In(stream.Signature(basis_write_layout(config))),
        "loaded": In(stream.Signature(loaded_layout)),
        "needed": Out(2),
        "o": Out(stream.Signature(signed(config.accumulator_bits))).array(pes),
    }


class Block(wiring.Component):
    """Some processing elements and the input ring that their rows read.

    PEs fill most of a part. What is meant for all of them comes to a few at a time through a relay: the start, coefficients and bases,
    as chunks do in the ring.

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
    coefficients : stream of ``row_write_layout``, in
        Always ready. Rows of other blocks are left alone.
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
        m.d.comb += [
            ring.start.eq(self.start),
            ring.pixel_chunks.eq(self.layer.input_chunks),
            ring.squares.eq(self.layer.squares),
            ring.last_upper.eq(self.layer.last_upper),
            ring.last_left.eq(self.layer.last_left),
        ]
        connect(m, chunks=flipped(self.i), ring=ring.i)

        streams = {"basis": self.basis, "loaded": self.loaded, "coefficients": self.coefficients}
        layout = data.StructLayout(
            {"start": 1}
            | {
                name: data.StructLayout({"valid": 1, "payload": source.payload.shape()})
                for name, source in streams.items()
            }
        )
        busy, starts = Signal(config.block_pes), Signal(config.block_pes)
        needed = []
        m.d.comb += [
            self.busy.eq(self.start | starts.any() | busy.any()),
            *(source.ready.eq(1) for source in streams.values()),
        ]
        for index in range(config.block_pes):
            if index % NEAR == 0:
                m.submodules[f"relay_{index // NEAR}"] = relay = Relay(layout)
                m.d.comb += relay.i.start.eq(self.start)
                for name, source in streams.items():
                    m.d.comb += [
                        relay.i[name].valid.eq(source.valid),
                        relay.i[name].payload.eq(source.payload),
                    ]
                basis, loaded, coefficients = (relay.o[name] for name in streams)
            number = self._first_pe + index
            m.submodules[f"pe_{index}"] = pe = ProcessingElement(config)
            m.d.comb += [
                pe.layer.eq(self.layer),
                pe.start.eq(relay.o.start),
                busy[index].eq(pe.busy),
                starts[index].eq(relay.o.start),
                pe.basis.payload.eq(basis.payload),
                pe.basis.valid.eq(basis.valid & (basis.payload.every | (basis.payload.pe == number))),
                pe.loaded.payload.eq(loaded.payload),
                pe.loaded.valid.eq(loaded.valid),
            ]
            needed.append(pe.needed)
            connect(m, pe=pe.o, results=flipped(self.o[index]))
            for row in range(config.rows):
                reader = index * config.rows + row
                connect(m, pe=pe.readers[row], ring=ring.readers[reader])
                addressed = coefficients.payload.row == number * config.rows + row
                m.d.comb += [
                    pe.coefficients[row].payload.eq(coefficients.payload.write),
                    pe.coefficients[row].valid.eq(coefficients.valid & addressed),
                ]
        m.d.comb += self.needed.eq(functools.reduce(operator.or_, needed))
        return m
