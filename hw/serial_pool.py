"""Pooling of the serial machine: windows of one channel become sums or maxima."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .comparison import greater
from .config import ACTIVATION_BITS
from .formats import Layer, Operation, dense_layout
from .serial_plane import plane_write_layout

__all__ = ["SerialPool"]


class SerialPool(wiring.Component):
    """Looks at every place of every window, one in a cycle, and gives the sum or the maximum of those in the map.

    Windows come in raster order. Of a chunk one lane is used. From the last place of a window it takes two cycles until its result is
    written, in which the places of the next one are looked at.

    Members
    -------
    layer : in
        Stable from the cycle before ``start`` until ``busy`` falls.
    start : in
    chunk, lane : in
        Channel of the input: chunk of a pixel, and lane in it. Stable likewise.
    busy : out
    reads : out
        An activation chunk is asked for; what comes for a place beside the map is not looked at.
    address : out
        Where it lies in the input's bank.
    word : in
        What was asked for last, from the cycle after.
    write : stream of ``plane_write_layout``, out
        Must always be ready.
    """

    def __init__(self, config):
        self._config = config
        super().__init__(
            {
                "layer": In(Layer),
                "start": In(1),
                "chunk": In(config.chunk_bits),
                "lane": In(range(config.chunk)),
                "busy": Out(1),
                "reads": Out(1),
                "address": Out(range(config.activation_words)),
                "word": In(dense_layout(config)),
                "write": Out(stream.Signature(plane_write_layout(config))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config, layer = self._config, self.layer
        # Words from the first row, or place of a row, of the map to that of the window, and to what is looked at.
        beyond = signed((config.activation_words - 1).bit_length() + 5)
        window_row, window_column, row, column = (
            Signal(beyond, name=name) for name in ("window_row", "window_column", "row", "column")
        )
        output_row, output_column = (
            Signal(range(config.plane_words), name=name) for name in ("output_row", "output_column")
        )
        last_in_row = column == window_column + layer.window_pixel
        last = last_in_row & (row == window_row + layer.window_row)
        last_column = output_column + 1 == layer.output_width
        last_window = last_column & (output_row + 1 == layer.output_height)
        in_map = (row >= 0) & (column >= 0) & (row <= layer.map_height) & (column <= layer.map_width)

        looks = Signal()
        m.d.comb += [
            self.reads.eq(looks),
            self.address.eq(layer.input_base + self.chunk + row + column),
        ]

        def next_window():
            following = window_column + layer.step_pixel
            m.d.sync += [
                output_column.eq(output_column + 1),
                window_column.eq(following),
                column.eq(following),
                row.eq(window_row),
            ]
            with m.If(last_column):
                below = window_row + layer.step_row
                m.d.sync += [
                    output_column.eq(0),
                    output_row.eq(output_row + 1),
                    window_column.eq(-layer.pad_left),
                    column.eq(-layer.pad_left),
                    window_row.eq(below),
                    row.eq(below),
                ]

        with m.FSM() as fsm:
            with m.State("Idle"):
                m.d.sync += [
                    output_row.eq(0),
                    output_column.eq(0),
                    window_row.eq(-layer.pad_top),
                    row.eq(-layer.pad_top),
                    window_column.eq(-layer.pad_left),
                    column.eq(-layer.pad_left),
                ]
                with m.If(self.start):
                    m.next = "Look"
            with m.State("Look"):
                m.d.comb += looks.eq(1)
                m.d.sync += column.eq(column + layer.input_pixel)
                with m.If(last_in_row):
                    m.d.sync += [column.eq(window_column), row.eq(row + layer.input_row)]
                with m.If(last):
                    next_window()
                    with m.If(last_window):
                        m.next = "Finish"
            with m.State("Finish"):
                m.next = "Settle"
            with m.State("Settle"):
                m.next = "Idle"
        m.d.comb += self.busy.eq(~fsm.ongoing("Idle"))

        # What was looked at is there; what is complete is written a cycle later, beside the first place of the next window.
        maximum = layer.operation == Operation.MAX_POOL.value
        there, ended, fresh = Signal(), Signal(), Signal(init=1)
        value = self.word[self.lane]
        # Without its sign a number is compared as one that is shifted by half the range.
        flip = layer.input_signed[0] << ACTIVATION_BITS - 1
        total = Signal(signed(config.accumulator_bits))
        signed_value = Cat(value, value[-1] & layer.input_signed[0]).as_signed()
        best = fresh | greater(value ^ flip, total[:ACTIVATION_BITS] ^ flip)
        m.d.sync += [there.eq(looks & in_map), ended.eq(looks & last)]
        m.d.sync += fresh.eq((fresh & ~there) | ended)
        with m.If(there):
            m.d.sync += total.eq(Mux(fresh, 0, total) + signed_value)
            with m.If(maximum):
                m.d.sync += total.eq(Mux(best, signed_value, total))
        m.d.sync += self.write.valid.eq(ended)
        with m.If(self.write.valid):
            m.d.sync += self.write.p.position.eq(self.write.p.position + 1)
        with m.If(self.start):
            m.d.sync += self.write.p.position.eq(0)
        m.d.comb += self.write.p.sum.eq(total)
        return m
