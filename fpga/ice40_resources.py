"""What a serial machine takes of an iCE40 UltraPlus, counted from its configuration.

Memories and multipliers are counted as Yosys maps them; logic is what preset ``icebreaker`` takes and what each bit, lane or tap more adds to it.
Logic cells, each a LUT and a register, are the ``luts``; ``registers`` are part of them. Numbers are fitted to ``bench/results/resources.json``.
"""

import math

from amaranth.hdl import Shape

from fpga.resources import Resources
from hw.config import Config
from hw.formats import LAYER_WORDS, Bank, basis_layout, scale_word_layout
from hw.serial_layer import field_bits

__all__ = ["count_parts"]

#: Bits of a word of a block RAM, and how many of these it has.
_BLOCK_SHAPES = {16: 256, 8: 512, 4: 1024, 2: 2048}
#: The same of a large RAM. A memory becomes some if it may start with anything, which ``fpga.ice40`` lets those of this many words do.
_LARGE_BITS, _LARGE_WORDS, _LARGE_FROM = 16, 16384, 4096
#: Bits of an operand of a multiplier, and of the least product that is not made of logic.
_OPERAND, _LEAST_PRODUCT = 16, 11
#: Logic cells and registers for each bit of a memory with one port that becomes block RAMs: what was written last is kept beside these.
_BESIDE = Resources(luts=3.5, registers=2.5)
#: Logic cells and registers of each part of preset ``icebreaker`` but for memories and the fields of a layer.
_BASE = {
    "link": (1381, 467),
    "description": (127, 0),
    "sums": (564, 154),
    "taps": (692, 301),
    "pooling": (625, 124),
    "output": (907, 379),
    "order of events, serial line": (86, 251),
}
#: What each of these sizes, one more than there, adds to a part.
_SLOPES = {
    "link": {"lanes": (24, 12), "taps": (16, 7)},
    "sums": {"lanes": (35, 2), "place": (7.5, 3), "list": (6, 5), "z": (5, 1)},
    "taps": {"taps": (42, 16.5), "plane": (16, 6), "z": (2, 2)},
    "pooling": {"lanes": (14.5, 0), "place": (37, 4), "plane": (5, 3)},
    "output": {"lanes": (9.5, 0), "place": (12, 9), "plane": (3, 1), "scale": (5.5, 2.5)},
}


def count_parts(config):
    """``Resources`` by name of the part, in the order of the hardware; the logic around a memory is with it.

    Raises
    ------
    ValueError
        If the ``Config`` is not that of a serial machine.
    """
    if not config.serial:
        raise ValueError(
            f"expected a serial machine for this board, got one with PEs, preset {config.name}; take icebreaker"
        )
    sizes, known = _sizes(config), _sizes(Config.preset("icebreaker"))
    parts = {}
    for name, base in _BASE.items():
        cells, registers = (
            base[kind]
            + sum(slope[kind] * (sizes[size] - known[size]) for size, slope in _SLOPES.get(name, {}).items())
            for kind in range(2)
        )
        parts[name] = Resources(luts=cells, registers=registers)
    fields, plane = sum(field_bits(config).values()), sizes["plane"]
    steps_by_rows = config.kernel_height > 1 and plane >= _LEAST_PRODUCT
    parts["description"] += Resources(luts=fields, registers=fields) + _memory(
        16, config.layers * LAYER_WORDS
    )
    parts["taps"] += _memory(Shape.cast(basis_layout(config)).width + 1, config.basis_words)
    parts["taps"] += Resources(dsps=_multipliers(config.z_bits, 8) + steps_by_rows)
    parts["output"] += _memory(Shape.cast(scale_word_layout(config)).width, config.scale_words) + Resources(
        dsps=_multipliers(config.accumulator_bits, config.multiplier_bits)
        + _multipliers(9, config.multiplier_bits)
    )
    parts["plane"] = _memory(config.accumulator_bits, config.plane_words)
    parts["coefficients"] = _memory(config.coefficient_bits, config.coefficient_words, single_port=True)
    parts["activations"] = _memory(8 * config.chunk, len(Bank) * config.activation_words, single_port=True)
    parts["counters"] = _memory(32, config.layers)
    return parts


def _sizes(config):
    """Of what the logic of a part grows with."""
    return {
        "lanes": config.chunk,
        "taps": config.taps,
        "place": (config.activation_words - 1).bit_length(),
        "list": (config.coefficient_words - 1).bit_length(),
        "plane": (config.plane_words - 1).bit_length(),
        "z": config.z_bits,
        "scale": config.accumulator_bits + config.multiplier_bits + config.bias_bits,
    }


def _multipliers(*widths):
    return math.prod(-(-width // _OPERAND) for width in widths)


def _memory(width, depth, *, single_port=False):
    """Block RAMs or large ones, and the multiplexers between words of several of them."""
    if single_port and depth >= _LARGE_FROM:
        rows = -(-depth // _LARGE_WORDS)
        return Resources(large_rams=-(-rows * width // _LARGE_BITS), luts=(rows - 1) * width)
    count, rows = min(
        (-(-rows * width // bits), rows)
        for bits, words in _BLOCK_SHAPES.items()
        for rows in [-(-depth // words)]
    )
    bits = width * single_port
    return Resources(
        block_rams=count, luts=(rows - 1) * width + _BESIDE.luts * bits, registers=_BESIDE.registers * bits
    )
