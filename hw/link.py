"""The host link: bytes in and out, memory words and requests on the other side."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from .formats import dense_layout, layer_range_layout, read_layout
from .frame_receiver import FrameReceiver
from .frame_serializer import FrameSerializer
from .frame_transmitter import FrameTransmitter
from .link_executor import LinkExecutor, response_width
from .link_words import write_layout
from .loader import Loader
from .protocol import Unit
from .run_order import RunOrder

__all__ = ["HostLink"]


class HostLink(wiring.Component):
    """Serves the protocol of ``hw.protocol`` over any byte link.

    Latency: a word of a ``LOAD`` is written some cycles after its last byte, other requests take effect some
    cycles after their checksum. Throughput: up to one byte per cycle each way.

    Parameters
    ----------
    config : Config
        Configuration.

    Members
    -------
    i : In(stream(8))
        Bytes from the host.
    o : Out(stream(8))
        Bytes to the host.
    write : Out(stream(write_layout(config)))
        One memory word.
    order : In(RunOrder)
        A run that no request asks for.
    run_request : Out(stream(layer_range_layout))
        Layers to run.
    running : In(1)
        A run is under way.
    input_free : In(1)
        The activations of the network's input may be written; to stay high until the next run begins.
    cycles : In(32)
        Cycles of the runs since ``clear_cycles``.
    clear_cycles : Out(1)
        They have been reported.
    stalls : In(array of 32)
        Cycles in which each ``Unit`` waited in the last run.
    read_request : Out(stream(read_layout))
        Chunk to read.
    read_response : In(stream(dense_layout(config)))
        The chunk, once for each request.
    counter_request : Out(stream(16))
        Layer whose cycles are asked for.
    counter_response : In(stream(32))
        Its cycles, once for each request.
    """

    def __init__(self, config):
        self.config = config
        super().__init__(
            {
                "i": In(stream.Signature(8)),
                "o": Out(stream.Signature(8)),
                "write": Out(stream.Signature(write_layout(config))),
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
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.receiver = receiver = FrameReceiver(self.config.link_timeout)
        m.submodules.executor = executor = LinkExecutor(self.config)
        m.submodules.loader = loader = Loader(self.config)
        m.submodules.serializer = serializer = FrameSerializer(response_width(self.config))
        m.submodules.transmitter = transmitter = FrameTransmitter()

        connect(m, flipped(self.i), receiver.i)
        connect(m, receiver.head, executor.head)
        connect(m, receiver.payload, executor.payload)
        connect(m, receiver.verdict, executor.verdict)

        connect(m, executor.load_head, loader.head)
        connect(m, executor.load_data, loader.i)
        m.d.comb += loader.finish.eq(executor.load_finish)
        connect(m, loader.result, executor.load_result)
        connect(m, loader.write, flipped(self.write))

        connect(m, flipped(self.order), executor.order)
        connect(m, executor.run_request, flipped(self.run_request))
        m.d.comb += [
            executor.running.eq(self.running),
            executor.input_free.eq(self.input_free),
            executor.cycles.eq(self.cycles),
            self.clear_cycles.eq(executor.clear_cycles),
            *(inner.eq(outer) for inner, outer in zip(executor.stalls, self.stalls, strict=True)),
        ]
        connect(m, executor.read_request, flipped(self.read_request))
        connect(m, flipped(self.read_response), executor.read_response)
        connect(m, executor.counter_request, flipped(self.counter_request))
        connect(m, flipped(self.counter_response), executor.counter_response)

        connect(m, executor.response_head, transmitter.head)
        connect(m, executor.response_data, serializer.i)
        connect(m, serializer.o, transmitter.payload)
        connect(m, transmitter.o, flipped(self.o))
        return m
