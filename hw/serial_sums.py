"""Channel accumulation of the serial machine: coefficients and activations become intermediate elements."""

import numpy as np
from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .coefficients import CoefficientWalker, coefficient_write_layout
from .config import ACTIVATION_BITS
from .formats import Layer, coefficient_layout, dense_layout, header_layout, z_layout
from .serial_memory import SinglePortMemory

__all__ = ["SerialSums"]


class SerialSums(wiring.Component):
    """Walks over the pixels of a map, for each over the coefficient list of the pass, and adds channels.

    A coefficient word a cycle, its activations a cycle later, their sum the cycle after::

        cycle   coefficients   activations   sum
          t     word asked
          t+1   word           chunk asked
          t+2                  chunk         z + those of the chunk that have a coefficient
          t+3                                z complete, if the word was its last

    A ``z`` of zero that does not close its pixel is dropped. All three wait while a complete ``z`` is not taken.
    Pixels come in raster order, also where the description has them in squares.

    Members
    -------
    layer : in
        Stable from the cycle before ``begin`` on.
    begin : in
        A layer begins: not in the cycle of ``start``.
    start : in
        A pass begins: its map is walked once.
    busy : out
        Until the last ``z`` has been taken.
    store : stream of ``coefficient_write_layout``, in
        Always ready. Not while ``busy``.
    reads : out
        An activation chunk is asked for.
    address : out
        Where it lies in the input's bank.
    chunk : in
        What was asked for last, from the cycle after.
    z : stream of ``z_layout``, out
    """

    def __init__(self, config):
        self._config = config
        super().__init__(
            {
                "layer": In(Layer),
                "begin": In(1),
                "start": In(1),
                "busy": Out(1),
                "store": In(stream.Signature(coefficient_write_layout(config))),
                "reads": Out(1),
                "address": Out(range(config.activation_words)),
                "chunk": In(dense_layout(config)),
                "z": Out(stream.Signature(z_layout(config))),
            }
        )

    @staticmethod
    def places(layer, number):
        """Addresses of the pixels of pass ``number`` in the input's bank, int [pixels]."""
        names = ("map_height", "map_width") if layer["squares"] else ("height", "width")
        rows, columns = (np.arange(layer[name]) for name in names)
        base = layer["input_base"] + number // layer["input_repeat"] * layer["input_pass"]
        return (base + rows[:, None] * layer["input_row"] + columns * layer["input_pixel"]).reshape(-1)

    @staticmethod
    def model(memory, lists, layer):
        """``{"z", "nonzero", "basis", "end": [n]}`` of all passes, one dictionary of arrays for each, zeros that are dropped left out.

        Parameters
        ----------
        memory : int array [words, N]
            The input's bank, real values.
        lists : list of dict
            Coefficient words of each pass, as ``CoefficientWalker.model`` takes them.
        layer : mapping
            ``LAYER_FIELDS``.
        """
        memory = np.asarray(memory, np.int64)
        made = []
        for number, words in enumerate(lists):
            places = SerialSums.places(layer, number)
            walked = CoefficientWalker.model([words], len(places))
            chunks = memory[(places[walked["pixel"]] + walked["chunk"]) % len(memory)]
            terms = (chunks * walked["map"] * (1 - 2 * walked["negative"])).sum(axis=1)
            totals, last = np.cumsum(terms), walked["last"].astype(bool)
            z = np.diff(totals[last], prepend=0)
            end = walked["end"][last]
            kept = (z != 0) | (end != 0)
            made.append(
                {
                    "z": z[kept],
                    "nonzero": (z != 0)[kept].astype(np.int64),
                    "basis": walked["basis"][last][kept],
                    "end": end[kept],
                }
            )
        return made

    def elaborate(self, platform):
        m = Module()
        config, layer = self._config, self.layer
        width = coefficient_layout(config).size
        m.submodules.words = words = SinglePortMemory(config.coefficient_words, pieces=1, piece_bits=width)
        word = data.View(coefficient_layout(config), words.word)
        count = data.View(header_layout(config), words.word[: header_layout(config).size]).count

        # All stages go on together.
        go = Signal()
        m.d.comb += go.eq(~self.z.valid | self.z.ready)

        # The list: its first word, the one that is asked for next.
        address, first = Signal(range(config.coefficient_words)), Signal(range(config.coefficient_words))
        index, last_index = Signal.like(first), Signal.like(first)
        asks, last_asked = Signal(), index == last_index
        named, named_end = Signal(), Signal()
        m.d.comb += [
            words.address.eq(Mux(self.store.valid, self.store.p.address, address)),
            words.data.eq(self.store.p.data),
            words.writes.eq(self.store.valid),
            self.store.ready.eq(1),
        ]

        # The map.
        address_bits = len(self.address)
        column, row = Signal((2 * config.line).bit_length()), Signal((2 * config.line).bit_length())
        pixel, row_start, map_start = (
            Signal(address_bits, name=name) for name in ("pixel", "row_start", "map_start")
        )
        repeats = Signal(config.chunk.bit_length())
        columns = Mux(layer.squares[0], layer.map_width, layer.width)[: len(column)]
        rows = Mux(layer.squares[0], layer.map_height, layer.height)[: len(row)]
        last_column, last_row = column + 1 == columns, row + 1 == rows
        last_pixel = last_column & last_row
        m.d.comb += [
            self.address.eq(pixel + word.chunk),
            self.reads.eq(named & go),
        ]

        def next_pixel():
            m.d.sync += [column.eq(column + 1), pixel.eq(pixel + layer.input_pixel)]
            with m.If(last_column):
                next_row = row_start + layer.input_row
                m.d.sync += [column.eq(0), row.eq(row + 1), row_start.eq(next_row), pixel.eq(next_row)]

        def next_map():
            m.d.sync += repeats.eq(repeats - 1)
            with m.If(repeats == 1):
                m.d.sync += [repeats.eq(layer.input_repeat), map_start.eq(map_start + layer.input_pass)]

        # Word and chunk are there together.
        met, met_word, met_end = Signal(), Signal(coefficient_layout(config)), Signal()
        z, complete, fresh = Signal(signed(config.z_bits)), Signal(), Signal(init=1)
        basis, end = Signal(config.basis_bits), Signal()
        terms = []
        for lane, value in enumerate(self.chunk):
            chosen = value & met_word.map[lane].replicate(ACTIVATION_BITS)
            sign, negative = chosen[-1] & layer.input_signed[0], met_word.negative[lane]
            terms += [(Cat(chosen, sign) ^ negative.replicate(ACTIVATION_BITS + 1)).as_signed(), negative]
        nonzero = z.any()
        m.d.comb += [
            self.z.valid.eq(complete & (nonzero | end)),
            self.z.p.z.eq(z),
            self.z.p.nonzero.eq(nonzero),
            self.z.p.basis.eq(basis),
            self.z.p.end.eq(end),
        ]
        with m.If(go):
            m.d.sync += [
                named.eq(asks),
                named_end.eq(asks & last_asked),
                met.eq(named),
                met_word.eq(word),
                met_end.eq(named_end),
                complete.eq(met & met_word.last),
            ]
            with m.If(met):
                m.d.sync += [
                    z.eq(Mux(fresh, 0, z) + sum(terms)),
                    fresh.eq(met_word.last),
                    basis.eq(met_word.basis),
                    end.eq(met_end),
                ]

        with m.If(self.begin):
            m.d.sync += [
                address.eq(layer.coefficient_base),
                map_start.eq(layer.input_base),
                repeats.eq(layer.input_repeat),
            ]
        with m.FSM() as fsm:
            with m.State("Idle"):
                m.d.sync += [
                    column.eq(0),
                    row.eq(0),
                    pixel.eq(map_start),
                    row_start.eq(map_start),
                ]
                with m.If(self.start):
                    m.next = "Header"
            with m.State("Header"):
                m.d.comb += words.reads.eq(1)
                m.d.sync += [address.eq(address + 1), first.eq(address + 1), index.eq(0)]
                m.next = "Count"
            with m.State("Count"):
                m.d.sync += last_index.eq(count - 1)
                m.next = "Walk"
            with m.State("Walk"):
                m.d.comb += [asks.eq(1), words.reads.eq(go)]
                with m.If(go):
                    m.d.sync += [index.eq(index + 1), address.eq(address + 1)]
                    with m.If(last_asked):
                        m.d.sync += [index.eq(0), address.eq(first)]
                    with m.If(named & named_end):
                        next_pixel()
                        with m.If(last_pixel):
                            # What has been asked for since is not wanted.
                            m.d.sync += [named.eq(0), address.eq(first + last_index + 1)]
                            next_map()
                            m.next = "Finish"
            with m.State("Finish"):
                with m.If(~named & ~met & ~complete):
                    m.next = "Idle"
        m.d.comb += self.busy.eq(~fsm.ongoing("Idle"))
        return m
