"""Reads the windows of a map from activation memory, for pooling."""

from itertools import product

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from .activations import ActivationMemory
from .formats import Layer, dense_layout, read_layout
from .output_walk import OutputWalk
from .pool_line import pool_row_layout
from .window_axis import WindowAxis

__all__ = ["WindowReader", "axes", "window_layout"]


def window_layout(config):
    """One chunk of a window, or of a scan, and the address of the chunk that the window makes.

    It is the ``first`` or ``last`` of a window. In a scan these are the windows' stretches of a row: a place may be both the last of a
    stretch and the first of the next one, and ``joins`` says that the stretch that it begins belongs to the end of the one
    that was there before, too. The chunk lies in ``column`` of the output, and ``row`` says what its row is; a window
    that is read by itself counts as one row.
    """
    return data.StructLayout(
        {
            "values": dense_layout(config),
            "first": 1,
            "last": 1,
            "joins": 1,
            "address": range(config.activation_words),
            "column": range(config.pool_columns),
            "row": pool_row_layout,
        }
    )


def axes(layer):
    """Geometry of the rows and of the columns of a layer, by side: fields of a struct, or of a mapping."""
    return {
        side: {
            "last": layer[f"map_{side}"],
            "window": layer[f"window_{words}"],
            "step": layer[f"step_{words}"],
            "pad": layer[f"pad_{edge}"],
            "words": layer[f"input_{words}"],
        }
        for side, edge, words in (("height", "top", "row"), ("width", "left", "pixel"))
    }


class WindowReader(wiring.Component):
    """Reads the chunks of windows, one in every cycle.

    Window by window: every chunk of every window, in the order chunk of a pixel, output row, output column, row and column in
    the window. Places of a window that lie outside of the map are left out and take no time.

    In a scan: for each chunk of a pixel row by row the places that belong to any window, as ``WindowAxis`` walks over
    them. Only where two windows end with the map its last row, or column, comes once for each.

    Members
    -------
    layer : in
        Stable from two cycles before ``start`` until the last chunk has been taken. Every
        window has a place in the map. ``scan`` only for windows of which no place belongs to more than two along an
        axis and none to none.
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
        """Every chunk that is read, in order: a mapping like ``window_layout`` with ``place``, its address, for its values.

        ``layer`` is a mapping of ``LAYER_FIELDS``.
        """
        if layer["scan"]:
            rows, columns = (
                WindowAxis.scan_model(geometry, layer[f"output_{side}"])
                for side, geometry in axes(layer).items()
            )
            walk = [
                (
                    (row["window"], column["window"]),
                    row["offset"] + column["offset"],
                    {
                        "first": column["first"] | column["next_first"],
                        "last": column["last"],
                        "joins": column["next_first"] & ~column["first"],
                    },
                    {
                        "first": row["first"],
                        "last": row["last"],
                        "both": row["next"] & ~(row["last"] & row["next_first"]),
                        "next_first": row["next_first"],
                    },
                )
                for row, column in product(rows, columns)
            ]
        else:
            windows = (
                enumerate(WindowAxis.model(geometry, layer[f"output_{side}"]))
                for side, geometry in axes(layer).items()
            )
            alone = {"first": 1, "last": 1, "both": 0, "next_first": 0}
            walk = []
            for (row, down), (column, right) in product(*windows):
                places = [above + left for above, left in product(down, right)]
                for number, offset in enumerate(places):
                    ends = {"first": int(number == 0), "last": int(number == len(places) - 1), "joins": 0}
                    walk.append(((row, column), offset, ends, alone))
        outputs = OutputWalk.model(layer)
        return [
            {
                "place": layer["input_base"] + chunk + offset,
                **ends,
                "address": layer["output_base"] + chunk + outputs[row * layer["output_width"] + column],
                "column": column,
                "row": {**of_row, "odd": (chunk * layer["output_height"] + row) % 2},
            }
            for chunk in range(layer["input_chunks"])
            for (row, column), offset, ends, of_row in walk
        ]

    def elaborate(self, platform):
        m = Module()
        config, layer = self._config, self.layer
        scan = layer.scan[0] if config.pool_columns else C(0, 1)
        m.submodules.rows = rows = WindowAxis(config)
        m.submodules.columns = columns = WindowAxis(config)
        m.submodules.outputs = outputs = OutputWalk(config)
        for axis, geometry in zip((rows, columns), axes(layer).values(), strict=True):
            m.d.comb += [axis.geometry[name].eq(value) for name, value in geometry.items()]
            m.d.comb += axis.scan.eq(scan)
        m.d.comb += outputs.layer.eq(layer)

        fields = window_layout(config).members
        tag_layout = data.StructLayout(
            {"end": 1} | {name: shape for name, shape in fields.items() if name != "values"}
        )
        m.submodules.tags = tags = SyncFIFOBuffered(width=tag_layout.size, depth=ActivationMemory.UNDER_WAY)
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
        stretch_ends = columns.last & (scan | rows.last)
        map_ends = window_ends & outputs.last_column & outputs.last_row
        ends = map_ends & (chunks_left == 1)
        # The next windows have begun in a row before this one; which of the lines belongs to these.
        begun, odd = Signal(), Signal()
        following = scan & ~outputs.last_row
        next_begins = scan & columns.next_first & ~outputs.last_column
        ended, idle = Signal(), Signal()

        def ask():
            m.d.sync += [
                waiting.eq(1),
                address.eq(input_base + rows.offset + columns.offset),
                asked.first.eq(columns.first & (scan | rows.first) | next_begins),
                asked.last.eq(stretch_ends),
                asked.joins.eq(next_begins & ~columns.first),
                asked.end.eq(ends),
                asked.address.eq(output_base + outputs.offset),
                asked.column.eq(outputs.column),
                asked.row.first.eq(~scan | rows.first),
                asked.row.last.eq(~scan | rows.last),
                asked.row.both.eq(following & (begun | (rows.next_first & ~rows.last))),
                asked.row.next_first.eq(following & rows.next_first),
                asked.row.odd.eq(odd),
            ]
            m.d.comb += [
                columns.next_place.eq(1),
                columns.again.eq(columns.last),
                columns.next_window.eq(stretch_ends),
                columns.restart.eq(stretch_ends & outputs.last_column),
                rows.next_place.eq(columns.last & (outputs.last_column | ~scan)),
                rows.again.eq(window_ends),
                rows.next_window.eq(window_ends & outputs.last_column),
                rows.restart.eq(map_ends),
                outputs.advance.eq(stretch_ends),
                outputs.same_row.eq(~rows.last),
            ]
            with m.If(columns.last & outputs.last_column):
                m.d.sync += [
                    begun.eq(~rows.last & (begun | rows.next_first)),
                    odd.eq(odd ^ rows.last),
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
                    odd.eq(0),
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
        o = self.o
        m.d.comb += [
            o.valid.eq(self.response.valid & tags.r_rdy),
            *(o.p[name].eq(answered[name] if name != "values" else self.response.payload) for name in fields),
            self.response.ready.eq(o.ready & tags.r_rdy),
            tags.r_en.eq(o.valid & o.ready),
            ended.eq(o.valid & o.ready & answered.end),
        ]
        return m
