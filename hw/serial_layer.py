"""Reads the description of a layer field by field, for the serial machine."""

from amaranth import *
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from .formats import LAYER_FIELDS, LAYER_WORDS, Layer
from .sequencer import program_write_layout

__all__ = ["LayerReader", "field_bits"]


def field_bits(config):
    """Bits that the serial machine keeps of each field that it uses; the compiler's numbers fit them."""
    address = (config.activation_words - 1).bit_length()
    # What reaches beyond the map is less than 8 times the words of a bank, in ``hw.window_axis`` too.
    beyond = address + 3
    chunks, place = config.chunks.bit_length(), (2 * config.line).bit_length()
    flags = ["input_signed", "last_upper", "last_left", "squares", "basis_own", "residual", "residual_signed"]
    return {
        **dict.fromkeys(flags, 1),
        **dict.fromkeys(("operation", "input_bank", "output_bank", "residual_bank"), 2),
        **dict.fromkeys(("input_base", "output_base", "residual_base"), address),
        **dict.fromkeys(("output_chunks", "output_row"), address),
        # A 1x1 kernel of stride 2 takes every other pixel, or row.
        **dict.fromkeys(("input_pixel", "input_row"), address + 1),
        **dict.fromkeys(("map_height", "map_width"), max(address, place)),
        **dict.fromkeys(("height", "width"), place),
        **dict.fromkeys(("output_height", "output_width"), (config.line**2).bit_length()),
        **dict.fromkeys(("pad_top", "pad_left", "step_row", "step_pixel"), beyond),
        **dict.fromkeys(("window_row", "window_pixel"), beyond),
        **dict.fromkeys(("input_chunks", "input_pass"), chunks),
        "input_repeat": config.chunk.bit_length(),
        "passes": config.channels.bit_length(),
        "output_slot": max(1, (config.chunk - 1).bit_length()),
        "basis_base": max(1, (config.basis_words - 1).bit_length()),
        "basis_count": config.basis_bits + 1,
        "scale_base": max(1, (config.scale_words - 1).bit_length()),
        "coefficient_base": max(1, (config.coefficient_words - 1).bit_length()),
        "residual_multiplier": config.multiplier_bits - 1,
        "shift": 5,
        "low": 9,
        "high": 9,
    }


class LayerReader(wiring.Component):
    """Program memory, and the fields of one layer in registers, of which only those exist that ``field_bits`` names.

    A word a cycle, each into its place; nothing is shifted, and nothing is read ahead. ``LATENCY`` cycles from
    ``start`` to ``done``.

    Members
    -------
    program : stream of ``program_write_layout``, in
        Always ready. Not while a description is read.
    start : in
    number : in
        The layer, from ``start`` until ``done``.
    done : out
        For one cycle, the last in which ``layer`` changes.
    layer : out
        Fields that the serial machine does not use are zero.
    """

    #: A word a cycle, from the cycle after ``start`` on; memory answers a cycle later.
    LATENCY = len(LAYER_FIELDS) + 1

    def __init__(self, config):
        self._config = config
        super().__init__(
            {
                "program": In(stream.Signature(program_write_layout(config))),
                "start": In(1),
                "number": In(range(config.layers)),
                "done": Out(1),
                "layer": Out(Layer),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self._config
        m.submodules.words = words = memory.Memory(shape=16, depth=config.layers * LAYER_WORDS, init=[])
        write_port, read_port = words.write_port(), words.read_port()
        asked, coming, arrived = Signal(range(LAYER_WORDS)), Signal(), Signal(range(LAYER_WORDS))
        reading = Signal()
        m.d.comb += [
            write_port.addr.eq(self.program.p.address),
            write_port.data.eq(self.program.p.data),
            write_port.en.eq(self.program.valid),
            self.program.ready.eq(1),
            read_port.addr.eq(Cat(asked, self.number)),
            self.done.eq(coming & (arrived == len(LAYER_FIELDS) - 1)),
        ]
        m.d.sync += [coming.eq(reading), arrived.eq(asked)]
        with m.If(self.start):
            m.d.sync += [asked.eq(0), reading.eq(1)]
        with m.Elif(reading):
            m.d.sync += [asked.eq(asked + 1), reading.eq(asked != len(LAYER_FIELDS) - 1)]

        bits, places = field_bits(config), {name: place for place, name in enumerate(LAYER_FIELDS)}
        for name, width in bits.items():
            word = read_port.data[:width]
            with m.If(coming & (arrived == places[name])):
                field = getattr(self.layer, name)
                if field.shape().signed:
                    m.d.sync += field.eq(word.as_signed())
                else:
                    m.d.sync += field[:width].eq(word)
        return m
