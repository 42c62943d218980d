"""Sequencer: it runs the layers of a program, one after the other."""

from amaranth import *
from amaranth.lib import enum, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from .formats import LAYER_FIELDS, LAYER_WORDS, Layer, Operation, layer_range_layout
from .memory import WordMemory, word_write_layout

__all__ = ["Owner", "Sequencer", "program_write_layout"]


class Owner(enum.Enum, shape=2):
    """Who reads activation memory through its first port."""

    HOST = 0
    FEEDER = 1
    MAX_POOL = 2
    GLOBAL_SUM = 3


def program_write_layout(config):
    """A program word on its way to memory."""
    return word_write_layout(16, config.layers * LAYER_WORDS)


class Sequencer(wiring.Component):
    """Program memory and the order of events.

    For each layer: read its description, start the units that it needs, wait until they are done, note the cycles
    that all of this took.

    Members
    -------
    program : stream of ``program_write_layout``, in
        Always ready.
    run : stream of ``layer_range_layout``, in
        Taken when idle.
    finished : stream of 32 bits, out
        Cycles of all layers of the run together.
    counter_request : stream of 16 bits, in
        A layer.
    counter_response : stream of 32 bits, out
        Cycles that the layer took when it last ran.
    layer : out
        Description of the current layer, stable from before a start until the units are done.
    owner : out
    start_convolution, start_max_pool, start_global_sum, start_requantiser : out
        High for one cycle.
    busy : in
        Any unit is at work.
    """

    def __init__(self, config):
        self._config = config
        super().__init__(
            {
                "program": In(stream.Signature(program_write_layout(config))),
                "run": In(stream.Signature(layer_range_layout)),
                "finished": Out(stream.Signature(32)),
                "counter_request": In(stream.Signature(16)),
                "counter_response": Out(stream.Signature(32)),
                "layer": Out(Layer),
                "owner": Out(Owner),
                "start_convolution": Out(1),
                "start_max_pool": Out(1),
                "start_global_sum": Out(1),
                "start_requantiser": Out(1),
                "busy": In(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self._config
        layer, operation = self.layer, self.layer.operation
        m.submodules.program = program = WordMemory(16, config.layers * LAYER_WORDS)
        m.submodules.counters = counters = WordMemory(32, config.layers)
        connect(m, flipped(self.program), program.write)

        index, layers_left = Signal(range(config.layers)), Signal(16)
        asked, arrived = Signal(16), Signal(16)
        cycles, total = Signal(32), Signal(32)

        # The description arrives lowest word first and moves down as it comes.
        m.d.comb += program.response.ready.eq(1)
        with m.If(program.response.valid):
            m.d.sync += [
                layer.as_value().eq(Cat(layer.as_value()[16:], program.response.p.data)),
                arrived.eq(arrived + 1),
            ]

        m.d.comb += [
            program.request.p.address.eq(Cat(asked[: LAYER_WORDS.bit_length() - 1], index)),
            counters.request.p.address.eq(self.counter_request.payload),
            counters.request.valid.eq(self.counter_request.valid),
            self.counter_request.ready.eq(counters.request.ready),
            self.counter_response.payload.eq(counters.response.p.data),
            self.counter_response.valid.eq(counters.response.valid),
            counters.response.ready.eq(self.counter_response.ready),
            counters.write.p.address.eq(index),
            counters.write.p.data.eq(cycles),
            self.finished.payload.eq(total),
        ]

        m.d.sync += cycles.eq(cycles + 1)
        with m.FSM():
            with m.State("Idle"):
                m.d.comb += self.run.ready.eq(1)
                m.d.sync += [
                    index.eq(self.run.p.first),
                    layers_left.eq(self.run.p.count),
                    total.eq(0),
                    cycles.eq(0),
                    asked.eq(0),
                    arrived.eq(0),
                ]
                with m.If(self.run.valid):
                    m.next = "Describe"
            with m.State("Describe"):
                m.d.comb += program.request.valid.eq(asked < len(LAYER_FIELDS))
                m.d.sync += asked.eq(asked + program.request.valid)
                with m.If(arrived == len(LAYER_FIELDS)):
                    m.next = "Start"
            with m.State("Start"):
                with m.Switch(operation):
                    with m.Case(Operation.CONVOLUTION.value):
                        m.d.comb += [self.start_convolution.eq(1), self.start_requantiser.eq(1)]
                        m.d.sync += self.owner.eq(Owner.FEEDER)
                    with m.Case(Operation.MAX_POOL.value):
                        m.d.comb += self.start_max_pool.eq(1)
                        m.d.sync += self.owner.eq(Owner.MAX_POOL)
                    with m.Case(Operation.AVERAGE_POOL.value):
                        m.d.comb += [self.start_global_sum.eq(1), self.start_requantiser.eq(1)]
                        m.d.sync += self.owner.eq(Owner.GLOBAL_SUM)
                m.next = "Run"
            with m.State("Run"):
                with m.If(~self.busy):
                    m.next = "Note"
            with m.State("Note"):
                m.d.comb += counters.write.valid.eq(1)
                m.d.sync += [
                    total.eq(total + cycles),
                    cycles.eq(0),
                    asked.eq(0),
                    arrived.eq(0),
                    index.eq(index + 1),
                    layers_left.eq(layers_left - 1),
                    self.owner.eq(Owner.HOST),
                ]
                m.next = "Describe"
                with m.If(layers_left == 1):
                    m.next = "Finished"
            with m.State("Finished"):
                m.d.comb += self.finished.valid.eq(1)
                with m.If(self.finished.ready):
                    m.next = "Idle"
        return m
