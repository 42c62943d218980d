"""What surrounds the accelerator on a board: clock and serial line."""

from amaranth import *
from amaranth.lib import io, wiring

from hw.uart import add_core

__all__ = ["BoardTop"]


class BoardTop(wiring.Component):
    """Any component with byte streams ``i`` and ``o``, behind the serial line of a board.

    An LED lights when the clock is up.

    Parameters
    ----------
    board : Board
        Where it will run.
    core : Component
        Has the members ``i``, a stream of bytes from the host, and ``o``, a stream of bytes to the host.
    """

    def __init__(self, board, core):
        self._board = board
        self._core = core
        super().__init__({})

    def elaborate(self, platform):
        m = Module()
        family = self._board.family
        m.domains.sync = ClockDomain(reset_less=not family.resets, async_reset=family.resets)
        m.submodules.clock = clock = family.create_clock(self._board)
        uart = add_core(m, self._core, self._board.uart_divisor)

        pins = platform.request("uart", dir="-")
        m.submodules.rx = rx = io.Buffer("i", pins.rx)
        m.submodules.tx = tx = io.Buffer("o", pins.tx)
        m.d.comb += [uart.rx.eq(rx.i), tx.o.eq(uart.tx)]

        light = platform.request(self._board.led, 0, dir="-")
        if self._board.colour is not None:
            light = getattr(light, self._board.colour)
        m.submodules.led = led = io.Buffer("o", light)
        m.d.comb += led.o.eq(clock.runs)
        return m
