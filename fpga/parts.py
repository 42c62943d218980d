"""What an accelerator with PEs is made of, part by part as the hardware is built, from its configuration alone.

Logic is counted from what a part is made of: adders, multiplexers and comparisons of the widths of the configuration, plus a constant for its
control, in LUTs and carry chains of an ECP5. Constants, and a factor for what synthesis joins, are fitted to what Yosys made of the configurations in
``bench/results/resources.json``; ``python -m bench.resources`` measures them. What memories become is for each family to say.
"""

import math
from dataclasses import dataclass

from amaranth.hdl import Shape

from fpga.memory_map import Memory
from hw.concentration import column_offsets
from hw.config import ACTIVATION_BITS
from hw.formats import (
    LAYER_FIELDS,
    LAYER_WORDS,
    Bank,
    basis_layout,
    coefficient_layout,
    ring_layout,
    scale_word_layout,
    z_layout,
)
from hw.link_words import write_layout
from hw.protocol import Unit
from hw.window_reader import window_layout

__all__ = ["Piece", "parts"]

#: Bits of the two operands of a hardware multiplier, and of each part of a wider operand.
_OPERAND, _PART = 18, 17
#: Bits from which on a product takes one.
_LEAST_OPERAND = 2
#: The longest sum that is cheaper in logic than as a carry chain, and LUTs that the ends of a chain take.
_SHORT_SUM, _CHAIN_ENDS = 9, 4


@dataclass(frozen=True, kw_only=True)
class Piece:
    """What a part of the design is made of; ``+`` joins pieces, ``*`` repeats one. ``memories`` are tuples of ``Memory`` and how many there are."""

    luts: float = 0
    registers: float = 0
    dsps: int = 0
    memories: tuple = ()

    def __add__(self, other):
        return Piece(**{name: value + getattr(other, name) for name, value in vars(self).items()})

    def __mul__(self, times):
        return Piece(
            luts=self.luts * times,
            registers=self.registers * times,
            dsps=self.dsps * times,
            memories=tuple((memory, count * times) for memory, count in self.memories),
        )


def _bits(shape):
    return Shape.cast(shape).width


def _range_bits(count):
    """Bits of a number from 0 to ``count - 1``."""
    return max(0, (count - 1).bit_length())


def _sum(bits):
    """LUTs of an adder, or a comparison of order."""
    return 1.6 * bits if bits <= _SHORT_SUM else 2 * math.ceil(bits / 2) + _CHAIN_ENDS


def _choose(bits, sources):
    """LUTs of a multiplexer of ``bits`` between ``sources``: a LUT joins two more."""
    return bits * (sources - 1)


def _counter(bits):
    """LUTs of a counter that is loaded and compared."""
    return _sum(bits) + bits + bits / 2


def _multipliers(*widths):
    return math.prod(1 if width <= _OPERAND else -(-(width - 1) // _PART) for width in widths)


def _memory(**kind):
    return Piece(memories=((Memory(**kind), 1),))


def _fifo(width, depth):
    """``SyncFIFOBuffered``: one word waits in front of its memory."""
    pointers = 2 * _range_bits(depth - 1) + 2 * depth.bit_length()
    return _memory(width=width, depth=depth - 1) + Piece(luts=1.6 * pointers, registers=pointers + 1)


def _skid(bits):
    """``SkidBuffer``."""
    return Piece(luts=bits + 4, registers=2 * bits + 2)


def parts(config):
    """``Piece`` by name, all of a kind together, in the order of the hardware; with a serial line.

    Raises
    ------
    ValueError
        If it is a serial machine.
    """
    if config.serial:
        raise ValueError(
            f"expected a machine with PEs for this board, got the serial one of preset {config.name}; "
            "take another, small for instance"
        )
    rows = config.pes * config.rows
    return {
        "link": _link(config),
        "sequencer": _sequencer(config),
        "stalls": _stalls(),
        "activations": _activations(config),
        "feeder": _feeder(config),
        "bases": _bases(config),
        "rings": _ring_copy(config) * config.pes + _ring_start(config) * config.blocks,
        "rows": _row(config) * rows,
        "MACs": _mac(config) * config.pes,
        "requantiser": _requantiser(config),
        "scale units": _scale_unit(config) * config.requantisers,
        "pools": _pools(config),
    }


def _row(config):
    """Walk through the coefficients, match, accumulation, FIFO of ``z``."""
    word, address = _bits(coefficient_layout(config)), _range_bits(config.coefficient_words)
    walked, tag, z = word + 1, config.basis_bits + 2, _bits(z_layout(config))
    passes = _range_bits(config.channels + 1)
    walker = _memory(width=word, depth=config.coefficient_words) + Piece(
        luts=3 * (_sum(address) + 1.5 * address) + _counter(16) + _counter(passes),
        registers=4 * address + 16 + passes + word + 12,
    )
    arriving = Piece(registers=word + address + 1)
    closer = Piece(luts=6, registers=z + 1)
    accumulation = _tree(config) if config.accumulation == "tree" else _concentration(config)
    total = Piece(luts=_sum(config.z_bits + 2) + 1.4 * config.z_bits, registers=2 * config.z_bits + tag + 2)
    return arriving + walker + _skid(walked) + accumulation + total + closer + _fifo(z, config.z_fifo + 1)


def _adder_tree(lanes, cut):
    """Adders over ``lanes`` activations of one bit more, each with a carry; registers where the tree is cut and behind it."""
    luts, width, registers = 0, ACTIVATION_BITS + 1, 0
    levels = _range_bits(lanes)
    for level in range(levels):
        if cut and level == levels // 2:
            registers += lanes * (width + 1)
        lanes //= 2
        luts += lanes * _sum(width + 2)
        width += 1
    return Piece(luts=luts, registers=registers + width + 1)


def _tree(config):
    tag = config.basis_bits + 2
    term = ACTIVATION_BITS + 2
    masked = Piece(luts=(term - 1) * config.chunk, registers=term * config.chunk + tag + 1)
    passing = Piece(registers=(tag + 1) * (1 + config.tree_is_cut))
    return masked + passing + _adder_tree(config.chunk, config.tree_is_cut)


def _concentration(config):
    chunk, lanes, tag = config.chunk, config.lanes, config.basis_bits + 2
    pair = _bits(ring_layout(config)) + 2 * chunk + tag
    offsets = len(column_offsets(config))
    window = min(config.steps, config.lookahead + 1)
    matched = Piece(registers=pair + 1)
    diluted = Piece(luts=2 * 2 * config.switches, registers=10 * chunk + tag + 1)
    picking = config.steps * lanes * offsets * 2.5 + 2 * chunk
    places = config.steps * offsets
    moved = (ACTIVATION_BITS + 1) * lanes * (2 * places - 1) / 3
    lanes_held = Piece(
        luts=picking + moved + 10 * lanes,
        registers=10 * chunk + (ACTIVATION_BITS + 2) * lanes + 2 * tag + window,
    )
    return matched + diluted + lanes_held + _adder_tree(lanes, config.tree_is_cut)


def _mac(config):
    """Issue, taps, chains, partial-sum lines, FIFO of results, and what a PE holds for itself."""
    sums, taps, classes = config.accumulator_bits, config.taps, config.classes
    place = config.line.bit_length()
    drain = _range_bits(config.kernel_height * config.line + config.kernel_width)
    passes = _range_bits(config.channels + 1)
    described = Piece(registers=6 * place + 2 * passes + drain + 16)
    arriving = Piece(registers=_bits(basis_layout(config)) + config.basis_bits + 4)
    table = _memory(
        width=_bits(basis_layout(config)),
        depth=2 << config.basis_bits,
        readers=classes,
        # Nothing but a register follows where there is one tap.
        at_once=taps > 1,
        used=1 / classes,
    )
    operand = config.z_bits + config.basis_bits + 3
    issue = Piece(
        luts=_choose(operand, config.rows) * (classes + 1) / 2
        + 16 * config.rows
        + 4 * _counter(place)
        + _counter(drain)
        + _counter(passes)
        - 20,
        registers=classes * operand + 4 * place + drain + passes + 3 * config.rows,
    )
    edges = config.kernel_height + config.kernel_width
    masks = Piece(luts=edges * (2 * _sum(place + 1) + 4) + 3 * taps, registers=edges * 2 * (place + 1))
    product = ACTIVATION_BITS + config.z_bits
    multipliers = Piece(
        dsps=taps * _multipliers(config.z_bits),
        registers=classes * config.z_bits + taps * (ACTIVATION_BITS + product),
    )
    joins = config.kernel_height * (config.kernel_width - 1)
    chains = Piece(
        luts=taps * (_sum(sums) + sums) + (joins if classes > 1 else 0) * (_sum(sums) + sums / 2),
        registers=taps * sums,
    )
    lines = config.kernel_height - 1
    # One row of taps needs no line.
    kept = _memory(width=sums * lines, depth=config.line, style="block") if lines else Piece()
    joined = kept + Piece(
        luts=lines * (_sum(sums) + sums / 2) + 2 * _counter(place),
        registers=sums * (2 * lines + config.kernel_height + 1) + 2 * place + 4,
    )
    return (
        described
        + arriving
        + table
        + issue
        + masks
        + multipliers
        + chains
        + joined
        + _fifo(sums, config.output_fifo)
    )


def _ring_copy(config):
    """The copy of the input ring that the rows of one PE read."""
    entry, place = _bits(ring_layout(config)), _range_bits(config.ring)
    chunks = _range_bits(config.classes * config.chunks + 1)
    level = place + 2
    memory = _memory(
        width=entry,
        depth=config.ring,
        readers=config.rows,
        at_once=config.accumulation == "tree",
        style="distributed",
    )
    reader = Piece(
        luts=3 * _sum(level) + chunks + 2 * _sum(place) + _sum(config.chunk_bits), registers=place + level + 1
    )
    steps = chunks * (config.classes + 1)
    return memory + reader * config.rows + Piece(luts=place, registers=entry + 2 + place + steps)


def _ring_start(config):
    """Chunks before the first pixel of each class of rows: synthesis gives a hardware multiplier even to a product of 2 bits."""
    narrow = min(_range_bits(config.classes), _range_bits(config.chunks + 1)) < _LEAST_OPERAND
    return Piece(dsps=0 if narrow else config.classes)


def _scale_unit(config):
    """Products, three sums, shift in two halves, saturation, clamp."""
    factor, sums = config.multiplier_bits, config.bias_bits + ACTIVATION_BITS
    high = max(1, config.accumulator_bits - _PART)

    def product(ones, other):
        """Sum of ``ones`` terms, each masked by a bit."""
        return (ones - 1) * _sum(other + 4) + 0.6 * ones * other

    luts = product(ACTIVATION_BITS + 1, factor - 1) + product(high, factor)
    luts += 4 * _sum(sums) + 2 * sums + 170
    held = config.accumulator_bits + factor + config.bias_bits + ACTIVATION_BITS + 1 + 32
    registers = held + (_PART + 1 + factor) + 6 * sums + 3 * (factor + 10) + 3 * (factor + high)
    table = Piece()
    if config.tables:
        table = _memory(width=ACTIVATION_BITS, depth=config.table_words) + Piece(luts=20, registers=26)
    return Piece(luts=luts, registers=registers, dsps=_multipliers(_PART + 1) * _multipliers(factor)) + table


def _requantiser(config):
    """Walk over the outputs, entries, a skid buffer for each PE, the choice between their groups."""
    units, sums, address = config.requantisers, config.accumulator_bits, _range_bits(config.activation_words)
    chunk_bits = ACTIVATION_BITS * config.chunk
    slots = config.chunk // units
    entries = _bits(scale_word_layout(config))
    place = address + _range_bits(slots) + 1
    groups = config.pes // units
    job = 8 + _range_bits(config.scale_words) + place
    walk = Piece(
        luts=4 * _counter(address) + 4 * _sum(16) + 2 * _counter(8) + 3 * address + 60,
        registers=5 * address + 5 * 16 + 10 + job,
    )
    choice = Piece(
        luts=units * sums * (2 * groups + 1) / 3 + units * (ACTIVATION_BITS + 1) * (slots + 1) / 2,
        registers=2 * units * (sums + ACTIVATION_BITS + 1),
    )
    travel = Piece(luts=config.chunk, registers=11 * (place + units) + 2 * place)
    return (
        walk
        + _fifo(job, 8)
        + _skid(chunk_bits)
        + _skid(sums) * config.pes
        + choice
        + _memory(width=entries, depth=config.scale_words)
        + Piece(registers=entries + 4)
        + travel
    )


def _link(config):
    """Frames, the loader with its scatter, the requests, the store, and the serial line."""
    word = _bits(write_layout(config))
    chunk = config.chunk
    buffer = word + ACTIVATION_BITS * 4 + chunk
    scatter = 2 * config.switches + 3 * chunk + 1.2 * chunk * _range_bits(chunk)
    return Piece(
        luts=620 + 1.5 * buffer + 2 * word + scatter + 10 * chunk + 0.5 * config.pes * config.rows,
        registers=560 + buffer + word + 27 + 3 * chunk + config.switches + 8 * chunk,
    )


def _sequencer(config):
    # Of each of two descriptions; the others are above what a field can hold.
    used = 0.55 * 16 * len(LAYER_FIELDS)
    memories = _memory(width=16, depth=config.layers * LAYER_WORDS) + _memory(width=32, depth=config.layers)
    return memories + Piece(luts=150, registers=2 * used + 16 + 32 * 3 + 30)


def _stalls():
    """Counters, a register before each, and the choice of one to be read."""
    units = len(Unit)
    return Piece(luts=32 * units + 32 * (units - 1), registers=33 * units)


def _activations(config):
    bits, banks = ACTIVATION_BITS * config.chunk, len(Bank)
    memory = _memory(width=bits, depth=config.activation_words, lanes=ACTIVATION_BITS) * banks
    address = _range_bits(config.activation_words)
    waiting = _memory(width=bits, depth=2, at_once=True) * 2
    read = waiting + Piece(luts=bits + 40 + banks * address, registers=2 * bits + 8)
    write = Piece(luts=bits * 3 + 2 * config.chunk * 2 + 2 * address)
    return memory + read + write


def _feeder(config):
    bits, chunk = ACTIVATION_BITS * config.chunk, config.chunk
    place = config.line.bit_length()
    walk = Piece(
        luts=3 * (_sum(16) + 16)
        + 2 * 16
        + 4 * _counter(place)
        + 2 * _counter(_range_bits(config.channels + 1))
        + 60,
        registers=3 * 16 + 3 * 16 + 4 * place + 40,
    )
    memory = _memory(width=2, depth=4, at_once=True)
    out = Piece(luts=bits + chunk, registers=bits + chunk + 1)
    feeder = memory + walk + out + _skid(bits)
    if config.accumulation == "tree":
        return feeder
    ring = _bits(ring_layout(config))
    counts = 3 * chunk * _range_bits(chunk) / 2
    encoder = Piece(
        luts=3 * chunk + counts + 2 * config.switches + 2 * ACTIVATION_BITS * config.switches,
        registers=bits + chunk + 2 * ring + 3,
    )
    return feeder + encoder


def _bases(config):
    width = _bits(basis_layout(config))
    address = _range_bits(config.basis_words)
    return _memory(width=width, depth=config.basis_words) + Piece(
        luts=60 + 3 * address, registers=width + 2 * address + 30
    )


def _pools(config):
    """Reader of windows, maxima, the line that joins them, sums."""
    chunk, bits, address = config.chunk, ACTIVATION_BITS * config.chunk, _range_bits(config.activation_words)
    wide = address + 4
    axis = Piece(
        luts=6 * _sum(wide) + 5 * wide + 6 * address,
        registers=5 * wide + 3 * address,
    )
    tags = _bits(window_layout(config)) - bits
    reader = axis * 2 + Piece(luts=4 * _counter(address) + 20, registers=6 * address + 2 * tags + 30)
    greatest = Piece(luts=(10 + ACTIVATION_BITS) * chunk, registers=bits)
    sum_bits = min(config.accumulator_bits, ACTIVATION_BITS + 1 + config.activation_words.bit_length())
    average = Piece(luts=chunk * (_sum(sum_bits) + 2 * sum_bits), registers=2 * chunk * sum_bits + 4)
    total = reader + _fifo(tags + 1, 4) + _skid(_bits(window_layout(config))) + greatest + average
    if config.pool_columns:
        memory = _memory(width=bits, depth=2 * config.pool_columns)
        joins = Piece(luts=(10 + 2 * ACTIVATION_BITS) * chunk, registers=3 * bits + tags)
        line = Piece(luts=(10 + 2 * ACTIVATION_BITS) * chunk + 60, registers=3 * bits + 3 * address + 30)
        total = total + memory + joins + line
    return total
