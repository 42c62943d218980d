"""Maximum over windows of a map."""

import numpy as np
from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .activations import activation_write_layout
from .config import ACTIVATION_BITS
from .formats import Layer, dense_layout, read_layout
from .settled import settled

__all__ = ["MaxPool"]


class MaxPool(wiring.Component):
    """Reads every chunk of every window and writes the maximum of each lane.

    N channels at a time, one chunk read a cycle: an output chunk takes ``window`` squared cycles.

    Members
    -------
    layer : in
        Stable while ``busy``. ``stride`` from 1 to 3.
    start : in
    busy : out
    request : stream of ``read_layout``, out
    response : stream of ``dense_layout``, in
    write : stream of ``activation_write_layout``, out
        Must always be ready.
    """

    def __init__(self, config):
        self._config = config
        super().__init__(
            {
                "layer": In(Layer),
                "start": In(1),
                "busy": Out(1),
                "request": Out(stream.Signature(read_layout)),
                "response": In(stream.Signature(dense_layout(config))),
                "write": Out(stream.Signature(activation_write_layout(config))),
            }
        )

    @staticmethod
    def model(tensor, window, stride):
        """Maxima of the windows of an integer tensor [..., height, width]."""
        tensor = np.asarray(tensor, np.int64)
        windows = np.lib.stride_tricks.sliding_window_view(tensor, (window, window), axis=(-2, -1))
        return windows[..., ::stride, ::stride, :, :].max(axis=(-2, -1))

    def elaborate(self, platform):
        m = Module()
        layer = self.layer

        def times_stride(step):
            return Mux(layer.stride == 3, step + (step << 1), Mux(layer.stride == 2, step << 1, step))

        # Requests: output row, output column, chunk, window row, window column.
        row_address, pixel_address = Signal(16), Signal(16)
        window_row_offset, window_column_offset = Signal(16), Signal(16)
        row, column, chunk = Signal(16), Signal(16), Signal(16)
        window_row, window_column = Signal(4), Signal(4)
        window = settled(m, layer.window_height - 1, width=4)
        last_window_column = window_column == window
        last_window_row = window_row == window
        last_chunk = chunk == settled(m, layer.input_chunks - 1)
        last_column = column == settled(m, layer.output_width - 1)
        last_row = row == settled(m, layer.output_height - 1)
        pixel_step, row_step = (
            settled(m, times_stride(layer.input_pixel)),
            settled(m, times_stride(layer.input_row)),
        )

        def next_tap():
            m.d.sync += [
                window_column.eq(window_column + 1),
                window_column_offset.eq(window_column_offset + layer.input_pixel),
            ]
            with m.If(last_window_column):
                m.d.sync += [
                    window_column.eq(0),
                    window_column_offset.eq(0),
                    window_row.eq(window_row + 1),
                    window_row_offset.eq(window_row_offset + layer.input_row),
                ]
                with m.If(last_window_row):
                    m.d.sync += [window_row.eq(0), window_row_offset.eq(0), chunk.eq(chunk + 1)]
                    with m.If(last_chunk):
                        next_window()

        def next_window():
            m.d.sync += [
                chunk.eq(0),
                column.eq(column + 1),
                pixel_address.eq(pixel_address + pixel_step),
            ]
            with m.If(last_column):
                m.d.sync += [
                    column.eq(0),
                    row.eq(row + 1),
                    row_address.eq(row_address + row_step),
                    pixel_address.eq(row_address + row_step),
                ]

        finished = Signal()
        with m.FSM() as fsm:
            with m.State("Idle"):
                m.d.sync += [
                    row_address.eq(layer.input_base),
                    pixel_address.eq(layer.input_base),
                    row.eq(0),
                ]
                with m.If(self.start):
                    m.next = "Read"
            with m.State("Read"):
                m.d.comb += self.request.valid.eq(1)
                with m.If(self.request.ready):
                    next_tap()
                    with m.If(last_window_column & last_window_row & last_chunk & last_column & last_row):
                        m.next = "Finish"
            with m.State("Finish"):
                with m.If(finished):
                    m.next = "Idle"
        m.d.comb += [
            self.busy.eq(~fsm.ongoing("Idle")),
            self.request.p.bank.eq(layer.input_bank),
            self.request.p.address.eq((pixel_address + chunk) + (window_row_offset + window_column_offset)),
        ]

        # Responses come in the same order; outputs lie in memory in the order in which they are made.
        best = Signal(dense_layout(self._config))
        greater = Signal(dense_layout(self._config))
        arriving_row, arriving_column = Signal(4), Signal(4)
        first = (arriving_row == 0) & (arriving_column == 0)
        window_ends = (arriving_row == window) & (arriving_column == window)
        address = Signal(range(self._config.activation_words))
        sign_flip = Cat(C(0, ACTIVATION_BITS - 1), layer.input_signed[0])
        for lane, value in enumerate(self.response.payload):
            larger = (value ^ sign_flip) > (best[lane] ^ sign_flip)
            m.d.comb += greater[lane].eq(Mux(first | larger, value, best[lane]))

        m.d.comb += self.response.ready.eq(1)
        m.d.sync += self.write.valid.eq(0)
        with m.If(self.response.valid):
            m.d.sync += [best.eq(greater), arriving_column.eq(arriving_column + 1)]
            with m.If(arriving_column == window):
                m.d.sync += [arriving_column.eq(0), arriving_row.eq(arriving_row + 1)]
            with m.If(window_ends):
                m.d.sync += [arriving_row.eq(0), self.write.valid.eq(1), address.eq(address + 1)]
        with m.If(fsm.ongoing("Idle")):
            m.d.sync += address.eq(layer.output_base - 1)
        # ``address`` moves when a window ends, together with the values that it is for.
        m.d.comb += [
            self.write.p.bank.eq(layer.output_bank),
            self.write.p.address.eq(address),
            self.write.p.lanes.eq(~C(0, self._config.chunk)),
            self.write.p.values.eq(best),
        ]
        outstanding = Signal(4)
        m.d.sync += outstanding.eq(
            outstanding + (self.request.valid & self.request.ready) - self.response.valid
        )
        m.d.comb += finished.eq((outstanding == 0) & ~self.write.valid)
        return m
