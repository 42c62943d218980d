"""Multipliers of the basis MAC, one for each tap, and the chains that collect their products along a kernel row."""

from amaranth import *
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from .bases import basis_write_layout
from .formats import Layer, basis_layout
from .issue import operand_layout, position_layout
from .settled import settled

__all__ = ["TapArray", "tap_class", "tap_group", "tap_joins", "tap_parity"]


def tap_group(index, size, last_first):
    """Which rows (or columns) of a kernel of ``size`` work for the same output when pixels come in twos: those of equal number.

    ``last_first`` says that the last one works for the first pixel of two; then it is alone, otherwise the last two go together.
    """
    from_last = size - 1 - index
    return size // 2 - (from_last + 1) // 2 if last_first else (size - 1) // 2 - from_last // 2


def tap_joins(index, size, last_first):
    """Whether a kernel row (or column) works for the same output as the one before it."""
    return index > 0 and tap_group(index, size, last_first) == tap_group(index - 1, size, last_first)


def tap_parity(index, size):
    """1 for the kernel rows (or columns) that work for the same pixel of two as the last one, 0 for the others."""
    return 1 - (size - 1 - index) % 2


def tap_class(config, r, s):
    """Class of the operand that tap (r, s) takes."""
    parities = 2 * tap_parity(r, config.kernel_height) + tap_parity(s, config.kernel_width)
    return parities % config.classes


class TapArray(wiring.Component):
    """Multiplies operands with the taps of their bases and sums each kernel row in transposed form.

    Each multiplier has a register; the registers of one kernel row form a chain that moves by one at every position.
    A tap whose result would lie outside of the map is masked::

        cycle   operands   taps, masks   product   chain
          t     z, m
          t+1              B[m]
          t+2                            B[m]*z
          t+3                                      sums, advance: + product

    Side by side, two neighbouring taps of a row work for one output: the chain then moves in steps of two.

    Parameters
    ----------
    config : Config

    Members
    -------
    layer : in
    basis : stream of ``basis_write_layout``, in
        Always ready. ``pe`` and ``every`` have been seen to.
    operands : array of ``operand_layout``, in, one for each class
    position : ``position_layout``, in
    advance : in
        The position ends with these operands.
    sums : array of signed ``accumulator_bits``, out
        Row sums of the position, while ``finished``.
    prepared, finished : out
        ``advance`` two and three cycles later.
    """

    def __init__(self, config):
        self._config = config
        super().__init__(
            {
                "layer": In(Layer),
                "basis": In(stream.Signature(basis_write_layout(config))),
                "operands": In(operand_layout(config)).array(config.classes),
                "position": In(position_layout(config)),
                "advance": In(1),
                "sums": Out(signed(config.accumulator_bits)).array(config.kernel_height),
                "prepared": Out(1),
                "finished": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config, layer = self._config, self.layer
        place_bits = config.line.bit_length()
        side_by_side = settled(m, layer.side_by_side[0])
        m.submodules.bases = bases = memory.Memory(
            shape=basis_layout(config), depth=2 << config.basis_bits, init=[]
        )
        write_port = bases.write_port()
        m.d.comb += [
            write_port.addr.eq(Cat(self.basis.p.basis, self.basis.p.half)),
            write_port.data.eq(self.basis.p.taps),
            write_port.en.eq(self.basis.valid),
            self.basis.ready.eq(1),
        ]
        m.d.sync += [self.prepared.eq(self.advance), self.finished.eq(self.prepared)]

        last_upper, last_left = settled(m, layer.last_upper[0]), settled(m, layer.last_left[0])

        def reaches(place, extent, index, size, last_first):
            """Whether a tap at ``place`` works for an output within the map."""
            group = Mux(last_first, tap_group(index, size, True), tap_group(index, size, False))
            offset = Mux(side_by_side, group, index)
            return (place >= settled(m, offset)) & (place < settled(m, extent + offset, width=place_bits + 2))

        rows = [
            reaches(self.position.row, layer.height[:place_bits], r, config.kernel_height, last_upper)
            for r in range(config.kernel_height)
        ]
        columns = [
            reaches(self.position.column, layer.line[:place_bits], s, config.kernel_width, last_left)
            for s in range(config.kernel_width)
        ]
        # A z of a square meets only the taps of its own pixel.
        in_squares = settled(m, layer.squares[0])
        taps, later = [], []
        for number, operand in enumerate(self.operands):
            read_port = bases.read_port(domain="comb")
            m.d.comb += read_port.addr.eq(Cat(operand.basis, self.position.half))
            taps.append(read_port.data)
            z = Signal(signed(config.z_bits), name=f"z_{number}")
            m.d.sync += z.eq(operand.z)
            later.append(z)

        joining = [
            settled(
                m,
                side_by_side
                & Mux(
                    last_left,
                    tap_joins(s, config.kernel_width, True),
                    tap_joins(s, config.kernel_width, False),
                ),
            )
            for s in range(config.kernel_width)
        ]
        for r in range(config.kernel_height):
            carried = Const(0, signed(config.accumulator_bits))
            before = carried
            for s in range(config.kernel_width):
                number = tap_class(config, r, s)
                operand = self.operands[number]
                own_pixel = ~in_squares | (
                    (operand.row_parity == tap_parity(r, config.kernel_height))
                    & (operand.column_parity == tap_parity(s, config.kernel_width))
                )
                tap = Signal(signed(8), name=f"tap_{r}_{s}")
                product = Signal(signed(8 + config.z_bits), name=f"product_{r}_{s}")
                chain = Signal(signed(config.accumulator_bits), name=f"chain_{r}_{s}")
                total = Signal(signed(config.accumulator_bits), name=f"total_{r}_{s}")
                meets = operand.use & rows[r] & columns[s] & own_pixel
                m.d.sync += [
                    tap.eq(Mux(meets, taps[number][r * config.kernel_width + s], 0)),
                    product.eq(tap * later[number]),
                ]
                m.d.comb += total.eq(chain + product)
                joins = joining[s]
                m.d.sync += chain.eq(Mux(self.finished, Mux(joins, 0, carried), total))
                carried = total + Mux(joins, before, 0)
                before = total
            m.d.comb += self.sums[r].eq(carried)
        return m
