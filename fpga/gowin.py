"""Gowin's LittleBee, GW1N: Yosys, nextpnr's Himbächel and Project Apicula."""

from amaranth import *
from amaranth.lib import io, wiring
from amaranth.lib.wiring import Out

from fpga.family import Family
from fpga.gowin_resources import count_parts

__all__ = ["GOWIN", "ClockInput"]

#: Carry cells and wide multiplexers take the places of LUTs, and together more of them than LUTs alone.
_OPTIONS = "-nowidelut -noalu"
#: No result depends on what a block RAM gives for a word that is written in the same cycle.
#: A distributed memory takes a whole tile, in six rows of the part alone, while block RAMs are left: every memory that can be one is.
_COARSE = """setparam -set COLLISION_X_MASK 1'1 t:$memrd_v2 r:CLK_ENABLE=1 %i
synth_gowin {options} -run begin:map_ram -top {top}
setattr -set ram_style "block" t:$mem_v2 r:RD_CLK_ENABLE=1'1 %i"""


class ClockInput(wiring.Component):
    """Drives the ``sync`` domain from the crystal of a board as it is.

    Members
    -------
    runs : out
        High.
    """

    def __init__(self):
        super().__init__({"runs": Out(1)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.crystal = crystal = io.Buffer("i", platform.request(platform.default_clk, dir="-"))
        m.d.comb += [ClockSignal().eq(crystal.i), self.runs.eq(1)]
        return m


class _Gowin(Family):
    name = "GW1N"
    steps = {"yosys": "synthesis", "nextpnr-himbaechel": "place and route", "gowin_pack": "pack"}
    products = ("fs",)
    bels = {"luts": "LUT4", "registers": "DFF", "dsps": "MULT18X18", "block_rams": "BSRAM"}
    # Distributed memory adds more.
    least = {
        "luts": {"LUT1": 1, "LUT2": 1, "LUT3": 1, "LUT4": 1},
        "dsps": {"MULT18X18": 1},
        "block_rams": {"DPB": 1, "DPX9B": 1, "SDPB": 1, "SDPX9B": 1},
    }

    def create_platform(self, platform):
        return _himbaechel(platform)()

    def check_clock(self, crystal, frequency):
        if frequency != crystal:
            raise ValueError(f"expected the clock of the crystal, {crystal} Hz, got {frequency} Hz")

    def create_clock(self, board):
        return ClockInput()

    def count_parts(self, config):
        return count_parts(config)

    def overrides(self, board, name, seed):
        return {
            "script_after_read": _COARSE.format(options=_OPTIONS, top=name),
            "synth_opts": f"{_OPTIONS} -run map_ram:",
            "script_after_synth": "tee -q -o stat.json stat -json",
            "nextpnr_opts": f"--seed {seed} --freq {board.frequency / 1e6:g} --timing-allow-fail --report report.json",
        }


def _himbaechel(platform):
    """``platform``, a class for Amaranth's Gowin tools, with the nextpnr of today: its own port for Gowin is gone."""
    place_and_route = """
        {{invoke_tool("nextpnr-himbaechel")}}
            {{quiet("--quiet")}}
            {{get_override("nextpnr_opts")|options}}
            --log {{name}}.tim
            --device {{platform.part}}
            --vopt family={{platform._chipdb_device}}
            --vopt cst={{name}}.cst
            --json {{name}}.syn.json
            --write {{name}}.pnr.json
    """

    class Platform(platform):
        required_tools = list(_Gowin.steps)

        @property
        def command_templates(self):
            synthesis, _, pack = super().command_templates
            return [synthesis, place_and_route, pack]

    return Platform


GOWIN = _Gowin()
