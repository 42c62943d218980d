"""What an accelerator takes of an ECP5: multipliers and memories as synthesis maps them, logic as ``fpga.parts`` counts it."""

from fpga.memory_map import map_memory
from fpga.parts import parts
from fpga.resources import Resources

__all__ = ["count_parts"]

#: LUTs that a cell of distributed memory takes: its own four, and those that its write port needs.
_CELL_LUTS = 6


def count_parts(config):
    """``Resources`` by name of the part, of a ``Config`` that is not serial; raises ``ValueError`` if it is."""
    return {name: _count(piece) for name, piece in parts(config).items()}


def _count(piece):
    logic = Resources(luts=piece.luts, registers=piece.registers, dsps=piece.dsps)
    return sum((_count_memory(memory) * times for memory, times in piece.memories), logic)


def _count_memory(memory):
    """Cells, block RAMs and the multiplexers between words of several of them."""
    mapping = map_memory(memory)
    # Where cells are asked for, what reads them counts the register behind them.
    late = 0 if memory.at_once or memory.style or not mapping.cells else memory.width
    return Resources(
        luts=_CELL_LUTS * mapping.cells + mapping.multiplexed,
        block_rams=mapping.blocks,
        registers=mapping.registers + late,
    )
