"""Which memories of a part a memory of the design becomes: the choice that Yosys' ``memory_libmap`` makes, and why.

Yosys gives every kind of memory a price, adds one for what has to be built around it (half of one for each bit of a
multiplexer between words of several memories, and of a write enable that is decoded), and takes the cheapest. Prices are those of its library
for ECP5; shapes are those of ECP5 and of Gowin's parts: distributed memory of 16 words of 4 bits, and block RAM of 18 kbit.
"""

from dataclasses import dataclass, replace

__all__ = ["Mapping", "Memory", "map_memory"]

#: Words and bits of a cell of distributed memory, and its price.
_CELL_WORDS, _CELL_BITS, _CELL_PRICE = 16, 4, 4
#: Words by bits of a block RAM, and its price. A write port of 36 bits takes enables for every 9 of them, so it serves narrower words too.
_BLOCK_SHAPES, _BLOCK_PRICE = {36: 512, 18: 1024, 9: 2048, 4: 4096, 2: 8192, 1: 16384}, 128
#: Bits of a block RAM that share a write enable.
_BLOCK_BYTE = 9
#: Price of one bit of a multiplexer, or of a decoded enable, and of a port for reading alone.
_MUX_PRICE, _PORT_PRICE = 0.5, 2


@dataclass(frozen=True, kw_only=True)
class Memory:
    """One memory of the design, written through one port.

    ``width`` in bits, ``depth`` in words. ``lanes`` bits share a write enable (0: the whole word does). ``readers`` ports read, ``at_once``
    in the cycle of their address, otherwise in the next one. ``used`` is the share of what each port reads that is used.
    ``style`` is ``block`` or ``distributed`` if the hardware asks for it, else empty.
    """

    width: int
    depth: int
    lanes: int = 0
    readers: int = 1
    at_once: bool = False
    used: float = 1.0
    style: str = ""


@dataclass(frozen=True, kw_only=True)
class Mapping:
    """What a memory becomes: block RAMs, or cells of distributed memory, or registers; and multiplexed bits behind them."""

    blocks: int = 0
    cells: int = 0
    registers: int = 0
    multiplexed: int = 0


def map_memory(memory, *, blocks_first=False):
    """The cheapest ``Mapping`` of a ``Memory``, as Yosys chooses it; with ``blocks_first`` every memory of one reader that can be block RAMs is."""
    if blocks_first and not memory.at_once and memory.readers == 1:
        memory = replace(memory, style="block")
    choices = []
    if memory.style != "block":
        choices.append(_distributed(memory))
    if memory.style != "distributed" and not memory.at_once:
        choices += [_blocks(memory, bits) for bits in _BLOCK_SHAPES]
    if not memory.style:
        registers = Mapping(
            registers=memory.width * memory.depth,
            multiplexed=(memory.depth - 1) * memory.width * memory.readers,
        )
        choices.append((memory.width * memory.depth, registers))
    return min(choices, key=lambda choice: choice[0])[1]


def _price_around(memory, rows):
    """Of what joins ``rows`` memories that hold different words."""
    if rows == 1:
        return 0
    enables = memory.width // memory.lanes if memory.lanes else 1
    return _MUX_PRICE * ((rows - 1) * memory.width * memory.readers + rows * enables)


def _distributed(memory):
    rows, columns = -(-memory.depth // _CELL_WORDS), -(-memory.width // _CELL_BITS)
    price = _CELL_PRICE * rows * columns * memory.readers
    price += _price_around(memory, rows) + _PORT_PRICE * memory.readers
    mapping = Mapping(
        cells=round(rows * columns * memory.readers * memory.used),
        multiplexed=round((rows - 1) * memory.width * memory.readers * memory.used),
    )
    return price, mapping


def _blocks(memory, bits):
    rows = -(-memory.depth // _BLOCK_SHAPES[bits])
    byte = min(_BLOCK_BYTE, bits)
    lanes = memory.lanes or memory.width
    padded = -(-lanes // byte) * byte * (memory.width // lanes)
    count = -(-rows * padded // bits) * memory.readers
    price = _BLOCK_PRICE * count + _price_around(memory, rows) + _PORT_PRICE * memory.readers
    return price, Mapping(blocks=count, multiplexed=(rows - 1) * memory.width * memory.readers)
