"""Lattice's ECP5: Yosys, nextpnr and Project Trellis."""

from amaranth import *
from amaranth.lib import io, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import Out

from fpga.ecp5_resources import count_parts
from fpga.family import Family
from fpga.sharing import share_modules

__all__ = ["ECP5", "ClockGenerator", "pll_dividers", "synthesis_script"]

#: Range in which the oscillator of a PLL runs, in Hz, and the middle, where it is most at ease.
VCO_LOW, VCO_BEST, VCO_HIGH = 400_000_000, 600_000_000, 800_000_000
#: The other one comes to no end on a part that is nearly full.
_ROUTER = "router2"
#: Wide multiplexers of ECP5 cost more LUTs than they save: without them a SparseMap decoder halves.
_OPTIONS = "-nowidelut"
#: No result depends on what a block RAM gives for a word that is written in the same cycle; to give the old one, which it
#: does not do by itself, would take 160 LUTs a PE.
#: Names of wires are hidden: abc9 splits wires into names of its own, and stops where one of them is taken.
#: A short carry chain costs more LUTs, for its ends, than the same sum or comparison in logic.
_COARSE = """setparam -set COLLISION_X_MASK 1'1 t:$memrd_v2 r:CLK_ENABLE=1 %i
synth_ecp5 {options} -run begin:map_gates -top {top}
techmap t:$alu r:Y_WIDTH<=9 %i
rename -hide w:*"""
#: What is there many times is copied only now; the floorplan names every multiplier.
_FLAT = """tee -q -o stat.json stat -json
setattr -mod -unset keep_hierarchy *
flatten
delete t:$scopeinfo"""
#: Parts that are there many times: synthesised once, and their registers of what all share stay beside their users.
_WHOLE = r"(pe|scale_unit|copy|relay)_\d+"


def synthesis_script(top):
    """Commands of Yosys between reading a design and writing it, for one module and all in it."""
    return f"{_COARSE.format(options=_OPTIONS, top=top)}\nsynth_ecp5 {_OPTIONS} -run map_gates: -top {top}\n"


def pll_dividers(crystal, frequency):
    """Dividers of an EHXPLLL with feedback from its first output: input, feedback and output.

    ``frequency = crystal * feedback / input``, and the oscillator runs at ``frequency * output``.

    Raises
    ------
    ValueError
        If there are none.
    """
    for divider in range(1, 9):
        feedback, remainder = divmod(frequency * divider, crystal)
        if remainder or not 1 <= feedback <= 80 or crystal // divider < 3_125_000:
            continue
        output = max(1, round(VCO_BEST / frequency))
        if VCO_LOW <= frequency * output <= VCO_HIGH:
            return {"input": divider, "feedback": feedback, "output": output}
    raise ValueError(
        f"expected a clock that the PLL makes from {crystal} Hz (a multiple of an 8th or more), got {frequency} Hz"
    )


class ClockGenerator(wiring.Component):
    """Drives the ``sync`` domain of an ECP5 board from its crystal through a PLL.

    The parent defines the domain, which needs no reset: its clock stands still until the PLL has locked, and registers start
    with what the bitstream gives them. A reset of every register would take as much routing as a large bus.

    Parameters
    ----------
    board : Board
        Gives the crystal and the clock.

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
        pll = pll_dividers(self._board.crystal, self._board.frequency)
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


class _Ecp5(Family):
    name = "ECP5"
    steps = {"yosys": "synthesis", "nextpnr-ecp5": "place and route", "ecppack": "pack"}
    products = ("bit", "svf")
    bels = {"luts": "TRELLIS_COMB", "registers": "TRELLIS_FF", "dsps": "MULT18X18D", "block_rams": "DP16KD"}
    # Distributed memory adds more.
    least = {
        "luts": {"LUT4": 1, "CCU2C": 2},
        "dsps": {"MULT18X18D": 1},
        "block_rams": {"DP16KD": 1},
    }
    netlist = "farthing.json"
    choices = True

    def prepare_source(self, text):
        return share_modules(text, _WHOLE)

    def check_clock(self, crystal, frequency):
        pll_dividers(crystal, frequency)

    def create_clock(self, board):
        return ClockGenerator(board)

    def count_parts(self, config):
        return count_parts(config)

    def overrides(self, board, name, seed):
        return {
            "script_after_read": _COARSE.format(options=_OPTIONS, top=name),
            "synth_opts": f"{_OPTIONS} -run map_gates:",
            "script_after_synth": _FLAT,
            # A miss of the clock is reported with what was reached, which an error of nextpnr would hide.
            "nextpnr_opts": (
                f"--seed {seed} --placer {board.placer} --router {_ROUTER} {'--tmg-ripup ' * board.rip_up}"
                "--timing-allow-fail --report report.json"
            ),
        }


ECP5 = _Ecp5()
