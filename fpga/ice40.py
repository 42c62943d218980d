"""Lattice's iCE40 UltraPlus: Yosys, nextpnr and Project IceStorm."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import Out

from fpga.family import Family
from fpga.ice40_resources import count_parts

__all__ = ["ICE40", "ClockGenerator", "pll_dividers", "synthesis_script"]

#: ``u``: delays of UltraPlus.
_OPTIONS = "-dsp -spram -device u"
#: No result depends on what a block RAM gives for a word that is written in the same cycle.
#: The large memories start with anything; only what starts with anything is mapped to them.
#: Names of wires are hidden: abc9 splits wires into names of its own, and stops where one of them is taken.
_COARSE = """synth_ice40 {options} -run begin:map_ram -top {top}
setattr -unset ram_style t:$mem_v2
setparam -set COLLISION_X_MASK 1'1 t:$memrd_v2 r:CLK_ENABLE=1 %i
setparam -set INIT 1'x t:$mem_v2 r:SIZE>4095 %i
synth_ice40 {options} -run map_ram:map_luts -top {top}
rename -hide w:*"""


def synthesis_script(top):
    """Commands of Yosys between reading a design and writing it, for one module and all in it."""
    coarse = _COARSE.format(options=_OPTIONS, top=top)
    return f"{coarse}\nsynth_ice40 {_OPTIONS} -run map_luts: -top {top}\n"


#: Range in which the oscillator of a PLL runs, in Hz.
_VCO_LOW, _VCO_HIGH = 533_000_000, 1_066_000_000


def pll_dividers(crystal, frequency):
    """Settings of an SB_PLL40 with simple feedback: ``frequency = crystal * (DIVF + 1) / 2 ** DIVQ``.

    Raises
    ------
    ValueError
        If there are none.
    """
    for exponent in range(1, 7):
        factor, remainder = divmod(frequency << exponent, crystal)
        if not remainder and factor <= 128 and _VCO_LOW <= frequency << exponent <= _VCO_HIGH:
            return {"DIVF": factor - 1, "DIVQ": exponent}
    raise ValueError(
        f"expected a clock that the PLL makes from {crystal} Hz (a multiple of a 64th, from 8.4 MHz on), got {frequency} Hz"
    )


class ClockGenerator(wiring.Component):
    """Drives the ``sync`` domain of an iCE40 board from its crystal through a PLL, and keeps it in reset until that has locked.

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
        board, locked = self._board, Signal()
        crystal = platform.request(platform.default_clk, dir="-")
        m.submodules.pll = Instance(
            "SB_PLL40_PAD",
            p_FEEDBACK_PATH="SIMPLE",
            p_DIVR=0,
            **{f"p_{name}": value for name, value in pll_dividers(board.crystal, board.frequency).items()},
            # Of what the crystal gives, 10 to 17 MHz.
            p_FILTER_RANGE=1,
            i_PACKAGEPIN=crystal.io,
            i_RESETB=1,
            i_BYPASS=0,
            o_PLLOUTGLOBAL=ClockSignal(),
            o_LOCK=locked,
        )
        m.submodules.locked = FFSynchronizer(locked, self.runs, reset_less=True)
        m.d.comb += ResetSignal().eq(~self.runs)
        return m


class _Ice40(Family):
    name = "iCE40 UltraPlus"
    steps = {"yosys": "synthesis", "nextpnr-ice40": "place and route", "icepack": "pack"}
    products = ("bin",)
    # A register is part of a logic cell, as a LUT is.
    bels = {
        "luts": "ICESTORM_LC",
        "dsps": "ICESTORM_DSP",
        "block_rams": "ICESTORM_RAM",
        "large_rams": "ICESTORM_SPRAM",
    }
    resets = True
    serial = True
    least = {"luts": {"SB_LUT4": 1}, "dsps": {"SB_MAC16": 1}, "block_rams": {"SB_RAM40_4K": 1}}

    def check_clock(self, crystal, frequency):
        pll_dividers(crystal, frequency)

    def create_clock(self, board):
        return ClockGenerator(board)

    def count_parts(self, config):
        return count_parts(config)

    def overrides(self, board, name, seed):
        return {
            "script_after_read": _COARSE.format(options=_OPTIONS, top=name),
            "synth_opts": f"{_OPTIONS} -run map_luts:",
            "script_after_synth": "tee -q -o stat.json stat -json",
            "nextpnr_opts": f"--seed {seed} --timing-allow-fail --report report.json",
        }


ICE40 = _Ice40()
