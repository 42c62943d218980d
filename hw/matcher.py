"""Coefficient words meet the activation chunks that they are for."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .coefficients import walked_layout
from .formats import pair_layout
from .ring import ReaderSignature

__all__ = ["Matcher"]


class Matcher(wiring.Component):
    """Brings every coefficient word together with its activation chunk.

    Waits until the input ring holds the chunk and there is room for what comes of it, and releases the pixel with its
    last word. Throughput one pair a cycle. Latency one cycle before concentration; none before the adder tree, which never waits and
    masks activations before its first register: one for the chunk as it is would be as large as all others of the row.

    Members
    -------
    room : in
        Words may go on.
    i : stream of ``walked_layout``, in
    reader : ``ReaderSignature``, out
    o : stream of ``pair_layout``, out
    """

    def __init__(self, config):
        self._at_once = config.accumulation == "tree"
        super().__init__(
            {
                "room": In(1),
                "i": In(stream.Signature(walked_layout(config))),
                "reader": Out(ReaderSignature(config)),
                "o": Out(stream.Signature(pair_layout(config), always_ready=self._at_once)),
            }
        )

    @staticmethod
    def model(words, chunks):
        """Pairs as the accumulations' models take them.

        Parameters
        ----------
        words : dict of arrays
            As ``CoefficientWalker.model`` gives them.
        chunks : dict of arrays
            The map as the ring holds it, [pixels, chunks, N]: ``values`` and, for concentration, ``mask`` and
            ``controls`` [pixels, chunks, switches].
        """
        place = words["pixel"], words["chunk"]
        return {
            **{name: field[place] for name, field in chunks.items()},
            "map": words["map"],
            "negative": words["negative"],
            "tag": {name: words[name] for name in ("basis", "last", "end")},
        }

    def elaborate(self, platform):
        m = Module()
        coefficients, chunk, pair = self.i.p.word, self.reader.entry, self.o.p
        goes_on = Signal()
        m.d.comb += [
            self.reader.offset.eq(coefficients.chunk),
            goes_on.eq(self.reader.present & self.room),
        ]
        with m.If(Const(1) if self._at_once else ~self.o.valid | self.o.ready):
            m.d.comb += [
                self.i.ready.eq(goes_on),
                self.reader.advance.eq(self.i.valid & goes_on & self.i.p.end),
            ]
            m.d["comb" if self._at_once else "sync"] += [
                self.o.valid.eq(self.i.valid & goes_on),
                *(pair[name].eq(chunk[name]) for name, _ in chunk.shape()),
                pair.map.eq(coefficients.map),
                pair.negative.eq(coefficients.negative),
                pair.tag.basis.eq(coefficients.basis),
                pair.tag.last.eq(coefficients.last),
                pair.tag.end.eq(self.i.p.end),
            ]
        return m
