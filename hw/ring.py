"""The input ring: written once, read by every row at its own pace."""

import numpy as np
from amaranth import *
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from .formats import ring_layout
from .relay import NEAR, Relay
from .settled import settled

__all__ = ["InputRing", "ReaderSignature", "RingCopy"]


class ReaderSignature(wiring.Signature):
    """How one row reads the ring. The row is the initiator.

    Members
    -------
    offset : out
        Which chunk of the reader's current pixel is wanted.
    present : in
        That chunk has been written; ``entry`` holds it in the same cycle.
    entry : in
    advance : out
        The reader is through with its current pixel: its chunks are free as far as it is concerned.
    """

    def __init__(self, config):
        super().__init__(
            {
                "offset": Out(config.chunk_bits),
                "present": In(1),
                "entry": In(ring_layout(config)),
                "advance": Out(1),
            }
        )


class RingCopy(wiring.Component):
    """What the rows of one PE read: their own copy of the ring, in one memory for each, written as all the others are.

    Members
    -------
    start, i
        As of ``InputRing``; ``i`` is always ready. Readers ask for nothing in the cycle after ``start``, those of ``InputRing`` in two.
    passed_by : array of counters, in, one for each class of rows
        Chunks before the first pixel of a class.
    step : in
        Chunks from one pixel of a reader to its next. Stable like ``passed_by`` from ``start`` until the ring is empty.
    readers : array of ``ReaderSignature``, in
    near_full : out, one bit for each reader
    """

    def __init__(self, config, readers):
        self._config = config
        chunks = range(config.classes * config.chunks + 1)
        super().__init__(
            {
                "start": In(1),
                "passed_by": In(chunks).array(config.classes),
                "step": In(chunks),
                "i": In(stream.Signature(ring_layout(config), always_ready=True)),
                "readers": In(ReaderSignature(config)).array(readers),
                "near_full": Out(readers),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self._config
        depth = config.ring
        # Without the attribute, yosys takes registers for a short ring, and from 16 readers on it comes to no end.
        m.submodules.entries = entries = memory.Memory(
            shape=ring_layout(config), depth=depth, init=[], attrs={"ram_style": "distributed"}
        )
        write_port = entries.write_port()
        write_address = Signal(range(depth))
        write = self.i.valid
        step, passed_by = settled(m, self.step), [settled(m, number) for number in self.passed_by]
        m.d.comb += [
            write_port.addr.eq(write_address),
            write_port.data.eq(self.i.payload),
            write_port.en.eq(write),
        ]
        m.d.sync += [
            write_address.eq(write_address + write),
        ]
        for index, reader in enumerate(self.readers):
            read_port = entries.read_port(domain="comb")
            base = Signal(range(depth), name=f"base_{index}")
            level = Signal(range(-config.classes * config.chunks, depth + 1), name=f"level_{index}")
            released = Mux(reader.advance, step, 0)
            first = passed_by[index % config.classes]
            m.d.comb += [
                read_port.addr.eq(base + reader.offset),
                reader.entry.eq(read_port.data),
                reader.present.eq(reader.offset < level),
            ]
            m.d.sync += [
                base.eq(base + released),
                level.eq(level + write - released),
                self.near_full[index].eq(level > depth - config.ring_unseen),
            ]
            with m.If(self.start):
                m.d.sync += [base.eq(write_address + first), level.eq(-first)]
        return m


class InputRing(wiring.Component):
    """Ring buffer of SparseMap chunks shared by all rows (ESCALATE's input buffer).

    For every reader a counter holds how many entries are written but not yet released by it. An entry is
    present for a reader if its offset is below that counter; its place is free again when the counter of
    the slowest reader no longer covers it. A reader may release a pixel whose last chunks it does not need
    before they are written: its counter is negative until they are. One chunk a cycle is written, and read two cycles
    after it was taken; every reader reads one a cycle, with no latency: reads are asynchronous, from distributed RAM.

    There may be many readers, far apart. So the rows of each PE have a copy, the copies of a few PEs a relay before them, and what they have to
    say about room passes two: ``ready`` falls when ``Config.ring_unseen`` places are left.

    Where pixels come in ``squares`` of four, each class of rows reads its own ones: it begins at the first of them and passes the others by.

    Parameters
    ----------
    config : Config
        ``ring`` entries.
    readers : int
        Rows that read, ``rows`` of each PE.

    Members
    -------
    start : in
        Begins a layer; the ring must be empty.
    pixel_chunks : in
        Entries of one pixel. Stable from the cycle before ``start`` until the ring is empty.
    squares, last_upper, last_left : in
        Likewise. Fields of the layer.
    i : stream of ``ring_layout``, in
    readers : array of ``ReaderSignature``, in
    """

    def __init__(self, config, readers):
        self._config = config
        self._readers = readers
        super().__init__(
            {
                "start": In(1),
                "pixel_chunks": In(range(config.chunks + 1)),
                "squares": In(1),
                "last_upper": In(1),
                "last_left": In(1),
                "i": In(stream.Signature(ring_layout(config))),
                "readers": In(ReaderSignature(config)).array(readers),
            }
        )

    @staticmethod
    def model(entries, pixel_chunks, offsets):
        """What a reader sees that reads ``offsets`` of every pixel.

        Parameters
        ----------
        entries : array [pixels * pixel_chunks]
        offsets : sequence of int
            Chunk numbers below ``pixel_chunks``.

        Returns
        -------
        array [pixels * len(offsets)]
        """
        pixels = np.asarray(entries).reshape(-1, pixel_chunks)
        return pixels[:, list(offsets)].reshape(-1)

    def elaborate(self, platform):
        m = Module()
        config = self._config
        classes = config.classes
        turned = Cat(self.last_left, self.last_upper)[: (classes - 1).bit_length()]
        passed_by = [
            settled(m, Mux(self.squares, self.pixel_chunks * (number ^ turned), 0))
            for number in range(classes)
        ]
        step = settled(m, Mux(self.squares, self.pixel_chunks * classes, self.pixel_chunks))
        # What goes to the copies.
        layout = data.StructLayout({"start": 1, "valid": 1, "chunk": ring_layout(config)})
        near_full = []
        for number, first in enumerate(range(0, self._readers, config.rows)):
            if number % NEAR == 0:
                m.submodules[f"relay_{number // NEAR}"] = relay = Relay(layout)
                m.d.comb += [
                    relay.i.start.eq(self.start),
                    relay.i.valid.eq(self.i.valid & self.i.ready),
                    relay.i.chunk.eq(self.i.payload),
                ]
            readers = self.readers[first : first + config.rows]
            m.submodules[f"copy_{number}"] = copy = RingCopy(config, len(readers))
            m.d.comb += [
                copy.start.eq(relay.o.start),
                copy.step.eq(step),
                copy.i.payload.eq(relay.o.chunk),
                copy.i.valid.eq(relay.o.valid),
                *(to.eq(value) for to, value in zip(copy.passed_by, passed_by, strict=True)),
            ]
            for outer, inner in zip(readers, copy.readers, strict=True):
                connect(m, flipped(outer), inner)
            near_full.append(copy.near_full)
        m.d.sync += self.i.ready.eq(~Cat(near_full).any())
        return m
