"""Memories as synthesis maps them. What they become in whole accelerators is in tests/bench/test_resources.py."""

import pytest

from fpga.memory_map import Memory, map_memory


@pytest.mark.parametrize(
    ("width", "depth", "options", "blocks", "cells"),
    [
        # A bank of activations of preset ulx3s-85f: 16 lanes, a byte of 9 bits each.
        (128, 2048, {"lanes": 8}, 16, 0),
        # Its coefficients, partial sums, entries, bases, program.
        (38, 512, {}, 2, 0),
        (40, 32, {"style": "block"}, 2, 0),
        (360, 256, {}, 10, 0),
        (72, 256, {}, 2, 0),
        (16, 2048, {}, 2, 0),
        (8, 2048, {}, 1, 0),
        # A FIFO, the input ring of two rows, a table of bases of which each port reads a half.
        (20, 16, {}, 0, 5),
        (128, 16, {"readers": 2, "at_once": True, "style": "distributed"}, 0, 64),
        (72, 16, {"readers": 2, "at_once": True, "used": 0.5}, 0, 18),
        (16, 17, {}, 0, 8),
        (1, 1 << 14, {}, 1, 0),
    ],
)
def test_a_memory_becomes_what_synthesis_makes_of_it(width, depth, options, blocks, cells):
    mapping = map_memory(Memory(width=width, depth=depth, **options))
    assert (mapping.blocks, mapping.cells, mapping.registers) == (blocks, cells, 0)


def test_words_of_several_memories_are_multiplexed():
    assert map_memory(Memory(width=16, depth=17)).multiplexed == 16
    assert map_memory(Memory(width=36, depth=1024)).multiplexed == 0


def test_a_few_bits_are_registers():
    assert map_memory(Memory(width=1, depth=2, at_once=True)).registers == 2
