"""Feeder: it streams the input map of a layer, once for each pass."""

import numpy as np
from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out

from .activations import ActivationMemory
from .formats import Layer, dense_layout, read_layout
from .settled import settled

__all__ = ["Feeder"]

#: Chunks between request and ring: in memory, here, in the encoder, on the way to the ring.
_TO_RING = 15


class Feeder(wiring.Component):
    """Reads the chunks of a map, ``passes`` times, one chunk a cycle, one cycle after memory gives it.

    Pixels come in raster order, or, ``squares``, in squares of 2 x 2, themselves in raster order and each pixel after
    pixel; what the last ones hold beyond the map leaves as zero.
    ``input_row`` and ``input_pixel`` are the steps between what is fed, so a strided 1x1 convolution feeds
    only the pixels that it uses. ``input_repeat`` passes see the same chunks; the next ones those ``input_pass`` words further.
    Lanes of a pixel's last chunk beyond its channels leave as zero.

    Members
    -------
    layer : in
        Stable while ``busy``.
    start : in
    busy : out
        Until the last chunk has arrived.
    arrived : in
        A chunk has come where it is used, the input ring.
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
                "busy": Out(1),
                "arrived": In(1),
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
        array [passes * pixels * input_chunks, N]
        """
        memory, size = np.asarray(memory), 2 if layer["squares"] else 1
        rows = np.arange(layer["height"] * size)
        columns = np.arange(layer["width"] * size)
        fed = []
        for number in range(layer["passes"]):
            base = layer["input_base"] + number // layer["input_repeat"] * layer["input_pass"]
            pixels = base + rows[:, None] * layer["input_row"] + columns * layer["input_pixel"]
            chunks = memory[(pixels[:, :, None] + np.arange(layer["input_chunks"])) % len(memory)]
            chunks[:, :, -1, layer["input_lanes"] :] = 0
            if layer["squares"]:
                chunks[rows >= layer["map_height"]] = 0
                chunks[:, columns >= layer["map_width"]] = 0
            squares = chunks.reshape(layer["height"], size, layer["width"], size, *chunks.shape[2:])
            fed.append(squares.swapaxes(1, 2).reshape(-1, memory.shape[1]))
        return np.concatenate(fed)

    def elaborate(self, platform):
        m = Module()
        layer, config = self.layer, self._config
        place_bits = config.line.bit_length()
        chunk = Signal(config.chunk_bits)
        column, row = Signal(place_bits), Signal(place_bits)
        # Pixel of a square: its column, its row.
        right, down = Signal(), Signal()
        passes_left, repeats_left = Signal(range(config.channels + 1)), Signal(range(config.channels + 1))
        row_address, pixel_address, pass_address = Signal(16), Signal(16), Signal(16)

        squares = settled(m, layer.squares[0])
        chunks = settled(m, layer.input_chunks - 1, width=config.chunk_bits)
        down_step = settled(m, layer.input_row - layer.input_pixel, width=16)
        up_step = settled(m, layer.input_pixel - layer.input_row, width=16)
        row_step = settled(m, Mux(layer.squares[0], layer.input_row << 1, layer.input_row), width=16)
        last_chunk = chunk == chunks
        last_pixel = ~squares | (right & down)
        last_column = column == settled(m, layer.width - 1, width=place_bits)
        last_row = row == settled(m, layer.height - 1, width=place_bits)

        next_pass = Signal(16)
        m.d.comb += next_pass.eq(pass_address + Mux(repeats_left == 1, layer.input_pass, 0))

        def begin_pass(address):
            m.d.sync += [pass_address.eq(address), row_address.eq(address), pixel_address.eq(address)]

        def next_pixel():
            m.d.sync += [chunk.eq(0), right.eq(squares & ~right), down.eq(squares & (down ^ right))]
            step = Mux(squares & right, Mux(down, up_step, down_step), layer.input_pixel)
            m.d.sync += pixel_address.eq(pixel_address + step)

        def next_row():
            m.d.sync += [
                column.eq(0),
                row.eq(row + 1),
                row_address.eq(row_address + row_step),
                pixel_address.eq(row_address + row_step),
            ]

        fed_row, fed_column = Mux(squares, Cat(down, row), row), Mux(squares, Cat(right, column), column)
        beyond = squares & (
            (fed_row >= layer.map_height[: place_bits + 1])
            | (fed_column >= layer.map_width[: place_bits + 1])
        )

        # What is asked for, beside it whether it ends its pixel and whether it lies beyond the map.
        place_layout = data.StructLayout({"last": 1, "beyond": 1})
        m.submodules.places = places = SyncFIFO(width=place_layout.size, depth=ActivationMemory.UNDER_WAY)
        place, coming = Signal(place_layout), data.View(place_layout, places.r_data)
        asked = Signal()
        m.d.comb += [
            self.request.p.bank.eq(layer.input_bank),
            self.request.p.address.eq(pixel_address + chunk),
            place.last.eq(last_chunk),
            place.beyond.eq(beyond),
            places.w_data.eq(place),
            places.w_en.eq(asked),
            asked.eq(self.request.valid & self.request.ready),
        ]
        with m.FSM() as fsm:
            with m.State("Idle"):
                begin_pass(layer.input_base)
                m.d.sync += [passes_left.eq(layer.passes), repeats_left.eq(layer.input_repeat)]
                with m.If(self.start):
                    m.next = "Feed"
            with m.State("Feed"):
                m.d.comb += self.request.valid.eq(places.w_rdy)
                with m.If(asked):
                    m.d.sync += chunk.eq(chunk + 1)
                    with m.If(last_chunk):
                        next_pixel()
                        with m.If(last_pixel):
                            m.d.sync += column.eq(column + 1)
                            with m.If(last_column):
                                next_row()
                                with m.If(last_row):
                                    m.d.sync += [
                                        row.eq(0),
                                        passes_left.eq(passes_left - 1),
                                        repeats_left.eq(
                                            Mux(repeats_left == 1, layer.input_repeat, repeats_left - 1)
                                        ),
                                    ]
                                    begin_pass(next_pass)
                                    with m.If(passes_left == 1):
                                        m.next = "Idle"

        lanes = settled(m, Cat(layer.input_lanes > lane for lane in range(config.chunk)))
        travelling = Signal(range(_TO_RING + 1))
        m.d.sync += travelling.eq(travelling + asked - self.arrived)
        m.d.comb += self.busy.eq(~fsm.ongoing("Idle") | (travelling != 0))
        with m.If(~self.o.valid | self.o.ready):
            m.d.comb += [self.response.ready.eq(1), places.r_en.eq(self.response.valid)]
            m.d.sync += self.o.valid.eq(self.response.valid)
            for lane, value in enumerate(self.response.payload):
                zero = coming.beyond | (coming.last & ~lanes[lane])
                m.d.sync += self.o.payload[lane].eq(Mux(zero, 0, value))
        return m
