"""The components that have streams, as small as they come, with what their surroundings promise them."""

from amaranth.hdl import Mux, Signal

from hw.activations import ActivationMemory
from hw.average_pool import AveragePool
from hw.axi_lite import AxiLiteRegisters
from hw.axi_stream import WordPacker, WordUnpacker
from hw.coefficients import CoefficientWalker
from hw.concentration import Concentration
from hw.config import Config
from hw.dilution import Dilution
from hw.double_buffer import DoubleBuffer
from hw.feeder import Feeder
from hw.frame_receiver import FrameReceiver
from hw.frame_serializer import FrameSerializer
from hw.frame_transmitter import FrameTransmitter
from hw.link import HostLink
from hw.loader import Loader
from hw.mac import BasisMac
from hw.matcher import Matcher
from hw.memory import WordMemory
from hw.requantiser import Requantiser
from hw.row import Row
from hw.select import ReadSelect
from hw.sequencer import Sequencer
from hw.serial_machine import SerialMachine
from hw.serial_sums import SerialSums
from hw.skid import SkidBuffer
from hw.sparsemap import SparseMapDecoder, SparseMapEncoder
from hw.store import Store
from hw.uart import Uart
from hw.window_reader import WindowReader

from .harness import Harness

__all__ = ["COMPONENTS", "LEAST", "SERIAL", "TREE", "WITHOUT"]

#: Everything as small as it may be.
LEAST = Config(
    chunk=2,
    lanes=1,
    lookahead=1,
    lookaside=0,
    rows=1,
    pes=1,
    requantisers=1,
    kernel_height=1,
    kernel_width=1,
    bases=2,
    line=4,
    channels=4,
    ring=8,
    activation_words=4,
    coefficient_words=4,
    basis_words=2,
    scale_words=2,
    pool_columns=0,
    layers=2,
    z_fifo=9,
    output_fifo=12,
    z_bits=9,
    accumulator_bits=20,
    multiplier_bits=4,
    bias_bits=8,
    link_timeout=4,
)
TREE = LEAST.replace(accumulation="tree")
SERIAL = LEAST.replace(accumulation="serial")


def _with_runs(dut):
    """What carries out requests, and a sequencer: a run begins when it is asked for, and ends some time."""
    harness = Harness(dut, driven=("running", "input_free"))
    m, dut = harness.module, harness.dut
    runs, free = Signal(), Signal()
    begins = dut.run_request.valid & dut.run_request.ready
    m.d.sync += [
        runs.eq(Mux(runs, harness.free("goes_on"), begins)),
        free.eq((runs | begins) & dut.input_free & ~begins | harness.free("becomes_free")),
    ]
    m.d.comb += [dut.running.eq(runs), dut.input_free.eq(~runs | free)]
    harness.assume(~(begins & runs))
    return harness


def _with_a_host(dut):
    """A serial machine, and a host that reads activations only while no run is under way."""
    harness = Harness(dut)
    dut = harness.dut
    harness.assume(~(dut.running & (dut.read_request.valid | dut.read_response.valid)))
    return harness


#: Builders by name. What is always ready must always be ready, as the component says.
COMPONENTS = {
    "SkidBuffer": lambda: Harness(SkidBuffer(4)),
    "DoubleBuffer": lambda: Harness(DoubleBuffer(4)),
    "SparseMapEncoder": lambda: Harness(SparseMapEncoder(LEAST)),
    "SparseMapDecoder": lambda: Harness(SparseMapDecoder(4, 1)),
    "Dilution": lambda: Harness(Dilution(LEAST)),
    "Concentration": lambda: Harness(Concentration(LEAST)),
    "CoefficientWalker": lambda: Harness(CoefficientWalker(LEAST), static=["layer"]),
    "Matcher": lambda: Harness(Matcher(LEAST)),
    "Row": lambda: Harness(Row(LEAST), static=["layer"]),
    "WordMemory": lambda: Harness(WordMemory(2, 4)),
    "ActivationMemory": lambda: Harness(ActivationMemory(LEAST)),
    "ReadSelect": lambda: Harness(ReadSelect(LEAST), static=["owner"]),
    "Feeder": lambda: Harness(Feeder(LEAST), static=["layer"]),
    "BasisMac": lambda: Harness(BasisMac(LEAST), static=["layer"]),
    "AveragePool": lambda: Harness(AveragePool(LEAST), static=["layer"]),
    "WindowReader": lambda: Harness(WindowReader(LEAST), static=["layer"]),
    "Requantiser": lambda: Harness(Requantiser(LEAST), static=["layer"], ready=["write"]),
    "Sequencer": lambda: Harness(Sequencer(LEAST)),
    "SerialSums": lambda: Harness(SerialSums(SERIAL), static=["layer"]),
    "SerialMachine": lambda: _with_a_host(SerialMachine(SERIAL)),
    "Store": lambda: Harness(Store(LEAST), ready=["program", "basis", "scale", "table", "coefficients"]),
    "Loader": lambda: Harness(Loader(LEAST)),
    "FrameReceiver": lambda: Harness(FrameReceiver(LEAST.link_timeout)),
    "FrameSerializer": lambda: Harness(FrameSerializer(3)),
    "FrameTransmitter": lambda: Harness(FrameTransmitter()),
    "HostLink": lambda: _with_runs(HostLink(LEAST)),
    "AxiLiteRegisters": lambda: Harness(AxiLiteRegisters()),
    "WordPacker": lambda: Harness(WordPacker(2)),
    "WordUnpacker": lambda: Harness(WordUnpacker(2)),
    "Uart": lambda: Harness(Uart(4)),
}

#: Components that have streams and no proof of their own, and why.
WITHOUT = {
    "LaneAccumulator": "its sink is always ready",
    "ChannelAccumulation": "its sink is always ready",
    "MaskedTree": "its sink is always ready",
    "PixelCloser": "its sink is always ready",
    "BasisLoader": "its sinks must always be ready",
    "MaxPool": "its sink must always be ready",
    "PoolLine": "its sink must always be ready",
    "WriteSelect": "its sink must always be ready",
    "SerialTaps": "its sink must always be ready",
    "SerialPool": "its sink must always be ready",
    "SerialOutput": "its sinks must always be ready",
    "ActivationTable": "no stream leaves it",
    "LayerReader": "no stream leaves it",
    "Plane": "no stream leaves it",
    "OperandIssue": "no stream leaves it",
    "TapArray": "no stream leaves it",
    "UartTransmitter": "no stream leaves it",
    "UartReceiver": "proved within Uart",
    "InputRing": "rows read it without a stream; it has a proof of its own",
    "RingCopy": "it never stops its stream; it is part of the proof of the input ring",
    "ProcessingElement": "rows and a MAC, wired",
    "LinkExecutor": "proved within HostLink: receiver and loader keep an order that no rule of streams tells",
    "Block": "rings and PEs, wired",
    "PeArray": "blocks, wired",
    "Accelerator": "what is above, wired",
}
