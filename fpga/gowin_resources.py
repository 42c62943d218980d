"""What an accelerator takes of Gowin's LittleBee: multipliers and memories as synthesis maps them, logic as a multiple of what ``fpga.parts`` counts.

``luts`` are places of LUTs, as place and route counts them: those of LUTs, of registers that no LUT is in front of, and of distributed memory.
"""

from fpga.memory_map import map_memory
from fpga.parts import parts
from fpga.resources import Resources

__all__ = ["count_parts"]

#: Places of LUTs that a cell of distributed memory takes.
_CELL_LUTS = 4
#: LUTs for one of an ECP5, in the MACs, which are mostly sums, and elsewhere: there are no carry chains (``fpga.gowin``).
_SUMS, _OTHERS = 1.35, 1.10
#: Registers for one of ``fpga.parts``, and those of them that no LUT is in front of.
_REGISTERS, _ALONE = 0.925, 0.435


def count_parts(config):
    """``Resources`` by name of the part, of a ``Config`` that is not serial; raises ``ValueError`` if it is."""
    return {
        name: _count(piece, _SUMS if name == "MACs" else _OTHERS) for name, piece in parts(config).items()
    }


def _count(piece, factor):
    logic = Resources(
        luts=factor * piece.luts + _ALONE * piece.registers,
        registers=_REGISTERS * piece.registers,
        dsps=piece.dsps,
    )
    return sum((_count_memory(memory) * times for memory, times in piece.memories), logic)


def _count_memory(memory):
    mapping = map_memory(memory, blocks_first=True)
    return Resources(
        luts=_CELL_LUTS * mapping.cells + mapping.multiplexed,
        block_rams=mapping.blocks,
        registers=mapping.registers,
    )
