"""Every binary format that hardware and software share, defined once.

Words in memories are Amaranth structs: hardware views them, software packs them with
``layout.const({...}).as_bits()``. Streams between components are structs of the same kind.
"""

from amaranth.hdl import signed
from amaranth.lib import data, enum

from .config import ACTIVATION_BITS

__all__ = [
    "LAYER_FIELDS",
    "LAYER_WORDS",
    "Bank",
    "Layer",
    "Operation",
    "basis_layout",
    "coefficient_layout",
    "dense_layout",
    "header_layout",
    "layer_range_layout",
    "pair_layout",
    "read_layout",
    "ring_layout",
    "scale_layout",
    "scale_word_layout",
    "sparse_layout",
    "tag_layout",
    "z_layout",
]


class Operation(enum.Enum, shape=2):
    """What a layer does."""

    #: Convolution (fully connected layers are 1x1 convolutions on a 1x1 map).
    CONVOLUTION = 0
    #: Maximum over a window.
    MAX_POOL = 1
    #: Sum over a window, then requantisation.
    AVERAGE_POOL = 2


class Bank(enum.Enum, shape=2):
    """The three activation banks. Input, output and residual of a layer lie in different ones."""

    A = 0
    B = 1
    C = 2


#: Fields of a layer in the program, in order; each is one 16-bit word, lowest address first.
#: ``low`` and ``high`` are two's complement, everything else is unsigned. Narrow fields come first: a description is shifted in
#: from the top, so the upper bits of a place need registers only if a field there or below has them.
LAYER_FIELDS = {
    "input_signed": "1 if input activations are two's complement",
    "last_upper": "squares: 1 if the last kernel row works for the upper pixels of a square, 0 if for the lower ones",
    "last_left": "squares: 1 if the last kernel column works for the left pixels of a square, 0 if for the right ones",
    "squares": "1 if the map is fed in squares of 2 x 2 pixels, of which a row of a PE makes its share (stride 2)",
    "side_by_side": "1 if the MAC takes a z of every class of rows in a cycle (squares, 1x1 kernels)",
    "scan": "maximum: 1 if the map is read row by row, each place once, 0 if window by window",
    "basis_own": "1 if every output channel has bases of its own: basis_count for each PE of each pass",
    "residual": "1 if a tensor is added",
    "residual_signed": "1 if its activations are two's complement",
    "input_free": "1 if neither this layer nor a later one reads the network's input: the next one may be loaded",
    "input_bank": "a Bank",
    "output_bank": "a Bank",
    "residual_bank": "a Bank",
    "input_chunks": "chunks of one input pixel",
    "basis_count": "bases of the layer",
    "shift": "right shift of the requantisation, at least 1",
    "table": "0, or 1 plus the number of the activation table that outputs go through",
    "passes": "groups of output channels: one channel for each PE (average pooling: one for each lane of a chunk)",
    "input_repeat": "passes in a row that are fed the same chunks before input_pass is added",
    "line": "positions of a row in the MAC: the larger of width and Config.line_minimum",
    "width": "columns of positions",
    "height": "rows of positions: of pixels, or of squares",
    "drain": "positions after the last pixel until the last result: (R-1-pad_top)*line + S-1-pad_left",
    "basis_base": "address of the layer's first basis",
    "scale_base": "address of the layer's first word of requantisation entries",
    "groups": "steps of requantisation of one pass at one position: PEs, or lanes, over requantisers",
    "output_slot": "first lane of the layer's channels in the first chunk of an output pixel, a multiple of requantisers",
    "output_width": "columns of the output",
    "output_height": "rows of the output",
    "coefficient_base": "address of the layer's first word in the coefficient memory of every row",
    "output_chunks": "words between two output pixels: chunks of one",
    "input_pixel": "words between two pixels that are fed: chunks times the step",
    "input_pass": "words between the inputs of passes that are fed different chunks of a pixel (depthwise, grouped)",
    "map_width": "squares: columns of the map, likewise; pooling: words from the first pixel of a row to its last",
    "map_height": "squares: rows of the map, what is fed below them is zero; pooling: words from its first row to its last",
    "residual_multiplier": "its multiplier",
    "input_row": "words between two rows that are fed: chunks of a row times the step",
    "output_row": "words between two output rows",
    "residual_base": "address of the first chunk of the added tensor; its shape is the output's",
    "output_base": "address of the first chunk of the output",
    "input_base": "address of the first chunk of the input",
    "pad_left": "columns of zero left of the map, likewise",
    "pad_top": "rows of zero above the map, for the R x S kernel of the configuration; pooling: words of rows outside of the map",
    "window_pixel": "pooling: words between the first pixel of a row of a window and its last one",
    "step_pixel": "pooling: words between the first pixels of two windows in a row",
    "window_row": "pooling: words between the first row of a window and its last one",
    "step_row": "pooling: words between the first rows of two windows",
    "low": "least output",
    "high": "greatest output",
    "pixels": "pixels of a pass that one row walks: positions, times the share of a square that it makes",
    "input_lanes": "channels in the last chunk of a pixel, 1 to N; lanes above are fed as zero",
    "operation": "an Operation",
}

#: Words between the starts of two layers in program memory; the words after the fields are not used.
LAYER_WORDS = 64

#: One layer as a struct: 16 bits a field, in the order of ``LAYER_FIELDS``.
Layer = data.StructLayout({name: signed(16) if name in ("low", "high") else 16 for name in LAYER_FIELDS})


#: Layers of a program: the first, and how many.
layer_range_layout = data.StructLayout({"first": 16, "count": 16})

#: A chunk of activation memory that is asked for; the address must lie in the memory.
read_layout = data.StructLayout({"bank": Bank, "address": 16})


def dense_layout(config):
    """A chunk as memories hold it: N activations, channel 0 in the lowest byte."""
    return data.ArrayLayout(ACTIVATION_BITS, config.chunk)


def sparse_layout(config):
    """A chunk in SparseMap form: bit mask of non-zeros, non-zeros packed to the front (zero above them)."""
    return data.StructLayout({"mask": config.chunk, "values": dense_layout(config)})


def ring_layout(config):
    """A chunk as the input ring holds it, in the form that the accumulation of the rows reads.

    For concentration a SparseMap chunk with the butterfly controls of its mask; for the adder tree the activations as
    memory has them.
    """
    if config.accumulation == "tree":
        return data.StructLayout({"values": dense_layout(config)})
    return data.StructLayout(
        {"mask": config.chunk, "values": dense_layout(config), "controls": config.switches}
    )


def header_layout(config):
    """First word of a list in coefficient memory: how many coefficient words follow it."""
    return data.StructLayout({"count": (config.coefficient_words - 1).bit_length()})


def tag_layout(config):
    """Where a chunk's sum belongs: to which basis, and whether it closes its ``z`` and its pixel.

    ``last`` marks the last chunk of one ``z``; ``end`` the last chunk of the last ``z`` that this row
    makes for one pixel (``end`` implies ``last``).
    """
    return data.StructLayout({"basis": config.basis_bits, "last": 1, "end": 1})


def coefficient_layout(config):
    """One word of coefficient memory: the ternary coefficients of one chunk for one ``z``.

    ``map`` has a 1 for each non-zero coefficient, ``negative`` a 1 for each -1 (a subset of ``map``),
    ``chunk`` says which chunk of the pixel, ``basis`` and ``last`` are as in the tag; ``end`` follows
    from the count in the header.
    """
    return data.StructLayout(
        {
            "map": config.chunk,
            "negative": config.chunk,
            "chunk": config.chunk_bits,
            "basis": config.basis_bits,
            "last": 1,
        }
    )


def basis_layout(config):
    """One basis: R x S signed taps, row-major, tap (0, 0) lowest. Smaller kernels sit in it as the packer puts them."""
    return data.ArrayLayout(signed(8), config.taps)


def scale_layout(config):
    """Requantisation of one output channel.

    ``enable`` is 0 for a unit that has no channel in this pass: its result is dropped.
    """
    return data.StructLayout(
        {
            "multiplier": signed(config.multiplier_bits),
            "bias": signed(config.bias_bits),
            "enable": 1,
        }
    )


def scale_word_layout(config):
    """Entries of the output channels that are requantised together, lowest channel first."""
    return data.ArrayLayout(scale_layout(config), config.requantisers)


def pair_layout(config):
    """One activation chunk met by one coefficient chunk: the input of channel accumulation."""
    return data.StructLayout(
        {
            **ring_layout(config).members,
            "map": config.chunk,
            "negative": config.chunk,
            "tag": tag_layout(config),
        }
    )


def z_layout(config):
    """One intermediate element on its way to the MAC.

    ``end`` closes the pixel for this row. A zero ``z`` travels only where it carries ``end``.
    """
    return data.StructLayout({"z": signed(config.z_bits), "nonzero": 1, "basis": config.basis_bits, "end": 1})
