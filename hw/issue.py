"""Issue of the basis MAC: which intermediate elements meet the multipliers in a cycle, and at which position."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .bases import loaded_layout
from .formats import Layer, z_layout
from .settled import settled

__all__ = ["OperandIssue", "operand_layout", "position_layout"]


def operand_layout(config):
    """What the taps of one class multiply: a ``z`` for the basis, if ``use`` is set; parities of the taps that its pixel meets."""
    return data.StructLayout(
        {
            "z": signed(config.z_bits),
            "basis": config.basis_bits,
            "use": 1,
            "column_parity": 1,
            "row_parity": 1,
        }
    )


def position_layout(config):
    """Where the operands lie: row and column of the position, paddings added; the half of the table of bases."""
    return data.StructLayout(
        {
            "row": range(config.line + config.kernel_height),
            "column": range(config.line + config.kernel_width),
            "half": 1,
        }
    )


class OperandIssue(wiring.Component):
    """Walks the positions of all passes and takes, in each cycle, what the multipliers can do at once.

    That is one non-zero ``z``, given to the taps of every class, or, ``side_by_side``, one of every class of rows, each
    for the taps of its own class. A zero ``z``, which only closes a pixel, is taken beside. The position closes when every
    row has ended its pixels: one, or its share of a square of 2 x 2.

    ::

        cycle   z.ready     operands, position, advance
          t     takes
          t+1               what was taken; whether the position ended with it

    Positions of a line beyond the width of the map, and those after the last pixel until the last result is out, pass
    by themselves, one a cycle.

    Parameters
    ----------
    config : Config
    in_flight : int
        Cycles that the pipeline behind needs to run empty.

    Members
    -------
    layer : in
        Stable while ``busy``.
    start : in
    busy : out
    room : in
        The pipeline behind can take another position.
    loaded : stream of ``loaded_layout``, in
        Always ready. A pass begins when its half of the table of bases is loaded.
    needed : 2 bits, out
        Which halves of the table hold bases that are still needed.
    z : array of streams of ``z_layout``, in, one for each row
    operands : array of ``operand_layout``, out, one for each class
    position : ``position_layout``, out
    advance : out
        The position is complete with these operands.
    """

    def __init__(self, config, in_flight):
        self._config = config
        self._in_flight = in_flight
        super().__init__(
            {
                "layer": In(Layer),
                "start": In(1),
                "busy": Out(1),
                "room": In(1),
                "loaded": In(stream.Signature(loaded_layout)),
                "needed": Out(2),
                "z": In(stream.Signature(z_layout(config))).array(config.rows),
                "operands": Out(operand_layout(config)).array(config.classes),
                "position": Out(position_layout(config)),
                "advance": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config, layer = self._config, self.layer
        place_bits = config.line.bit_length()
        width = layer.width[:place_bits]
        last_in_map = settled(m, width - 1, width=place_bits)
        before_last = settled(m, layer.line - 2, width=place_bits)
        last_row = settled(m, layer.height - 1, width=place_bits)
        side_by_side = settled(m, layer.side_by_side[0])
        m.d.comb += self.loaded.ready.eq(1)

        in_map, walks = Signal(), Signal()
        half, loaded = Signal(), Signal()
        # What the position is by its column: beyond the map, the last of its line.
        filling, line_ends = Signal(), Signal()
        column, row = Signal(place_bits), Signal(place_bits)
        passes_left = Signal(range(config.channels + 1))
        drain_left = Signal(range(config.kernel_height * config.line + config.kernel_width))
        m.d.comb += [
            loaded.eq(self.needed.bit_select(half, 1)),
            walks.eq(in_map & self.room & loaded),
        ]

        # For each row, whether it has ended its pixels of the position, and how many of its share of a square.
        ended = Signal(config.rows)
        share = [Signal(range(4 // config.classes), name=f"share_{index}") for index in range(config.rows)]
        taken, ended_now = Signal(config.rows), Signal(config.rows)
        candidates = Cat(z.valid & z.p.nonzero & ~ended[i] for i, z in enumerate(self.z))
        zero_ends = Cat(z.valid & ~z.p.nonzero & ~ended[i] for i, z in enumerate(self.z))
        chosen = Signal(config.rows)
        for index in range(config.rows):
            before = candidates[:index]
            of_class = candidates[index % config.classes : index : config.classes]
            m.d.comb += chosen[index].eq(candidates[index] & ~Mux(side_by_side, of_class.any(), before.any()))
        with m.If(walks & ~filling):
            m.d.comb += taken.eq(chosen | zero_ends)

        advance = Signal()
        ends = Cat(taken[index] & source.p.end for index, source in enumerate(self.z))
        last_share = settled(m, Mux(layer.squares[0], 4 // config.classes - 1, 0))
        for index, source in enumerate(self.z):
            m.d.comb += [
                source.ready.eq(taken[index]),
                ended_now[index].eq(ended[index] | (ends[index] & (share[index] == last_share))),
            ]
            m.d.sync += [
                ended[index].eq(ended_now[index] & ~advance),
                share[index].eq(Mux(advance, 0, share[index] + (ends[index] & (share[index] != last_share)))),
            ]
        self._operands(m, chosen, share, walks & ~filling, side_by_side)

        def next_position():
            m.d.comb += advance.eq(1)
            m.d.sync += [
                column.eq(column + 1),
                filling.eq(column >= last_in_map),
                line_ends.eq(column == before_last),
            ]
            with m.If(line_ends):
                m.d.sync += filling.eq(0)
                m.d.sync += [column.eq(0), row.eq(row + 1)]
                with m.If(row == last_row):
                    m.d.sync += [row.eq(0), passes_left.eq(passes_left - 1)]
                    with m.If(layer.basis_own[0]):
                        m.d.sync += [half.eq(~half), self.needed.bit_select(half, 1).eq(0)]

        with m.If(self.loaded.valid):
            m.d.sync += self.needed.bit_select(self.loaded.p.half, 1).eq(1)

        last_position = line_ends & (row == last_row) & (passes_left == 1)
        with m.FSM() as fsm:
            with m.State("Idle"):
                m.d.sync += [
                    column.eq(0),
                    filling.eq(0),
                    line_ends.eq(0),
                    row.eq(0),
                    passes_left.eq(layer.passes),
                    drain_left.eq(layer.drain),
                    half.eq(0),
                    self.needed.eq(0),
                ]
                with m.If(self.start):
                    m.next = "Map"
            with m.State("Map"):
                m.d.comb += in_map.eq(1)
                with m.If(self.room & loaded & (filling | ended_now.all())):
                    next_position()
                    with m.If(last_position):
                        m.next = "Drain"
            with m.State("Drain"):
                with m.If(drain_left == 0):
                    m.next = "Flush"
                with m.Elif(self.room):
                    m.d.comb += advance.eq(1)
                    m.d.sync += drain_left.eq(drain_left - 1)
            with m.State("Flush"):
                with m.If(drain_left == self._in_flight):
                    m.next = "Idle"
                m.d.sync += drain_left.eq(drain_left + 1)
        m.d.comb += self.busy.eq(~fsm.ongoing("Idle"))
        m.d.sync += [
            self.advance.eq(advance),
            self.position.row.eq(row + layer.pad_top[:3]),
            self.position.column.eq(column + layer.pad_left[:3]),
            self.position.half.eq(half),
        ]
        return m

    def _operands(self, m, chosen, share, walks, side_by_side):
        """Every class takes the ``z`` chosen among its rows; not side by side, all of them take the only one."""
        classes = self._config.classes
        # A row makes the pixels of a square in the order in which they are fed, whichever taps they meet.
        turned = settled(m, Cat(self.layer.last_left[0], self.layer.last_upper[0]) >> (classes // 2))
        for number, operand in enumerate(self.operands):
            following = Signal.like(operand, name=f"following_{number}")
            for index, source in enumerate(self.z):
                mine = chosen[index] & (~side_by_side if index % classes != number else 1)
                parity = Signal(2, name=f"parity_{number}_{index}")
                m.d.comb += parity.eq(number + classes * (share[index] ^ turned))
                with m.If(mine):
                    m.d.comb += [
                        following.z.eq(source.p.z),
                        following.basis.eq(source.p.basis),
                        following.use.eq(walks),
                        following.column_parity.eq(parity[0]),
                        following.row_parity.eq(parity[1]),
                    ]
            m.d.sync += operand.eq(following)
