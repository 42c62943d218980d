"""Coefficient memory of one row, and the walk through its lists."""

import numpy as np
from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from .formats import Layer, coefficient_layout, header_layout
from .memory import WordMemory, word_write_layout

__all__ = ["CoefficientWalker", "coefficient_write_layout", "row_write_layout", "walked_layout"]


def coefficient_write_layout(config):
    """A word on its way to the coefficient memory of a row."""
    return word_write_layout(coefficient_layout(config), config.coefficient_words)


def row_write_layout(config):
    """The same on its way to any of the rows of all PEs, row ``pe * rows + row``."""
    return data.StructLayout(
        {"row": range(config.pes * config.rows), "write": coefficient_write_layout(config)}
    )


def walked_layout(config):
    """A coefficient word and whether it is the row's last of the pixel."""
    return data.StructLayout({"word": coefficient_layout(config), "end": 1})


class CoefficientWalker(wiring.Component):
    """Gives a row its coefficient words in the order in which it needs them.

    A layer's lists lie one after the other, one for each pass, each behind a header that says how long it is.
    The list of a pass is given once for every pixel of the map::

        for pass in passes:
            count = memory[header]
            for pixel in pixels:
                for index in count:
                    give memory[header + 1 + index], end = index == count - 1
            header += 1 + count

    The address never waits for a word, so lists of any length come at one word a cycle; a header costs three cycles
    between two passes.

    Members
    -------
    layer : in
        Stable from ``start`` until the last word has been taken.
    start : in
    write : stream of ``coefficient_write_layout``, in
        Always ready.
    o : stream of ``walked_layout``, out
    """

    def __init__(self, config):
        self._config = config
        self._memory_tag = data.StructLayout({"header": 1, "end": 1})
        super().__init__(
            {
                "layer": In(Layer),
                "start": In(1),
                "write": In(stream.Signature(coefficient_write_layout(config))),
                "o": Out(stream.Signature(walked_layout(config))),
            }
        )

    @staticmethod
    def model(lists, pixels):
        """The words given for ``pixels`` pixels a pass.

        Parameters
        ----------
        lists : list of dict
            The words of each pass: arrays named as in ``coefficient_layout``, one row a word; ``map`` and
            ``negative`` are [words, N] of 0 and 1.
        pixels : int

        Returns
        -------
        dict of arrays
            The same fields, and ``end`` and ``pixel``, one row for each word given.
        """
        order = [np.tile(np.arange(len(words["last"])), pixels) for words in lists]
        given = {
            name: np.concatenate([words[name][rows] for words, rows in zip(lists, order, strict=True)])
            for name in lists[0]
        }
        counts = [len(words["last"]) for words in lists]
        given["end"] = np.concatenate(
            [(rows == count - 1).astype(np.int64) for rows, count in zip(order, counts, strict=True)]
        )
        given["pixel"] = np.concatenate([np.repeat(np.arange(pixels), count) for count in counts])
        return given

    def elaborate(self, platform):
        m = Module()
        config = self._config
        m.submodules.memory = words = WordMemory(
            coefficient_layout(config), config.coefficient_words, tag=self._memory_tag
        )
        connect(m, flipped(self.write), words.write)
        request, response = words.request, words.response

        count = data.View(header_layout(config), response.p.data.as_value()[: header_layout(config).size])
        # What is asked for next, and the first word of the list.
        address, first = Signal(range(config.coefficient_words)), Signal(range(config.coefficient_words))
        index = Signal(range(config.coefficient_words))
        last_index = Signal.like(index)
        pixels_left = Signal(16)
        passes_left = Signal(range(config.channels + 1))
        last_word = index == last_index
        last_pixel = pixels_left == 1

        def next_pixel():
            m.d.sync += [index.eq(0), address.eq(first), pixels_left.eq(pixels_left - 1)]

        def next_pass():
            m.d.sync += [
                pixels_left.eq(self.layer.pixels),
                address.eq(address + 1),
                passes_left.eq(passes_left - 1),
            ]

        m.d.comb += request.p.address.eq(address)
        with m.FSM():
            with m.State("Idle"):
                m.d.sync += [
                    address.eq(self.layer.coefficient_base),
                    passes_left.eq(self.layer.passes),
                    pixels_left.eq(self.layer.pixels),
                    index.eq(0),
                ]
                with m.If(self.start):
                    m.next = "Header"
            with m.State("Header"):
                m.d.comb += [request.valid.eq(1), request.p.tag.header.eq(1)]
                with m.If(request.ready):
                    m.d.sync += [address.eq(address + 1), first.eq(address + 1)]
                    m.next = "Count"
            with m.State("Count"):
                with m.If(response.valid & response.p.tag.header):
                    m.d.sync += last_index.eq(count.count - 1)
                    m.next = "Walk"
            with m.State("Walk"):
                m.d.comb += [
                    request.valid.eq(1),
                    request.p.tag.end.eq(last_word),
                ]
                with m.If(request.ready):
                    m.d.sync += [index.eq(index + 1), address.eq(address + 1)]
                    with m.If(last_word):
                        next_pixel()
                        with m.If(last_pixel):
                            next_pass()
                            m.next = "Header"
                            with m.If(passes_left == 1):
                                m.next = "Idle"

        m.d.comb += [
            self.o.valid.eq(response.valid & ~response.p.tag.header),
            self.o.p.word.eq(response.p.data),
            self.o.p.end.eq(response.p.tag.end),
            response.ready.eq(self.o.ready | response.p.tag.header),
        ]
        return m
