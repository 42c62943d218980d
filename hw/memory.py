"""A memory with a streaming read path: block RAM with its output registered."""

from amaranth import *
from amaranth.hdl import ShapeLike
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["WordMemory", "word_write_layout"]


def word_write_layout(shape: ShapeLike, depth: int):
    """A word on its way to its address."""
    return data.StructLayout({"address": range(depth), "data": shape})


class WordMemory(wiring.Component):
    """Words that are written by address and read through a request and a response stream.

    Block RAM is slow from clock to output, so the word read passes a register before it leaves.
    Latency is two cycles, throughput one word a cycle; a stalled response stalls the requests and
    loses nothing. A read that is accepted after a write sees it; one accepted in the same cycle as a
    write of its address returns anything: a block RAM does not care.

    Parameters
    ----------
    shape : shape-like
        Shape of a word.
    depth : int
        Number of words.
    tag : shape-like
        Shape of a value that travels with a request and returns with its response.

    Members
    -------
    write : stream of ``word_write_layout``, in
        Always ready.
    request : stream of ``{"address", "tag"}``, in
    response : stream of ``{"data", "tag"}``, out
    """

    def __init__(self, shape: ShapeLike, depth: int, *, tag: ShapeLike = 1):
        self._shape = shape
        self._depth = depth
        address = range(depth)
        super().__init__(
            {
                "write": In(stream.Signature(word_write_layout(shape, depth))),
                "request": In(stream.Signature(data.StructLayout({"address": address, "tag": tag}))),
                "response": Out(stream.Signature(data.StructLayout({"data": shape, "tag": tag}))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.words = words = memory.Memory(shape=self._shape, depth=self._depth, init=[])
        write_port = words.write_port()
        read_port = words.read_port()
        request, response = self.request, self.response

        m.d.comb += [
            write_port.addr.eq(self.write.p.address),
            write_port.data.eq(self.write.p.data),
            write_port.en.eq(self.write.valid),
            self.write.ready.eq(1),
        ]

        fetched = Signal()
        fetched_tag = Signal.like(request.p.tag)
        register_free = ~response.valid | response.ready
        m.d.comb += [
            request.ready.eq(~fetched | register_free),
            read_port.addr.eq(request.p.address),
            read_port.en.eq(request.valid & request.ready),
        ]
        with m.If(request.ready):
            m.d.sync += [fetched.eq(request.valid), fetched_tag.eq(request.p.tag)]
        with m.If(register_free):
            m.d.sync += [
                response.valid.eq(fetched),
                response.p.data.eq(read_port.data),
                response.p.tag.eq(fetched_tag),
            ]
        return m
