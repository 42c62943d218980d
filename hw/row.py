"""One row: it turns activation chunks and its own coefficients into intermediate elements."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out, connect, flipped

from .channel_accumulation import ChannelAccumulation
from .closing import PixelCloser
from .coefficients import CoefficientWalker, coefficient_write_layout, walked_layout
from .formats import Layer, z_layout
from .masked_tree import MaskedTree
from .matcher import Matcher
from .ring import ReaderSignature
from .skid import SkidBuffer

__all__ = ["ACCUMULATIONS", "Row"]

#: Ways to accumulate channels, by their name in the configuration.
ACCUMULATIONS = {"concentration": ChannelAccumulation, "tree": MaskedTree}


class Row(wiring.Component):
    """Coefficients -> match with the input ring -> channel accumulation -> end of pixel -> FIFO of ``z``.

    A row makes every ``z`` of its own coefficient lists, pixel after pixel, at its own pace: one coefficient word a
    cycle as long as the matches of a chunk fit the lanes. ``z_fifo`` lets it run ahead of the MAC. Nothing behind the
    match waits, but for steps of concentration: a row stops before the match, while its FIFO still has places for all that is on its way.

    Members
    -------
    layer : in
    start : in
    coefficients : stream of ``coefficient_write_layout``, in
        Always ready.
    reader : ``ReaderSignature``, out
    z : stream of ``z_layout``, out
    """

    def __init__(self, config):
        self._config = config
        super().__init__(
            {
                "layer": In(Layer),
                "start": In(1),
                "coefficients": In(stream.Signature(coefficient_write_layout(config))),
                "reader": Out(ReaderSignature(config)),
                "z": Out(stream.Signature(z_layout(config))),
            }
        )

    @staticmethod
    def model(config, chunks, lists, signed_values):
        """``z`` in the order in which the row makes them, as ``PixelCloser.model`` gives them.

        Parameters
        ----------
        chunks : dict of arrays
            The map, as ``Matcher.model`` takes it.
        lists : list of dict
            Coefficient words of each pass, as ``CoefficientWalker.model`` takes them.
        signed_values : bool
        """
        words = CoefficientWalker.model(lists, len(chunks["values"]))
        accumulation = ACCUMULATIONS[config.accumulation]
        return PixelCloser.model(accumulation.model(config, Matcher.model(words, chunks), signed_values))

    def elaborate(self, platform):
        m = Module()
        config = self._config
        m.submodules.walker = walker = CoefficientWalker(config)
        m.submodules.skid = skid = SkidBuffer(walked_layout(config))
        m.submodules.matcher = matcher = Matcher(config)
        m.submodules.accumulation = accumulation = ACCUMULATIONS[config.accumulation](config)
        m.submodules.closer = closer = PixelCloser(config)
        m.submodules.fifo = fifo = SyncFIFOBuffered(width=z_layout(config).size, depth=config.z_fifo + 1)
        m.d.sync += matcher.room.eq(fifo.level <= config.z_ahead)
        m.d.comb += [
            walker.layer.eq(self.layer),
            walker.start.eq(self.start),
            accumulation.signed_values.eq(self.layer.input_signed),
            fifo.w_data.eq(closer.o.payload),
            fifo.w_en.eq(closer.o.valid),
            self.z.payload.eq(fifo.r_data),
            self.z.valid.eq(fifo.r_rdy),
            fifo.r_en.eq(self.z.ready),
        ]
        connect(m, coefficients=flipped(self.coefficients), walker=walker.write)
        connect(m, walker=walker.o, skid=skid.i)
        connect(m, skid=skid.o, matcher=matcher.i)
        connect(m, matcher=matcher.reader, ring=flipped(self.reader))
        connect(m, matcher=matcher.o, accumulation=accumulation.i)
        connect(m, accumulation=accumulation.o, closer=closer.i)
        return m
