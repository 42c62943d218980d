"""Sum over a whole map, for global average pooling."""

import numpy as np
from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .config import ACTIVATION_BITS
from .formats import Layer, dense_layout, read_layout
from .settled import settled

__all__ = ["GlobalSum"]


class GlobalSum(wiring.Component):
    """Adds all pixels of a map, N channels at a time, and hands the sums to the requantiser.

    One chunk read a cycle; after the pixels of a chunk its N sums leave, ``requantisers`` a cycle, channel 0 first.

    Members
    -------
    layer : in
        Stable from ``start`` until the last sum has been taken.
    start : in
    request : stream of ``read_layout``, out
    response : stream of ``dense_layout``, in
    sums : stream of array of signed ``accumulator_bits``, out
    """

    def __init__(self, config):
        self._config = config
        super().__init__(
            {
                "layer": In(Layer),
                "start": In(1),
                "request": Out(stream.Signature(read_layout)),
                "response": In(stream.Signature(dense_layout(config))),
                "sums": Out(
                    stream.Signature(data.ArrayLayout(signed(config.accumulator_bits), config.requantisers))
                ),
            }
        )

    @staticmethod
    def model(tensor):
        """Sums of an integer tensor [channels, height, width] over its map."""
        return np.asarray(tensor, np.int64).sum(axis=(-2, -1))

    def elaborate(self, platform):
        m = Module()
        config, layer = self._config, self.layer
        sum_shape = signed(ACTIVATION_BITS + 1 + config.activation_words.bit_length())

        chunk, address = Signal(16), Signal(16)
        column, row = Signal(16), Signal(16)
        width, height = settled(m, layer.width - 1), settled(m, layer.height - 1)
        last_pixel = (column == width) & (row == height)
        last_chunk = chunk == settled(m, layer.input_chunks - 1)

        def first_pixel(of_chunk):
            m.d.sync += [address.eq(layer.input_base + of_chunk), column.eq(0), row.eq(0)]

        m.d.comb += [
            self.request.p.bank.eq(layer.input_bank),
            self.request.p.address.eq(address),
        ]
        with m.FSM():
            with m.State("Idle"):
                first_pixel(0)
                m.d.sync += chunk.eq(0)
                with m.If(self.start):
                    m.next = "Read"
            with m.State("Read"):
                m.d.comb += self.request.valid.eq(1)
                with m.If(self.request.ready):
                    m.d.sync += [address.eq(address + layer.input_chunks), column.eq(column + 1)]
                    with m.If(column == width):
                        m.d.sync += [column.eq(0), row.eq(row + 1)]
                    with m.If(last_pixel):
                        first_pixel(chunk + 1)
                        m.d.sync += chunk.eq(chunk + 1)
                        with m.If(last_chunk):
                            m.next = "Idle"

        # Adding stops while sums leave; they move down as they do.
        sums = Signal(data.ArrayLayout(sum_shape, config.chunk))
        arriving_column, arriving_row = Signal(16), Signal(16)
        units = config.requantisers
        given = Signal(range(config.chunk))
        with m.FSM():
            with m.State("Add"):
                m.d.comb += self.response.ready.eq(1)
                with m.If(self.response.valid):
                    for total, byte in zip(sums, self.response.payload, strict=True):
                        value = Cat(byte, byte[-1] & layer.input_signed[0]).as_signed()
                        m.d.sync += total.eq(total + value)
                    m.d.sync += arriving_column.eq(arriving_column + 1)
                    with m.If(arriving_column == width):
                        m.d.sync += [arriving_column.eq(0), arriving_row.eq(arriving_row + 1)]
                        with m.If(arriving_row == height):
                            m.d.sync += arriving_row.eq(0)
                            m.next = "Give"
            with m.State("Give"):
                m.d.comb += self.sums.valid.eq(1)
                m.d.comb += [self.sums.payload[unit].eq(sums[unit]) for unit in range(units)]
                with m.If(self.sums.ready):
                    m.d.sync += [
                        sums.as_value().eq(sums.as_value() >> (units * sum_shape.width)),
                        given.eq(given + units),
                    ]
                    with m.If(given == config.chunk - units):
                        m.d.sync += given.eq(0)
                        m.next = "Add"
        return m
