"""From the sums of a channel to its activations in memory."""

from amaranth import *
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from .activations import activation_write_layout
from .config import ACTIVATION_BITS
from .formats import Layer, Operation, read_layout, scale_word_layout
from .output_walk import OutputWalk
from .requantiser import scale_write_layout
from .serial_plane import plane_write_layout
from .serial_scale import SerialScale

__all__ = ["SerialOutput"]


class SerialOutput(wiring.Component):
    """Requantises one channel, a position in two cycles: one to read its sum and its residual, one to write an activation.

    The activation of a position is written five cycles after its sum was asked for, and the sum is made zero. Maxima are
    activations as they are::

        cycle   asked       scale unit   written
          t     sum, residual
          t+1               operands     zero to the sum
          t+2   the next
          ...
          t+5                            activation

    Members
    -------
    layer : in
        Stable while ``busy``.
    begin : in
        A layer begins: its first channel is next.
    start : in
        The next channel begins. Not in the cycle of ``begin``.
    busy : out
    store : stream of ``scale_write_layout``, in
        Always ready. Not while ``busy``.
    slot : out
        Number of the channel that is next, counted from the first one of the layer.
    position : out
        Position of the sum that is asked for.
    sum : in
        That sum, a cycle later.
    clear : stream of ``plane_write_layout``, out
        Must always be ready.
    reads : out
        A chunk with a residual is asked for.
    request : ``read_layout``, out
        Which one.
    residual : in
        The chunk, a cycle later.
    write : stream of ``activation_write_layout``, out
        Must always be ready; never together with ``reads``.
    """

    def __init__(self, config):
        self._config = config
        plane = plane_write_layout(config)
        write = activation_write_layout(config)
        super().__init__(
            {
                "layer": In(Layer),
                "begin": In(1),
                "start": In(1),
                "busy": Out(1),
                "store": In(stream.Signature(scale_write_layout(config))),
                "slot": Out(range(config.channels + 1)),
                "position": Out(plane["position"].shape),
                "sum": In(plane["sum"].shape),
                "clear": Out(stream.Signature(plane)),
                "reads": Out(1),
                "request": Out(read_layout),
                "residual": In(write["values"].shape),
                "write": Out(stream.Signature(write)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config, layer, write = self._config, self.layer, self.write
        lane_bits = (config.chunk - 1).bit_length()
        maximum = layer.operation == Operation.MAX_POOL.value
        m.submodules.walk = walk = OutputWalk(config)
        m.submodules.scale = scale = SerialScale(config)
        m.submodules.entries = entries = memory.Memory(
            shape=scale_word_layout(config), depth=config.scale_words, init=[]
        )
        write_port, read_port = entries.write_port(), entries.read_port()
        entry = read_port.data[0]

        # Lanes are counted from the first one of the first chunk of a pixel.
        entry_number, lane = Signal(range(config.scale_words)), Signal(range(config.channels + config.chunk))
        with m.If(self.begin):
            m.d.sync += [
                self.slot.eq(0),
                entry_number.eq(layer.scale_base),
                lane.eq(Mux(maximum, 0, layer.output_slot)),
            ]
        m.d.comb += [
            write_port.addr.eq(self.store.p.address),
            write_port.data.eq(self.store.p.data),
            write_port.en.eq(self.store.valid),
            self.store.ready.eq(1),
            read_port.addr.eq(entry_number),
            walk.layer.eq(layer),
        ]

        asks, place = Signal(), walk.offset + lane[lane_bits:]
        # For each cycle since it was asked for, whether a position is on its way.
        ages = Signal(5)
        m.d.sync += ages.eq(Cat(asks, ages))
        with m.FSM() as fsm:
            with m.State("Idle"):
                m.d.sync += self.position.eq(0)
                with m.If(self.start):
                    m.next = "Entry"
            with m.State("Entry"):
                m.next = "Ask"
            with m.State("Ask"):
                m.d.comb += [asks.eq(1), walk.advance.eq(1)]
                m.next = "Answer"
                with m.If(walk.last_row & walk.last_column):
                    m.next = "Finish"
            with m.State("Answer"):
                m.d.sync += self.position.eq(self.position + 1)
                m.next = "Ask"
            with m.State("Finish"):
                with m.If(~ages[:-1].any()):
                    m.d.sync += [
                        self.slot.eq(self.slot + 1),
                        entry_number.eq(entry_number + 1),
                        lane.eq(lane + 1),
                    ]
                    m.next = "Idle"
        m.d.comb += self.busy.eq(~fsm.ongoing("Idle"))

        residual = self.residual[lane[:lane_bits]]
        m.d.comb += [
            self.reads.eq(asks & layer.residual[0]),
            self.request.bank.eq(layer.residual_bank),
            self.request.address.eq((layer.residual_base + place)[: len(write.p.address)]),
            self.clear.valid.eq(ages[0]),
            self.clear.p.position.eq(self.position),
            scale.layer.eq(layer),
            scale.accumulator.eq(self.sum),
            scale.scale.eq(entry),
        ]
        with m.If(layer.residual[0]):
            m.d.comb += scale.residual.eq(Cat(residual, residual[-1] & layer.residual_signed[0]).as_signed())

        # Two positions follow the one that is asked for.
        first, second, target = (
            Signal.like(write.p.address, name=name) for name in ("first", "second", "target")
        )
        seen, kept = Signal(ACTIVATION_BITS), Signal(ACTIVATION_BITS)
        with m.If(asks):
            m.d.sync += first.eq(layer.output_base + place)
        with m.If(ages[0]):
            m.d.sync += seen.eq(self.sum)
        with m.If(ages[1]):
            m.d.sync += second.eq(first)
        with m.If(ages[2]):
            m.d.sync += kept.eq(seen)
        with m.If(ages[3]):
            m.d.sync += target.eq(second)
        m.d.comb += [
            write.valid.eq(ages[4] & (maximum | entry.enable)),
            write.p.bank.eq(layer.output_bank),
            write.p.address.eq(target),
            write.p.lanes.eq(1 << lane[:lane_bits]),
            *(value.eq(Mux(maximum, kept, scale.value)) for value in write.p["values"]),
        ]
        return m
