"""The serial machine: one unit of each kind, one after the other, for parts that have little logic and large memories."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect

from .config import ACTIVATION_BITS
from .formats import Bank, Layer, Operation, dense_layout, layer_range_layout, read_layout
from .loader import write_layout
from .memory import WordMemory
from .protocol import Target
from .serial_layer import LayerReader
from .serial_memory import SinglePortMemory
from .serial_output import SerialOutput
from .serial_plane import Plane
from .serial_pool import SerialPool
from .serial_sums import SerialSums
from .serial_taps import SerialTaps

__all__ = ["SerialMachine"]


class SerialMachine(wiring.Component):
    """Runs the layers of a program, channel after channel.

    For each layer its description is read, then for each output channel the plane is filled with the sums of all positions
    and emptied into activation memory::

        program -> layer
        coefficients -> sums -> z -> taps <- bases
                         ^            |
        activations -----'-> pool ----'-> plane -> output <- entries
             ^---------------------------------------'

    Activations and coefficients lie in memories with a single port. The host gets to them while no run is under way.

    Members
    -------
    write : stream of ``write_layout``, in
        Words that the host loads. Always ready. Not during a run.
    run : stream of ``layer_range_layout``, in
        Taken when idle.
    running : out
        A run is under way, from the cycle after it was taken.
    cycles : out
        Cycles of all runs since the last ``clear``, those of the current one as far as they are noted.
    clear : in
        Makes ``cycles`` zero. Only while no run is under way.
    counter_request : stream of 16 bits, in
        A layer.
    counter_response : stream of 32 bits, out
        Cycles that the layer took when it last ran, the reading of its description among them.
    read_request : stream of ``read_layout``, in
        Not during a run, one at a time.
    read_response : stream of ``dense_layout``, out
    """

    def __init__(self, config):
        self._config = config
        super().__init__(
            {
                "write": In(stream.Signature(write_layout(config))),
                "run": In(stream.Signature(layer_range_layout)),
                "running": Out(1),
                "cycles": Out(32),
                "clear": In(1),
                "counter_request": In(stream.Signature(16)),
                "counter_response": Out(stream.Signature(32)),
                "read_request": In(stream.Signature(read_layout)),
                "read_response": Out(stream.Signature(dense_layout(config))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self._config
        m.submodules.reader = reader = LayerReader(config)
        m.submodules.sums = sums = SerialSums(config)
        m.submodules.taps = taps = SerialTaps(config)
        m.submodules.pool = pool = SerialPool(config)
        m.submodules.plane = plane = Plane(config)
        m.submodules.output = output = SerialOutput(config)
        m.submodules.activations = activations = SinglePortMemory(
            len(Bank) * config.activation_words, pieces=config.chunk, piece_bits=ACTIVATION_BITS
        )
        m.submodules.counters = counters = WordMemory(32, config.layers)
        layer = Signal(Layer)
        m.d.comb += layer.eq(reader.layer)
        for unit in (sums, taps, pool, output):
            m.d.comb += unit.layer.eq(layer)
        lane_bits = (config.chunk - 1).bit_length()

        self._load(
            m,
            {
                Target.PROGRAM: reader.program,
                Target.BASIS: taps.store,
                Target.SCALE: output.store,
                Target.COEFFICIENT: sums.store,
            },
        )
        fetched = self._share_activations(m, activations, layer, sums, pool, output)
        connect(m, sums=sums.z, taps=taps.z)
        m.d.comb += [
            sums.chunk.eq(activations.word),
            pool.word.eq(activations.word),
            output.residual.eq(activations.word),
            self.read_response.payload.eq(activations.word),
            self.read_response.valid.eq(fetched),
            pool.chunk.eq(output.slot[lane_bits:]),
            pool.lane.eq(output.slot),
        ]

        # The plane: taps or pool fill it, then the output empties it.
        emptying = output.busy
        m.d.comb += [
            plane.position.eq(Mux(emptying, output.position, taps.position)),
            taps.sum.eq(plane.sum),
            output.sum.eq(plane.sum),
            plane.write.payload.eq(taps.write.payload),
            plane.write.valid.eq(taps.write.valid | pool.write.valid | output.clear.valid),
            *(unit.write.ready.eq(1) for unit in (taps, pool, output)),
            output.clear.ready.eq(1),
        ]
        with m.If(pool.write.valid):
            m.d.comb += plane.write.payload.eq(pool.write.payload)
        with m.If(emptying):
            m.d.comb += plane.write.payload.eq(output.clear.payload)

        # The order of events.
        number, layers_left = Signal(range(config.layers)), Signal(range(config.layers + 1))
        cycles = Signal(32)
        convolves = layer.operation == Operation.CONVOLUTION.value
        channels = Mux(convolves, layer.passes, layer.input_chunks << lane_bits)
        with m.If(self.clear):
            m.d.sync += self.cycles.eq(0)
        m.d.sync += cycles.eq(cycles + 1)
        m.d.comb += [
            reader.number.eq(number),
            counters.write.p.address.eq(number),
            counters.write.p.data.eq(cycles),
            counters.request.p.address.eq(self.counter_request.payload),
            counters.request.valid.eq(self.counter_request.valid),
            self.counter_request.ready.eq(counters.request.ready),
            self.counter_response.payload.eq(counters.response.p.data),
            self.counter_response.valid.eq(counters.response.valid),
            counters.response.ready.eq(self.counter_response.ready),
        ]
        with m.FSM() as states:
            m.d.comb += self.running.eq(~states.ongoing("Idle"))
            with m.State("Idle"):
                m.d.comb += self.run.ready.eq(~plane.busy)
                m.d.sync += [cycles.eq(1), number.eq(self.run.p.first), layers_left.eq(self.run.p.count)]
                with m.If(self.run.valid & self.run.ready):
                    m.next = "Read"
            with m.State("Read"):
                m.d.comb += reader.start.eq(1)
                m.next = "Describe"
            with m.State("Describe"):
                with m.If(reader.done):
                    m.next = "Begin"
            with m.State("Begin"):
                m.d.comb += [unit.begin.eq(1) for unit in (sums, taps, output)]
                m.next = "Channel"
            with m.State("Channel"):
                m.d.comb += [
                    sums.start.eq(convolves),
                    taps.start.eq(convolves),
                    pool.start.eq(~convolves),
                ]
                m.next = "Fill"
            with m.State("Fill"):
                with m.If(~(sums.busy | taps.busy | pool.busy)):
                    m.d.comb += output.start.eq(1)
                    m.next = "Empty"
            with m.State("Empty"):
                with m.If(~output.busy):
                    m.next = "Channel"
                    with m.If(output.slot == channels):
                        m.next = "Note"
            with m.State("Note"):
                m.d.comb += counters.write.valid.eq(1)
                m.d.sync += [
                    self.cycles.eq(self.cycles + cycles),
                    cycles.eq(1),
                    number.eq(number + 1),
                    layers_left.eq(layers_left - 1),
                ]
                m.next = "Read"
                with m.If(layers_left == 1):
                    m.next = "Idle"
        return m

    def _load(self, m, stores):
        """Deal the words that the host loads to the memories; activations are seen to elsewhere."""
        word = self.write.payload
        m.d.comb += self.write.ready.eq(1)
        for target, store in stores.items():
            m.d.comb += [
                store.p.address.eq(word.address),
                store.p.data.eq(word.data),
                store.valid.eq(self.write.valid & (word.target == target)),
            ]

    def _share_activations(self, m, activations, layer, sums, pool, output):
        """Who gets to activation memory; returns whether a chunk that the host asked for is there."""
        word, request, written = self.write.payload, self.read_request, output.write.payload
        loads = self.write.valid & (word.target == Target.ACTIVATION)
        fetched = Signal()
        m.d.comb += [
            request.ready.eq(~fetched),
            output.write.ready.eq(1),
            activations.data.eq(Mux(loads, word.data, written["values"].as_value())),
            activations.writes.eq(
                Mux(loads, ~C(0, self._config.chunk), Mux(output.write.valid, written.lanes, 0))
            ),
            activations.reads.eq(sums.reads | pool.reads | output.reads | (request.valid & request.ready)),
        ]
        with m.If(request.valid & request.ready):
            m.d.sync += fetched.eq(1)
        with m.Elif(self.read_response.ready):
            m.d.sync += fetched.eq(0)

        words = Signal.like(written.address)
        bank = Signal(Shape.cast(Bank))
        m.d.comb += activations.address.eq(Cat(words, bank))
        with m.If(loads):
            m.d.comb += [words.eq(word.address), bank.eq(word.index)]
        with m.Elif(output.write.valid):
            m.d.comb += [words.eq(written.address), bank.eq(written.bank)]
        with m.Elif(output.busy):
            m.d.comb += [words.eq(output.request.address), bank.eq(output.request.bank)]
        with m.Elif(pool.reads):
            m.d.comb += [words.eq(pool.address), bank.eq(layer.input_bank)]
        with m.Elif(sums.reads):
            m.d.comb += [words.eq(sums.address), bank.eq(layer.input_bank)]
        with m.Else():
            m.d.comb += [words.eq(request.p.address), bank.eq(request.p.bank)]
        return fetched
