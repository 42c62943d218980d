"""What surrounds the accelerator on a board: clock and serial line."""

from amaranth import *
from amaranth.lib import io, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import Out

from hw.uart import add_core

__all__ = ["BoardTop", "ClockGenerator"]


class ClockGenerator(wiring.Component):
    """Drives the ``sync`` domain of an ECP5 board from its crystal through a PLL.

    The parent defines the domain, which needs no reset: its clock stands still until the PLL has locked, and registers start
    with what the bitstream gives them. A reset of every register would take as much routing as a large bus.

    Parameters
    ----------
    board : Board
        Gives the crystal and the dividers of the PLL.

    Members
    -------
    runs : out
        The clock is up.
    """

    def __init__(self, board):
        self._board = board
        super().__init__({"runs": Out(1)})

    def elaborate(self, platform):
        m = Module()
        pll = self._board.pll
        m.submodules.crystal = crystal = io.Buffer("i", platform.request(platform.default_clk, dir="-"))

        clock = Signal()
        locked = Signal()
        m.submodules.pll = Instance(
            "EHXPLLL",
            a_FREQUENCY_PIN_CLKI=f"{self._board.crystal / 1e6:g}",
            a_FREQUENCY_PIN_CLKOP=f"{self._board.frequency / 1e6:g}",
            a_ICP_CURRENT="12",
            a_LPF_RESISTOR="8",
            a_MFG_ENABLE_FILTEROPAMP="1",
            a_MFG_GMCREF_SEL="2",
            p_CLKI_DIV=pll["input"],
            p_CLKFB_DIV=pll["feedback"],
            p_CLKOP_DIV=pll["output"],
            p_CLKOP_ENABLE="ENABLED",
            p_CLKOP_CPHASE=(pll["output"] - 1) // 2,
            p_CLKOP_FPHASE=0,
            p_FEEDBK_PATH="CLKOP",
            p_PLLRST_ENA="DISABLED",
            p_INTFB_WAKE="DISABLED",
            p_STDBY_ENABLE="DISABLED",
            p_DPHASE_SOURCE="DISABLED",
            p_OUTDIVIDER_MUXA="DIVA",
            p_OUTDIVIDER_MUXB="DIVB",
            p_OUTDIVIDER_MUXC="DIVC",
            p_OUTDIVIDER_MUXD="DIVD",
            i_CLKI=crystal.i,
            i_CLKFB=clock,
            i_RST=0,
            i_STDBY=0,
            i_PHASESEL0=0,
            i_PHASESEL1=0,
            i_PHASEDIR=1,
            i_PHASESTEP=1,
            i_PHASELOADREG=1,
            i_PLLWAKESYNC=0,
            i_ENCLKOP=0,
            o_CLKOP=clock,
            o_LOCK=locked,
        )
        m.domains.pll = ClockDomain(reset_less=True, local=True)
        m.d.comb += ClockSignal("pll").eq(clock)
        m.submodules.locked = FFSynchronizer(locked, self.runs, o_domain="pll")
        m.submodules.gate = Instance("DCCA", i_CLKI=clock, i_CE=self.runs, o_CLKO=ClockSignal())
        return m


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
        m.domains.sync = ClockDomain(reset_less=True)
        m.submodules.clock = clock = ClockGenerator(self._board)
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
