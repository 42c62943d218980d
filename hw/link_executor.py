"""What the requests of the host do."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .config import ACTIVATION_BITS
from .formats import Bank, dense_layout, layer_range_layout, read_layout
from .frame_receiver import Verdict, frame_head_layout
from .frame_serializer import serial_layout
from .loader import load_head_layout, load_result_layout
from .protocol import MAXIMUM_PAYLOAD, PROTOCOL_VERSION, Opcode, Status, Target, Unit
from .run_order import RunOrder

__all__ = ["LinkExecutor", "response_width"]

#: Answer to ``STATUS``.
_status_layout = data.StructLayout({"version": 16, "digest": 32, "flags": 16})

_COUNTER_BYTES = 4


def response_width(config):
    """Bytes of the widest piece of a response: the answer to ``STATUS``, or a chunk."""
    return max(Shape.cast(_status_layout).width // 8, config.chunk)


class LinkExecutor(wiring.Component):
    """Carries out one request at a time and answers it.

    Data of a ``LOAD`` go to the loader as they come; every other request waits for the checksum. A request that
    is at fault in several ways is answered with the first that applies of ``TIMEOUT`` or ``BAD_CHECKSUM``,
    ``BAD_OPCODE``, ``BAD_LENGTH``, ``BAD_TARGET``, ``BAD_ADDRESS``, ``DAMAGED``. ``READ`` and ``COUNTERS`` of
    nothing are answered with nothing. The device is damaged at first, and when a ``LOAD`` wrote to memory and was not
    ``OK``, or ended within a word.

    While a run is under way ``RUN``, ``WAIT``, ``READ``, ``COUNTERS`` and ``STALLS`` wait for its end, and the data of a
    ``LOAD`` are held back until then; those of activations only until ``input_free``. An ``order`` is judged as ``RUN`` is, but
    never waits.

    Throughput: reads and counters are asked for one at a time, each when the one before has been sent.

    Parameters
    ----------
    config : Config
        Configuration.

    Members
    -------
    head : In(stream(frame_head_layout))
        Opcode and length of a request.
    payload : In(stream(8))
        Its payload.
    verdict : In(stream(Verdict))
        Its end.
    load_head : Out(stream(load_head_layout))
        Start of a load.
    load_data : Out(stream(8))
        Data of the load.
    load_finish : Out(1)
        No more data come.
    load_result : In(stream(load_result_layout))
        What became of the load.
    order : In(RunOrder)
        A run that no request asks for.
    run_request : Out(stream(layer_range_layout))
        Layers to run.
    running : In(1)
        A run is under way, from the cycle after a ``run_request`` was taken.
    input_free : In(1)
        Activations may be written; high whenever no run is under way, and once high it stays so during a run.
    cycles : In(32)
        Cycles of the runs since ``clear_cycles``.
    clear_cycles : Out(1)
        They have been reported.
    stalls : In(array of 32)
        Cycles in which each ``Unit`` waited in the last run.
    read_request : Out(stream(read_layout))
        Chunk to read.
    read_response : In(stream(dense_layout(config)))
        The chunk.
    counter_request : Out(stream(16))
        Layer whose cycles are asked for.
    counter_response : In(stream(32))
        Its cycles.
    response_head : Out(stream(frame_head_layout))
        Status and length of a response.
    response_data : Out(stream(serial_layout(response_width(config))))
        Its payload in pieces.
    """

    def __init__(self, config):
        self.config = config
        super().__init__(
            {
                "head": In(stream.Signature(frame_head_layout)),
                "payload": In(stream.Signature(8)),
                "verdict": In(stream.Signature(Verdict)),
                "load_head": Out(stream.Signature(load_head_layout)),
                "load_data": Out(stream.Signature(8)),
                "load_finish": Out(1),
                "load_result": In(stream.Signature(load_result_layout)),
                "order": In(RunOrder()),
                "run_request": Out(stream.Signature(layer_range_layout)),
                "running": In(1),
                "input_free": In(1),
                "cycles": In(32),
                "clear_cycles": Out(1),
                "stalls": In(32).array(len(Unit)),
                "read_request": Out(stream.Signature(read_layout)),
                "read_response": In(stream.Signature(dense_layout(config))),
                "counter_request": Out(stream.Signature(16)),
                "counter_response": In(stream.Signature(32)),
                "response_head": Out(stream.Signature(frame_head_layout)),
                "response_data": Out(stream.Signature(serial_layout(response_width(config)))),
            }
        )

    def elaborate(self, platform):
        config = self.config
        m = Module()

        request = Signal(frame_head_layout)
        response = Signal(frame_head_layout)
        damaged = Signal(init=1)
        # A load takes 4 of these bytes, the longest other request all 6.
        arguments = Signal(data.ArrayLayout(8, 6))
        position = Signal(range(7))
        values = data.View(
            data.StructLayout({"target": 8, "index": 8, "low": 16, "high": 16}), arguments.as_value()
        )
        layers = data.View(data.StructLayout({"first": 16, "count": 16}), arguments.as_value()[:32])

        #: What is read, layers, chunks or counters: the next, and how many are left.
        item = Signal(16)
        count = Signal(16)
        beyond = Signal()
        # What is carried out is an order, and no request: nobody waits for an answer.
        ordered, order_taken, order_refused = Signal(), Signal(), Signal()

        m.d.comb += [
            self.load_head.payload.target.eq(values.target),
            self.load_head.payload.index.eq(values.index),
            self.load_head.payload.address.eq(values.low),
            self.load_data.payload.eq(self.payload.payload),
            self.run_request.payload.eq(layers),
            self.read_request.payload.bank.eq(values.target),
            self.read_request.payload.address.eq(item),
            self.counter_request.payload.eq(item),
            self.response_head.payload.eq(response),
            self.order.refused.eq(order_refused | (self.order.begin & ~order_taken)),
        ]

        length_fits = Signal()
        known = Signal()
        with m.Switch(request.code):
            for opcode, length in (
                (Opcode.STATUS, 0),
                (Opcode.CLEAR, 0),
                (Opcode.RUN, 4),
                (Opcode.READ, 6),
                (Opcode.COUNTERS, 4),
                (Opcode.WAIT, 0),
                (Opcode.STALLS, 0),
            ):
                with m.Case(opcode):
                    m.d.comb += [known.eq(1), length_fits.eq(request.length == length)]
            with m.Case(Opcode.LOAD):
                m.d.comb += [known.eq(1), length_fits.eq(request.length >= 4)]

        def respond(status, length=0, following="RESPOND"):
            m.d.sync += [response.code.eq(status), response.length.eq(length)]
            m.next = following

        # A chunk unless another piece is given: the widest piece then passes no gate.
        m.d.comb += self.response_data.payload.bytes.eq(self.read_response.payload)

        def give(value, width, valid):
            bits = Value.cast(value)
            m.d.comb += [
                self.response_data.payload.bytes.as_value()[: len(bits)].eq(bits),
                self.response_data.payload.count.eq(width),
                self.response_data.valid.eq(valid),
            ]

        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self.head.ready.eq(1)
                m.d.sync += [position.eq(0), ordered.eq(0)]
                with m.If(self.head.valid):
                    m.d.sync += request.eq(self.head.payload)
                    m.next = "ARGUMENTS"
                with m.Elif(self.verdict.valid):
                    m.d.comb += self.verdict.ready.eq(1)
                    respond(Status.TIMEOUT)
                with m.Elif(self.order.begin & ~self.running):
                    m.d.comb += order_taken.eq(1)
                    m.d.sync += [
                        ordered.eq(1),
                        request.code.eq(Opcode.RUN),
                        layers.eq(self.order.layers),
                        item.eq(self.order.layers.first),
                        count.eq(self.order.layers.count),
                    ]
                    m.next = "BOUNDS"

            with m.State("ARGUMENTS"):
                with m.If((request.code == Opcode.LOAD) & (position == 4)):
                    m.next = "LOAD"
                with m.Else():
                    m.d.comb += self.payload.ready.eq(1)
                    with m.If(self.payload.valid & (position != 6)):
                        m.d.sync += [
                            arguments[position].eq(self.payload.payload),
                            position.eq(position + 1),
                        ]
                    with m.If(self.verdict.valid):
                        m.next = "JUDGE"

            with m.State("LOAD"):
                # No run begins before the load has ended: what may start may also finish.
                activations = values.target == Target.ACTIVATION.value
                m.d.comb += self.load_head.valid.eq(Mux(activations, self.input_free, ~self.running))
                with m.If(self.load_head.valid & self.load_head.ready):
                    m.next = "LOAD_DATA"

            with m.State("LOAD_DATA"):
                m.d.comb += [
                    self.load_data.valid.eq(self.payload.valid),
                    self.payload.ready.eq(self.load_data.ready),
                    self.load_finish.eq(self.verdict.valid),
                ]
                with m.If(self.load_result.valid):
                    m.d.comb += [self.load_result.ready.eq(1), self.verdict.ready.eq(1)]
                    result = self.load_result.payload
                    respond(result.status)
                    with m.If(self.verdict.payload == Verdict.BROKEN):
                        respond(Status.BAD_CHECKSUM)
                    with m.Elif(self.verdict.payload == Verdict.SILENT):
                        respond(Status.TIMEOUT)
                    with m.Elif(result.status == Status.BAD_LENGTH):
                        m.d.sync += damaged.eq(1)
                    with m.If(
                        result.written
                        & ((self.verdict.payload != Verdict.INTACT) | (result.status != Status.OK))
                    ):
                        m.d.sync += damaged.eq(1)

            with m.State("JUDGE"):
                m.d.comb += self.verdict.ready.eq(1)
                m.d.sync += [item.eq(values.low), count.eq(values.high)]
                with m.If((request.code == Opcode.RUN) | (request.code == Opcode.COUNTERS)):
                    m.d.sync += [item.eq(layers.first), count.eq(layers.count)]
                with m.If(request.code == Opcode.WAIT):
                    m.d.sync += count.eq(1)
                with m.If(request.code == Opcode.STALLS):
                    m.d.sync += [item.eq(0), count.eq(len(Unit))]
                m.next = "BOUNDS"
                with m.If(~length_fits):
                    respond(Status.BAD_LENGTH)
                with m.If(~known):
                    respond(Status.BAD_OPCODE)
                with m.If(self.verdict.payload == Verdict.BROKEN):
                    respond(Status.BAD_CHECKSUM)
                with m.If(self.verdict.payload == Verdict.SILENT):
                    respond(Status.TIMEOUT)

            with m.State("BOUNDS"):
                limit = Mux(request.code == Opcode.READ, config.activation_words, config.layers)
                m.d.sync += beyond.eq(item + count > limit)
                m.next = "EXECUTE"

            with m.State("EXECUTE"), m.Switch(request.code):
                with m.Case(Opcode.STATUS):
                    respond(Status.OK, Shape.cast(_status_layout).width // 8, "RESPOND_STATUS")
                with m.Case(Opcode.CLEAR):
                    m.d.sync += damaged.eq(0)
                    respond(Status.OK)
                with m.Case(Opcode.RUN):
                    with m.If(count == 0):
                        respond(Status.BAD_LENGTH)
                    with m.Elif(beyond):
                        respond(Status.BAD_ADDRESS)
                    with m.Elif(damaged):
                        respond(Status.DAMAGED)
                    with m.Else():
                        respond(Status.OK, following="RUN")
                with m.Case(Opcode.WAIT):
                    respond(Status.OK, _COUNTER_BYTES, "RESPOND_ITEMS")
                with m.Case(Opcode.STALLS):
                    respond(Status.OK, len(Unit) * _COUNTER_BYTES, "RESPOND_ITEMS")
                with m.Case(Opcode.READ):
                    with m.If(count > MAXIMUM_PAYLOAD // config.chunk):
                        respond(Status.BAD_LENGTH)
                    with m.Elif((values.target >= len(Bank)) | (values.index != 0)):
                        respond(Status.BAD_TARGET)
                    with m.Elif(beyond):
                        respond(Status.BAD_ADDRESS)
                    with m.Else():
                        respond(Status.OK, count * config.chunk, "RESPOND_ITEMS")
                with m.Case(Opcode.COUNTERS):
                    with m.If(count > MAXIMUM_PAYLOAD // _COUNTER_BYTES):
                        respond(Status.BAD_LENGTH)
                    with m.Elif(beyond):
                        respond(Status.BAD_ADDRESS)
                    with m.Else():
                        respond(Status.OK, count * _COUNTER_BYTES, "RESPOND_ITEMS")

            with m.State("RESPOND"):
                m.d.comb += [
                    self.response_head.valid.eq(~ordered),
                    order_refused.eq(ordered & (response.code != Status.OK)),
                ]
                with m.If(self.response_head.ready | ordered):
                    m.next = "IDLE"

            with m.State("RESPOND_STATUS"):
                m.d.comb += self.response_head.valid.eq(1)
                with m.If(self.response_head.ready):
                    m.next = "STATUS"

            with m.State("STATUS"):
                status = Signal(_status_layout)
                m.d.comb += [
                    status.version.eq(PROTOCOL_VERSION),
                    status.digest.eq(config.digest),
                    status.flags.eq(damaged),
                ]
                give(status, Shape.cast(_status_layout).width // 8, 1)
                with m.If(self.response_data.ready):
                    m.next = "IDLE"

            with m.State("RUN"):
                m.d.comb += self.run_request.valid.eq(1)
                with m.If(self.run_request.ready):
                    m.next = "RESPOND"

            # The frame starts when the run is over, so that it comes in one go.
            with m.State("RESPOND_ITEMS"):
                m.d.comb += self.response_head.valid.eq(~self.running)
                with m.If(self.response_head.valid & self.response_head.ready):
                    m.next = "ASK"

            def next_item():
                m.d.sync += [item.eq(item + 1), count.eq(count - 1)]
                m.next = "ASK"

            waits = request.code == Opcode.WAIT
            with m.State("ASK"):
                with m.If(count == 0):
                    m.next = "IDLE"
                with m.Elif(waits | (request.code == Opcode.STALLS)):
                    m.next = "TOTAL"
                with m.Elif(request.code == Opcode.READ):
                    m.d.comb += self.read_request.valid.eq(1)
                    with m.If(self.read_request.ready):
                        m.next = "CHUNK"
                with m.Else():
                    m.d.comb += self.counter_request.valid.eq(1)
                    with m.If(self.counter_request.ready):
                        m.next = "COUNTER"

            for state, source, width in (
                ("CHUNK", self.read_response, config.chunk * ACTIVATION_BITS // 8),
                ("COUNTER", self.counter_response, _COUNTER_BYTES),
            ):
                with m.State(state):
                    give(source.payload, width, source.valid)
                    m.d.comb += source.ready.eq(self.response_data.ready)
                    with m.If(source.valid & source.ready):
                        next_item()

            with m.State("TOTAL"):
                stalls = Array(self.stalls)[item[: (len(Unit) - 1).bit_length()]]
                give(Mux(waits, self.cycles, stalls), _COUNTER_BYTES, 1)
                with m.If(self.response_data.ready):
                    m.d.comb += self.clear_cycles.eq(waits)
                    next_item()

        return m
