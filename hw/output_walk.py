"""Walk over the pixels of an output map, for those who write it."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .formats import Layer
from .settled import settled

__all__ = ["OutputWalk"]


class OutputWalk(wiring.Component):
    """Pixel after pixel of the output, row after row, and from the last one back to the first, where the next layer starts.

    What it gives is that of the pixel it stands on; ``advance`` moves it at the end of the cycle.

    Members
    -------
    layer : in
        Stable from two cycles before the first ``advance``.
    advance : in
        Goes to the next pixel.
    same_row : in
        From the last pixel of a row, to its first one again.
    offset : out
        Words between the first pixel of the map and this one.
    column : out
    last_column, last_row : out
    """

    def __init__(self, config):
        super().__init__(
            {
                "layer": In(Layer),
                "advance": In(1),
                "same_row": In(1),
                "offset": Out(range(config.activation_words)),
                "column": Out(range(config.activation_words)),
                "last_column": Out(1),
                "last_row": Out(1),
            }
        )

    @staticmethod
    def model(layer):
        """Offsets of all pixels, in order, of a layer given as a mapping of ``LAYER_FIELDS``."""
        return [
            row * layer["output_row"] + column * layer["output_chunks"]
            for row in range(layer["output_height"])
            for column in range(layer["output_width"])
        ]

    def elaborate(self, platform):
        m = Module()
        layer = self.layer
        # Every pixel has words of its own, so neither rows nor columns are more than these.
        column = self.column
        row, row_offset = (Signal.like(self.offset, name=name) for name in ("row", "row_offset"))
        bits = len(self.offset)
        m.d.comb += [
            self.last_column.eq(column == settled(m, layer.output_width - 1, width=bits)),
            self.last_row.eq(row == settled(m, layer.output_height - 1, width=bits)),
        ]
        with m.If(self.advance):
            m.d.sync += [column.eq(column + 1), self.offset.eq(self.offset + layer.output_chunks)]
            with m.If(self.last_column):
                m.d.sync += [column.eq(0), self.offset.eq(row_offset)]
            with m.If(self.last_column & ~self.same_row):
                m.d.sync += [
                    row.eq(row + 1),
                    row_offset.eq(row_offset + layer.output_row),
                    self.offset.eq(row_offset + layer.output_row),
                ]
                with m.If(self.last_row):
                    m.d.sync += [row.eq(0), row_offset.eq(0), self.offset.eq(0)]
        return m
