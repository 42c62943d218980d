"""Line of maxima that rows of a map join, one after the other."""

from amaranth import *
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from .activations import activation_write_layout
from .comparison import greater
from .config import ACTIVATION_BITS
from .formats import Layer, dense_layout

__all__ = ["PoolLine", "pool_line_layout", "pool_row_layout"]

#: What a row of the map is to the row of windows that ends next, and to the one after it, if that has begun: whether it is
#: their ``first`` (``next_first``), whether it is the ``last`` of the one that ends, and whether it works for
#: ``both``. A last row that is the first one of the next windows goes without ``both``. ``odd`` tells apart
#: which of the two lines belongs to the windows that end.
pool_row_layout = data.StructLayout({"first": 1, "last": 1, "both": 1, "next_first": 1, "odd": 1})


def pool_line_layout(config):
    """Maxima of a stretch of a row: what the row is, which window of it this is, and where the result goes."""
    return data.StructLayout(
        {
            "row": pool_row_layout,
            "column": range(config.pool_columns),
            "address": range(config.activation_words),
        }
    )


class PoolLine(wiring.Component):
    """Joins stretches of rows to windows and writes what is complete.

    Rows of windows that overlap are in the making at the same time, two at most, so there are two lines of maxima, in one
    memory, and windows take them by turns. A stretch takes a cycle, or two if its row works for ``both``: first it joins the next
    windows, then those that end. A last row that is the first of the next windows needs one cycle, because there it
    is written as it is.

    Latency is three cycles. The same column may come again ``Config.pool_distance`` cycles after it was taken.

    Members
    -------
    layer : in
        Stable from the first stretch until ``busy`` falls.
    i : stream of ``pool_line_layout``, in
        Not ready in the cycle after a stretch that takes two.
    values : in
        Maxima of the stretch that was taken two cycles ago, and, if it takes two cycles, in the cycle after that too.
        Greater means greater without a sign.
    busy : out
        From the cycle after a stretch was taken until the last one of its writes.
    write : stream of ``activation_write_layout``, out
        Must always be ready.
    """

    def __init__(self, config):
        self._config = config
        super().__init__(
            {
                "layer": In(Layer),
                "i": In(stream.Signature(pool_line_layout(config))),
                "values": In(dense_layout(config)),
                "busy": Out(1),
                "write": Out(stream.Signature(activation_write_layout(config))),
            }
        )

    @staticmethod
    def model(stretches):
        """What is complete, in order, as ``(address, maxima)``, and how many cycles it takes to take the stretches.

        ``stretches`` are pairs of a mapping like ``pool_line_layout`` and an integer array of maxima.
        """
        lines, complete, cycles = {}, [], 0
        for stretch, values in stretches:
            row, column = stretch["row"], stretch["column"]
            ending, following = (row["odd"], column), (1 - row["odd"], column)
            before = values if row["first"] else lines[ending]
            lines[ending] = best = [max(pair) for pair in zip(before, values, strict=True)]
            if row["last"]:
                complete.append((stretch["address"], best))
            if row["next_first"]:
                lines[following] = values
            elif row["both"]:
                lines[following] = [max(pair) for pair in zip(lines[following], values, strict=True)]
            cycles += 1 + row["both"]
        return complete, cycles

    def elaborate(self, platform):
        m = Module()
        config, i, write = self._config, self.i, self.write
        bits = ACTIVATION_BITS * config.chunk
        m.submodules.maxima = maxima = memory.Memory(shape=bits, depth=2 * config.pool_columns, init=[])
        read_port, write_port = maxima.read_port(), maxima.write_port()

        # The first way of a stretch, or its only one, starts as it is taken; the second one from what is held of it.
        taken, second_way = i.valid & i.ready, Signal()
        held, is_second, under_way = Signal.like(i.payload), Signal(), Signal()
        m.d.comb += [
            i.ready.eq(~second_way),
            read_port.addr.eq(
                Mux(
                    second_way,
                    Cat(held.column, held.row.odd),
                    Cat(i.p.column, i.p.row.odd ^ i.p.row.both),
                )
            ),
        ]
        m.d.sync += [
            second_way.eq(taken & i.p.row.both),
            is_second.eq(second_way),
            under_way.eq(taken | second_way),
        ]
        with m.If(taken):
            m.d.sync += held.eq(i.payload)

        # What the line holds arrives, and what is to become of it.
        row = held.row
        to_next = row.both & ~is_second
        begins = ~row.both & row.next_first
        arrived, last, keeps, alone, alone_in_line = (
            Signal(name=name) for name in ("arrived", "last", "keeps", "alone", "alone_in_line")
        )
        before, place, address = Signal(bits), Signal.like(write_port.addr), Signal.like(held.address)
        first = Mux(to_next, row.next_first, row.first)
        m.d.sync += [
            before.eq(read_port.data),
            arrived.eq(under_way),
            last.eq(under_way & row.last & ~to_next),
            keeps.eq(under_way & (to_next | row.next_first | ~row.last)),
            place.eq(Cat(held.column, row.odd ^ (to_next | begins))),
            address.eq(held.address),
            alone.eq(first),
            alone_in_line.eq(first | begins),
        ]

        # The greater of both, as it is compared to the line, as it was to memory.
        flip = self.layer.input_signed[0]
        kept = Signal(bits)
        for lane, value in enumerate(self.values):
            old = before.word_select(lane, ACTIVATION_BITS)
            wins = greater(old, value)
            out = Mux(wins & ~alone, old, value)
            m.d.sync += [
                kept.word_select(lane, ACTIVATION_BITS).eq(Mux(wins & ~alone_in_line, old, value)),
                write.p.values[lane].eq(Cat(out[:-1], out[-1] ^ flip)),
            ]
        m.d.sync += [
            write.valid.eq(last),
            write.p.address.eq(address),
            write_port.en.eq(keeps),
            write_port.addr.eq(place),
        ]
        m.d.comb += [
            write_port.data.eq(kept),
            write.p.bank.eq(self.layer.output_bank),
            write.p.lanes.eq(~C(0, config.chunk)),
            self.busy.eq(under_way | arrived | write.valid),
        ]
        return m
