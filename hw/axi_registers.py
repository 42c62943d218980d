"""The registers of the AXI4-Lite port: one definition for the gateware, for software and for the documentation."""

from dataclasses import dataclass

from amaranth.lib import enum

from .protocol import PROTOCOL_VERSION, Unit

__all__ = [
    "ADDRESS_BITS",
    "BUS_VERSION",
    "IDENTIFICATION",
    "REGISTERS",
    "Access",
    "Address",
    "Control",
    "Event",
    "Register",
    "State",
    "register_table",
]

#: Bits of an address of the port: 256 bytes.
ADDRESS_BITS = 8
#: Content of ``IDENTIFICATION``: the letters FRTH, first one lowest.
IDENTIFICATION = int.from_bytes(b"FRTH", "little")
#: Version of the ports and registers; that of the frames is ``hw.protocol.PROTOCOL_VERSION``.
BUS_VERSION = 2


class Access(enum.Enum):
    """What a write to a register does."""

    #: It is refused.
    READ = "read"
    #: The register keeps what was written.
    WRITE = "read, write"
    #: Bits that are written as one become zero.
    CLEAR = "read, write 1 to clear"
    #: Bits that are written as one have an effect at once; reads give zero.
    PULSE = "write"


class Control(enum.IntFlag):
    """Bits of ``CONTROL``."""

    #: The accelerator and both streams are reset; memories keep their contents.
    RESET = 1
    #: The layers of ``RUN_FIRST`` and ``RUN_LAYERS`` are run, or that is refused.
    RUN = 2


class State(enum.IntFlag):
    """Bits of ``STATE``."""

    #: A run is under way.
    RUNNING = 1
    #: Activations of the network's input may be loaded.
    INPUT_FREE = 2


class Event(enum.IntFlag):
    """Bits of ``EVENTS`` and ``INTERRUPTS``."""

    #: A run has ended.
    RUN_ENDED = 1
    #: The last byte of a response has been taken from the output stream.
    RESPONDED = 2
    #: A run that ``CONTROL`` asked for does not begin.
    REFUSED = 4


@dataclass(frozen=True)
class Register:
    """One 32-bit register."""

    name: str
    address: int
    access: Access
    content: str
    bits: type | None = None


REGISTERS = (
    Register("IDENTIFICATION", 0x00, Access.READ, f"`{IDENTIFICATION:#010x}`, the letters FRTH"),
    Register(
        "VERSION",
        0x04,
        Access.READ,
        f"lower half {PROTOCOL_VERSION}: version of the frames; upper half {BUS_VERSION}: version of these registers",
    ),
    Register("DIGEST", 0x08, Access.READ, "digest of the configuration, as `farthing verilog` writes it"),
    Register("CONTROL", 0x10, Access.PULSE, "what is to be done", Control),
    Register("STATE", 0x14, Access.READ, "what is going on", State),
    Register("INTERRUPTS", 0x18, Access.WRITE, "events that raise `irq`", Event),
    Register("EVENTS", 0x1C, Access.CLEAR, "events since they were cleared", Event),
    Register("CYCLES", 0x20, Access.READ, "cycles of the runs since the last `WAIT` was answered"),
    Register("RUNS", 0x24, Access.READ, "runs that have ended"),
    Register("RESPONSES", 0x28, Access.READ, "responses that have left"),
    Register("BYTES_IN", 0x2C, Access.READ, "bytes taken from the input stream"),
    Register("BYTES_OUT", 0x30, Access.READ, "bytes given to the output stream"),
    Register("RUN_FIRST", 0x34, Access.WRITE, "first layer of the next run that `CONTROL` begins"),
    Register("RUN_LAYERS", 0x38, Access.WRITE, "how many layers it runs"),
    *(
        Register(
            f"STALLS_{unit.name}",
            0x40 + 4 * unit.value,
            Access.READ,
            f"cycles of the last run, or of the one under way, in which `{unit.name}` waited",
        )
        for unit in Unit
    ),
)

#: Addresses by name, for software.
Address = enum.IntEnum("Address", {register.name: register.address for register in REGISTERS})


def register_table():
    """The registers as a Markdown table."""
    lines = ["| address | register | access | content |", "|---|---|---|---|"]
    for register in REGISTERS:
        bits = "".join(f"; bit {bit.value.bit_length() - 1}: {bit.name}" for bit in register.bits or ())
        access = register.access.value
        lines.append(
            f"| `{register.address:#04x}` | `{register.name}` | {access} | {register.content}{bits} |"
        )
    return "\n".join(lines)
