"""Feeder: it streams the input map of a layer, once for each pass."""

import numpy as np
from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .formats import Layer, dense_layout, read_layout
from .settled import settled

__all__ = ["Feeder"]


class Feeder(wiring.Component):
    """Reads the chunks of a map in raster order, ``passes`` times, one chunk a cycle, one cycle after memory gives it.

    ``input_row`` and ``input_pixel`` are the steps between what is fed, so a strided 1x1 convolution feeds
    only the pixels that it uses. Lanes of a pixel's last chunk beyond its channels leave as zero.

    Members
    -------
    layer : in
        Stable from ``start`` until the last chunk has left.
    start : in
    request : stream of ``read_layout``, out
    response : stream of ``dense_layout``, in
    o : stream of ``dense_layout``, out
    """

    def __init__(self, config):
        self._config = config
        super().__init__(
            {
                "layer": In(Layer),
                "start": In(1),
                "request": Out(stream.Signature(read_layout)),
                "response": In(stream.Signature(dense_layout(config))),
                "o": Out(stream.Signature(dense_layout(config))),
            }
        )

    @staticmethod
    def model(memory, layer):
        """Chunks in the order in which they leave.

        Parameters
        ----------
        memory : array [words, N]
            The input's bank.
        layer : mapping
            ``LAYER_FIELDS``.

        Returns
        -------
        array [passes * height * width * input_chunks, N]
        """
        rows = np.arange(layer["height"]) * layer["input_row"]
        columns = np.arange(layer["width"]) * layer["input_pixel"]
        chunks = np.arange(layer["input_chunks"])
        address = layer["input_base"] + rows[:, None, None] + columns[:, None] + chunks
        fed = np.asarray(memory)[address]
        fed[:, :, -1, layer["input_lanes"] :] = 0
        return np.tile(fed.reshape(-1, fed.shape[-1]), (layer["passes"], 1))

    def elaborate(self, platform):
        m = Module()
        layer = self.layer
        row_address, pixel_address = Signal(16), Signal(16)
        place_bits = self._config.line.bit_length()
        chunk, column, row = Signal(self._config.chunk_bits), Signal(place_bits), Signal(place_bits)
        passes_left = Signal(range(self._config.channels + 1))
        chunks = settled(m, layer.input_chunks - 1, width=self._config.chunk_bits)
        last_chunk = chunk == chunks
        last_column = column == settled(m, layer.width - 1, width=place_bits)
        last_row = row == settled(m, layer.height - 1, width=place_bits)

        def rewind():
            m.d.sync += [
                row_address.eq(layer.input_base),
                pixel_address.eq(layer.input_base),
                chunk.eq(0),
                column.eq(0),
                row.eq(0),
            ]

        m.d.comb += [
            self.request.p.bank.eq(layer.input_bank),
            self.request.p.address.eq(pixel_address + chunk),
        ]
        with m.FSM():
            with m.State("Idle"):
                rewind()
                m.d.sync += passes_left.eq(layer.passes)
                with m.If(self.start):
                    m.next = "Feed"
            with m.State("Feed"):
                m.d.comb += self.request.valid.eq(1)
                with m.If(self.request.ready):
                    m.d.sync += chunk.eq(chunk + 1)
                    with m.If(last_chunk):
                        m.d.sync += [
                            chunk.eq(0),
                            column.eq(column + 1),
                            pixel_address.eq(pixel_address + layer.input_pixel),
                        ]
                        with m.If(last_column):
                            m.d.sync += [
                                column.eq(0),
                                row.eq(row + 1),
                                row_address.eq(row_address + layer.input_row),
                                pixel_address.eq(row_address + layer.input_row),
                            ]
                            with m.If(last_row):
                                rewind()
                                m.d.sync += passes_left.eq(passes_left - 1)
                                with m.If(passes_left == 1):
                                    m.next = "Idle"

        # Which chunk of its pixel a response is: responses come in order.
        arriving = Signal.like(chunk)
        last_arriving = arriving == chunks
        lanes = settled(m, Cat(layer.input_lanes > lane for lane in range(self._config.chunk)))
        with m.If(~self.o.valid | self.o.ready):
            m.d.comb += self.response.ready.eq(1)
            m.d.sync += self.o.valid.eq(self.response.valid)
            for lane, value in enumerate(self.response.payload):
                m.d.sync += self.o.payload[lane].eq(Mux(last_arriving & ~lanes[lane], 0, value))
            with m.If(self.response.valid):
                m.d.sync += arriving.eq(Mux(last_arriving, 0, arriving + 1))
        return m
