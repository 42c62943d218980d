"""Reads the windows of a map from activation memory, for pooling."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from .formats import Layer, dense_layout, read_layout
from .output_walk import OutputWalk
from .window_axis import WindowAxis

__all__ = ["WindowReader", "axes", "window_layout"]

#: Windows' chunks that may be asked for: what memory holds, and what is on its way there and back.
_ASKED = 4


def window_layout(config):
    """One chunk of a window: the first, or the last, and the address of the chunk that the window makes."""
    return data.StructLayout(
        {"values": dense_layout(config), "first": 1, "last": 1, "address": range(config.activation_words)}
    )


def axes(layer):
    """Geometry of the rows and of the columns of a layer, by side: fields of a struct, or of a mapping."""
    return {
        side: {
            "extent": layer[f"map_{side}"],
            "window": layer[f"window_{side}"],
            "stride": layer["stride"],
            "pad": layer[f"pad_{edge}"],
            "words": layer[f"input_{words}"],
        }
        for side, edge, words in (("height", "top", "row"), ("width", "left", "pixel"))
    }


class WindowReader(wiring.Component):
    """Reads every chunk of every window, in the order chunk of a pixel, output row, output column, row and column in the window.

    Places of a window that lie outside of the map are left out and take no time. One chunk is asked for in every cycle.

    Members
    -------
    layer : in
        Stable from two cycles before ``start`` until the last chunk has been taken. ``stride`` and padding at most 7;
        every window has a place in the map.
    start : in
    busy : out
        Until the last chunk has been taken.
    request : stream of ``read_layout``, out
    response : stream of ``dense_layout``, in
    o : stream of ``window_layout``, out
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
                "o": Out(stream.Signature(window_layout(config))),
            }
        )

    @staticmethod
    def model(layer):
        """For every output chunk, in order, its address and the addresses that it is made from.

        ``layer`` is a mapping of ``LAYER_FIELDS``.
        """
        rows, columns = (
            WindowAxis.model(geometry, layer[f"output_{side}"]) for side, geometry in axes(layer).items()
        )
        pixels = [(down, right) for down in rows for right in columns]
        return [
            (
                layer["output_base"] + offset + chunk,
                [layer["input_base"] + chunk + row + column for row in down for column in right],
            )
            for chunk in range(layer["input_chunks"])
            for offset, (down, right) in zip(OutputWalk.model(layer), pixels, strict=True)
        ]

    def elaborate(self, platform):
        m = Module()
        config, layer = self._config, self.layer
        m.submodules.rows = rows = WindowAxis(config)
        m.submodules.columns = columns = WindowAxis(config)
        m.submodules.outputs = outputs = OutputWalk(config)
        for axis, geometry in zip((rows, columns), axes(layer).values(), strict=True):
            m.d.comb += [axis.geometry[name].eq(value) for name, value in geometry.items()]
        m.d.comb += outputs.layer.eq(layer)

        tag_layout = data.StructLayout({"last": 1, "end": 1, "address": range(config.activation_words)})
        m.submodules.tags = tags = SyncFIFOBuffered(width=tag_layout.size, depth=_ASKED)
        asked, answered = Signal(tag_layout), data.View(tag_layout, tags.r_data)
        waiting, address = Signal(), Signal(range(config.activation_words))
        request = self.request
        taken = request.valid & request.ready
        m.d.comb += [
            request.valid.eq(waiting & tags.w_rdy),
            request.p.bank.eq(layer.input_bank),
            request.p.address.eq(address),
            tags.w_en.eq(taken),
            tags.w_data.eq(asked),
        ]

        chunks_left = Signal(range(config.chunks + 1))
        input_base, output_base = (
            Signal(range(config.activation_words)),
            Signal(range(config.activation_words)),
        )
        window_ends = rows.last & columns.last
        map_ends = window_ends & outputs.last_column & outputs.last_row
        ends = map_ends & (chunks_left == 1)
        ended, idle = Signal(), Signal()

        def ask():
            m.d.sync += [
                waiting.eq(1),
                address.eq(input_base + rows.offset + columns.offset),
                asked.last.eq(window_ends),
                asked.end.eq(ends),
                asked.address.eq(output_base + outputs.offset),
            ]
            m.d.comb += [
                columns.next_place.eq(1),
                columns.again.eq(columns.last),
                columns.next_window.eq(window_ends),
                columns.restart.eq(window_ends & outputs.last_column),
                rows.next_place.eq(columns.last),
                rows.again.eq(window_ends),
                rows.next_window.eq(window_ends & outputs.last_column),
                rows.restart.eq(map_ends),
                outputs.advance.eq(window_ends),
            ]
            with m.If(map_ends):
                m.d.sync += [
                    chunks_left.eq(chunks_left - 1),
                    input_base.eq(input_base + 1),
                    output_base.eq(output_base + 1),
                ]

        with m.If(taken):
            m.d.sync += waiting.eq(0)
        with m.FSM():
            with m.State("Idle"):
                m.d.comb += [
                    idle.eq(1),
                    columns.restart.eq(1),
                    rows.restart.eq(1),
                ]
                m.d.sync += [
                    chunks_left.eq(layer.input_chunks),
                    input_base.eq(layer.input_base),
                    output_base.eq(layer.output_base),
                ]
                with m.If(self.start):
                    m.next = "Ask"
            with m.State("Ask"):
                with m.If(~waiting | taken):
                    ask()
                    with m.If(ends):
                        m.next = "Finish"
            with m.State("Finish"):
                with m.If(ended):
                    m.next = "Idle"
        m.d.comb += self.busy.eq(~idle)

        # Chunks come in the order in which they were asked for.
        first = Signal(init=1)
        o = self.o
        m.d.comb += [
            o.valid.eq(self.response.valid & tags.r_rdy),
            o.p.values.eq(self.response.payload),
            o.p.first.eq(first),
            o.p.last.eq(answered.last),
            o.p.address.eq(answered.address),
            self.response.ready.eq(o.ready & tags.r_rdy),
            tags.r_en.eq(o.valid & o.ready),
            ended.eq(o.valid & o.ready & answered.end),
        ]
        with m.If(o.valid & o.ready):
            m.d.sync += first.eq(answered.last)
        return m
