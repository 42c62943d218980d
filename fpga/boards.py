"""The boards that farthing makes bitstreams for."""

import dataclasses
import importlib
from dataclasses import dataclass

from fpga.ecp5 import ECP5
from fpga.family import Family
from fpga.floorplan import LFE5U_85F, Part
from fpga.gowin import GOWIN
from fpga.ice40 import ICE40

__all__ = ["BOARDS", "Board", "find_board"]


@dataclass(frozen=True, kw_only=True)
class Board:
    """One board: which part it carries and at which clocks the accelerator runs on it.

    Raises
    ------
    ValueError
        If the part cannot make ``frequency``, or the UART cannot make ``baud``.
    """

    name: str
    #: Module of ``amaranth_boards``, and class in it.
    module: str = "ulx3s"
    platform: str
    #: LED that says that the clock is up, and which of its colours if it has several: names of the platform's resource.
    led: str = "led"
    colour: str | None = None
    #: What kind of part it is.
    family: Family = ECP5
    #: Where the part has what, if it is large enough for a floorplan.
    part: Part | None = None
    #: Four-input LUTs of the part.
    luts: int
    #: Flip-flops of the part.
    registers: int
    #: 18 x 18 multipliers of the part.
    dsps: int
    #: Block RAMs of the part: of 18 kbit, those of an iCE40 of 4 kbit.
    block_rams: int
    #: Large memories of the part, of 256 kbit and one port.
    large_rams: int = 0
    #: What openFPGALoader calls it.
    loader: str = "ulx3s"
    #: Bitstreams go to the flash that the part starts from: nothing else of it is wired to the USB bridge.
    flash: bool = False
    #: Crystal of the board, in Hz.
    crystal: int = 25_000_000
    #: Clock of the accelerator, in Hz.
    frequency: int = 50_000_000
    #: Placer of nextpnr: where little room is left ``static`` needs less wire; with a floorplan ``heap`` is faster and knows about time.
    placer: str = "static"
    #: Wires that come too late for the clock are routed again until none is, so a clock that cannot be reached takes all the time there is;
    #: otherwise single ones keep detours of half a period. Only nextpnr for ECP5 can.
    rip_up: bool = False
    #: Of the placer, if nothing else is said.
    seed: int = 1
    #: Bits per second of the host link, through the board's USB serial bridge.
    baud: int = 1_000_000

    def __post_init__(self):
        self.family.check_clock(self.crystal, self.frequency)
        _ = self.uart_divisor

    def replace(self, **changes):
        """The same board with some values changed, checked again."""
        return dataclasses.replace(self, **changes)

    @property
    def uart_divisor(self):
        """Clock cycles of one bit on the serial line."""
        divisor = round(self.frequency / self.baud)
        # A receiver samples the last of ten bits half a bit from its edge: a third of that may be lost here.
        if divisor < 4 or abs(divisor * self.baud - self.frequency) > self.frequency / 60:
            raise ValueError(
                f"expected a baud rate near a divisor of {self.frequency} Hz, at most a quarter of it, "
                f"got {self.baud}"
            )
        return divisor

    def create_platform(self):
        """The Amaranth platform: pins, part and toolchain."""
        module = importlib.import_module(f"amaranth_boards.{self.module}")
        return self.family.create_platform(getattr(module, self.platform))


#: The boards by name.
BOARDS = {
    board.name: board
    for board in (
        Board(
            name="ulx3s-25f",
            platform="ULX3S_25F_Platform",
            luts=24_288,
            registers=24_288,
            dsps=28,
            block_rams=56,
            # A part that is nearly full has longer ways.
            frequency=40_000_000,
        ),
        Board(
            name="ulx3s-85f",
            platform="ULX3S_85F_Platform",
            part=LFE5U_85F,
            placer="heap",
            seed=2,
            luts=83_640,
            registers=83_640,
            dsps=156,
            block_rams=208,
        ),
        Board(
            name="ecpix5-85f",
            module="ecpix5",
            platform="ECPIX585Platform",
            led="rgb_led",
            colour="g",
            part=LFE5U_85F,
            luts=83_640,
            registers=83_640,
            dsps=156,
            block_rams=208,
            loader="ecpix5",
            crystal=100_000_000,
        ),
        Board(
            name="tang-nano-9k",
            module="tang_nano_9k",
            platform="TangNano9kPlatform",
            family=GOWIN,
            luts=8_640,
            registers=6_480,
            dsps=20,
            block_rams=26,
            loader="tangnano9k",
            crystal=27_000_000,
            # That of the crystal.
            frequency=27_000_000,
        ),
        Board(
            name="icebreaker",
            module="icebreaker",
            platform="ICEBreakerPlatform",
            led="led_g",
            family=ICE40,
            luts=5_280,
            registers=5_280,
            dsps=8,
            block_rams=30,
            large_rams=4,
            loader="ice40_generic",
            flash=True,
            crystal=12_000_000,
            frequency=24_000_000,
        ),
    )
}


def find_board(name):
    """The board called ``name``; raises ``ValueError`` that lists the names there are."""
    if name not in BOARDS:
        raise ValueError(f"expected a board from {', '.join(BOARDS)}, got {name!r}")
    return BOARDS[name]
