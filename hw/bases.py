"""Memory of all bases, and how they reach the PEs."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from .formats import Layer, basis_layout
from .memory import WordMemory, word_write_layout

__all__ = ["BasisLoader", "basis_store_layout", "basis_write_layout", "loaded_layout"]


def basis_store_layout(config):
    """A basis on its way to the memory of all layers' bases."""
    return word_write_layout(basis_layout(config), config.basis_words)


def basis_write_layout(config):
    """A basis on its way to one PE, or to ``every`` one: into which half of its table, and at which place there."""
    return data.StructLayout(
        {
            "pe": range(config.pes),
            "every": 1,
            "half": 1,
            "basis": config.basis_bits,
            "taps": basis_layout(config),
        }
    )


#: A half of the tables of all PEs is complete.
loaded_layout = data.StructLayout({"half": 1})


class BasisLoader(wiring.Component):
    """Fills the tables of bases in the PEs, ahead of their use.

    A layer whose output channels share their bases loads them once, into the lower half of every table. One whose channels
    have bases of their own (a dense first layer, a depthwise layer) loads those of a pass into the half that the
    pass before does not use, PE after PE, while that pass computes::

        for pass in passes:
            wait until no PE needs half pass % 2 any more
            for pe in pes:
                for basis in basis_count: send the next word
            tell all PEs that the half is loaded

    One basis a cycle, after a latency of two.

    Members
    -------
    layer : in
        Stable from ``start`` until the last pass has begun.
    start : in
    store : stream of ``basis_store_layout``, in
        Always ready.
    bases : stream of ``basis_write_layout``, out
        Must always be ready.
    loaded : stream of ``loaded_layout``, out
        Must always be ready.
    needed : 2 bits, in
        For each half, whether any PE still needs what it holds.
    """

    def __init__(self, config):
        self._config = config
        super().__init__(
            {
                "layer": In(Layer),
                "start": In(1),
                "store": In(stream.Signature(basis_store_layout(config))),
                "bases": Out(stream.Signature(basis_write_layout(config))),
                "loaded": Out(stream.Signature(loaded_layout)),
                "needed": In(2),
            }
        )

    @staticmethod
    def model(words, layer, pes):
        """Payloads of ``bases``, in order, as dictionaries.

        Parameters
        ----------
        words : sequence
            Content of the memory.
        layer : mapping
            ``LAYER_FIELDS``.
        pes : int
        """
        own, count = layer["basis_own"], layer["basis_count"]
        places = [
            (index, pe, basis)
            for index in range(layer["passes"] if own else 1)
            for pe in range(pes if own else 1)
            for basis in range(count)
        ]
        return [
            {
                "pe": pe,
                "every": 1 - own,
                "half": index % 2,
                "basis": basis,
                "taps": words[layer["basis_base"] + at],
            }
            for at, (index, pe, basis) in enumerate(places)
        ]

    def elaborate(self, platform):
        m = Module()
        config, own = self._config, self.layer.basis_own[0]
        place = data.StructLayout({"pe": range(config.pes), "half": 1, "basis": config.basis_bits, "last": 1})
        m.submodules.memory = words = WordMemory(basis_layout(config), config.basis_words, tag=place)
        connect(m, store=flipped(self.store), memory=words.write)
        request, response = words.request, words.response

        address = Signal(range(config.basis_words))
        pe, half, basis = Signal(range(config.pes)), Signal(), Signal(config.basis_bits + 1)
        passes_left = Signal(range(config.channels + 1))
        last_basis = basis == self.layer.basis_count[: len(basis)] - 1
        last_pe = ~own | (pe == config.pes - 1)
        m.d.comb += [
            request.p.address.eq(address),
            request.p.tag.pe.eq(pe),
            request.p.tag.half.eq(half),
            request.p.tag.basis.eq(basis),
            request.p.tag.last.eq(last_basis & last_pe),
            response.ready.eq(1),
            self.bases.valid.eq(response.valid),
            self.bases.p.taps.eq(response.p.data),
            self.bases.p.pe.eq(response.p.tag.pe),
            self.bases.p.every.eq(~own),
            self.bases.p.half.eq(response.p.tag.half),
            self.bases.p.basis.eq(response.p.tag.basis),
        ]
        # A PE reads its table only after the basis that was sent last is in it.
        m.d.sync += [
            self.loaded.valid.eq(response.valid & response.p.tag.last),
            self.loaded.p.half.eq(response.p.tag.half),
        ]

        with m.FSM():
            with m.State("Idle"):
                m.d.sync += [
                    address.eq(self.layer.basis_base),
                    half.eq(0),
                    passes_left.eq(Mux(own, self.layer.passes, 1)),
                ]
                with m.If(self.start):
                    m.next = "Wait"
            with m.State("Wait"):
                m.d.sync += [pe.eq(0), basis.eq(0)]
                with m.If(passes_left == 0):
                    m.next = "Idle"
                with m.Elif(~self.needed.bit_select(half, 1)):
                    m.next = "Send"
            with m.State("Send"):
                m.d.comb += request.valid.eq(1)
                m.d.sync += [address.eq(address + 1), basis.eq(basis + 1)]
                with m.If(last_basis):
                    m.d.sync += [basis.eq(0), pe.eq(pe + 1)]
                    with m.If(last_pe):
                        m.d.sync += [half.eq(~half), passes_left.eq(passes_left - 1)]
                        m.next = "Settle"
            with m.State("Settle"):
                # The memory takes two cycles, the PEs one more to know that they need this half.
                with m.If(self.loaded.valid):
                    m.next = "Told"
            with m.State("Told"):
                m.next = "Wait"
        return m
