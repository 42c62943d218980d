"""A memory with one port, as large memories of small parts have it."""

from amaranth import *
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["SinglePortMemory"]


class SinglePortMemory(wiring.Component):
    """Words that are read or written, one in a cycle: what becomes of a read while there is a write is not defined.

    A word read comes a cycle later and stays until the next read.

    Parameters
    ----------
    depth : int
        Words.
    pieces : int
        Parts of a word that can be written apart.
    piece_bits : int

    Members
    -------
    address : in
    reads : in
    writes : in, one bit for each piece
    data : in
        What is written.
    word : out
    """

    def __init__(self, depth, pieces, piece_bits):
        self._depth, self._piece_bits = depth, piece_bits
        width = pieces * piece_bits
        super().__init__(
            {
                "address": In(range(depth)),
                "reads": In(1),
                "writes": In(pieces),
                "data": In(width),
                "word": Out(width),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.words = words = memory.Memory(shape=len(self.data), depth=self._depth, init=[])
        write_port, read_port = words.write_port(granularity=self._piece_bits), words.read_port()
        m.d.comb += [
            write_port.addr.eq(self.address),
            write_port.data.eq(self.data),
            write_port.en.eq(self.writes),
            read_port.addr.eq(self.address),
            # Tools find a single port only where reading and writing exclude each other.
            read_port.en.eq(self.reads & ~self.writes.any()),
            self.word.eq(read_port.data),
        ]
        return m
