"""The accelerator: everything between two byte streams."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from .activations import ActivationMemory
from .average_pool import AveragePool
from .bases import BasisLoader
from .feeder import Feeder
from .formats import Operation
from .link import HostLink
from .max_pool import MaxPool
from .pe_array import PeArray
from .protocol import Unit
from .requantiser import Requantiser
from .run_order import RunOrder
from .select import ReadSelect, WriteSelect
from .sequencer import Owner, Sequencer
from .serial_machine import SerialMachine
from .skid import SkidBuffer
from .sparsemap import SparseMapEncoder
from .stalls import StallCounters
from .store import Store
from .window_reader import WindowReader, window_layout

__all__ = ["Accelerator"]


class Accelerator(wiring.Component):
    """A network runs here: load an image, write an input, run, read the result (see ``protocol``).

    A serial one is the host link and ``SerialMachine``. Any other::

        i -> host link -> store -> program -> sequencer -> starts, layer
                                -> bases, coefficients, scales, tables
                                -> activation memory -> feeder -> SparseMap encoder -> array -> requantiser
                                     ^     ^     |-> windows -> sums ------------------------------^  |
                                     |     |            |-> maximum                                   |
                                     |     |------------------'                                       |
                                     '----------------------------------------------------------------'
        o <- host link <- activation memory, cycle counters

    Parameters
    ----------
    config : Config

    Members
    -------
    i : stream of 8 bits, in
        Requests of the host.
    o : stream of 8 bits, out
        Responses.
    order : ``RunOrder``, in
        A run that no request asks for. Where nobody gives orders, ``begin`` is left zero.
    running : out
        A run is under way.
    input_free : out
        Activations of the network's input may be loaded.
    cycles : 32 bits, out
        Cycles of the runs since the last ``WAIT`` was answered.
    stalled : one bit for each ``Unit``, out
        It has work to do and waits, as ``STALLS`` in ``hw.protocol`` says.
    stalls : array of 32 bits, out, one for each ``Unit``
        Cycles of that in the run under way, or in the last one.
    """

    def __init__(self, config):
        self._config = config
        super().__init__(
            {
                "i": In(stream.Signature(8)),
                "o": Out(stream.Signature(8)),
                "order": In(RunOrder()),
                "running": Out(1),
                "input_free": Out(1),
                "cycles": Out(32),
                "stalled": Out(len(Unit)),
                "stalls": Out(32).array(len(Unit)),
            }
        )

    def elaborate(self, platform):
        return self._elaborate_serial() if self._config.serial else self._elaborate_parallel()

    def _elaborate_serial(self):
        m = Module()
        m.submodules.link = link = HostLink(self._config)
        m.submodules.machine = machine = SerialMachine(self._config)
        connect(m, host=flipped(self.i), link=link.i)
        connect(m, link=link.o, host=flipped(self.o))
        connect(m, giver=flipped(self.order), link=link.order)
        connect(m, link=link.write, machine=machine.write)
        connect(m, link=link.run_request, machine=machine.run)
        connect(m, link=link.read_request, machine=machine.read_request)
        connect(m, machine=machine.read_response, link=link.read_response)
        connect(m, link=link.counter_request, machine=machine.counter_request)
        connect(m, machine=machine.counter_response, link=link.counter_response)
        # No unit works beside another, so none waits, and memory is the host's only between runs.
        m.d.comb += [
            self.running.eq(machine.running),
            self.input_free.eq(~machine.running),
            self.cycles.eq(machine.cycles),
            link.running.eq(self.running),
            link.input_free.eq(self.input_free),
            link.cycles.eq(self.cycles),
            machine.clear.eq(link.clear_cycles),
        ]
        return m

    def _elaborate_parallel(self):
        m = Module()
        config = self._config
        m.submodules.link = link = HostLink(config)
        m.submodules.store = store = Store(config)
        m.submodules.sequencer = sequencer = Sequencer(config)
        m.submodules.activations = activations = ActivationMemory(config)
        m.submodules.readers = readers = ReadSelect(config)
        m.submodules.writers = writers = WriteSelect(config, writers=3)
        m.submodules.feeder = feeder = Feeder(config)
        m.submodules.basis_loader = basis_loader = BasisLoader(config)
        m.submodules.array = array = PeArray(config)
        m.submodules.requantiser = requantiser = Requantiser(config)
        m.submodules.max_pool = max_pool = MaxPool(config)
        m.submodules.average_pool = average_pool = AveragePool(config)
        m.submodules.windows = windows = WindowReader(config)
        m.submodules.stalls = stalls = StallCounters()

        # Host link.
        connect(m, host=flipped(self.i), link=link.i)
        connect(m, link=link.o, host=flipped(self.o))
        connect(m, link=link.write, store=store.i)
        connect(m, giver=flipped(self.order), link=link.order)
        connect(m, link=link.run_request, sequencer=sequencer.run)
        connect(m, link=link.counter_request, sequencer=sequencer.counter_request)
        connect(m, sequencer=sequencer.counter_response, link=link.counter_response)

        # What the host loads.
        connect(m, store=store.program, sequencer=sequencer.program)
        connect(m, store=store.basis, basis_loader=basis_loader.store)
        connect(m, store=store.scale, requantiser=requantiser.scale)
        connect(m, store=store.table, requantiser=requantiser.table)
        connect(m, store=store.coefficients, array=array.coefficients)

        # Activation memory: the first read port has an owner, the second reads residuals.
        connect(m, readers=readers.request, activations=activations.requests[0])
        connect(m, activations=activations.responses[0], readers=readers.response)
        connect(m, requantiser=requantiser.residual_request, activations=activations.requests[1])
        connect(m, activations=activations.responses[1], requantiser=requantiser.residual_response)
        connect(m, writers=writers.o, activations=activations.write)
        for index, write in enumerate((store.activations, requantiser.write, max_pool.write)):
            connect(m, unit=write, writers=writers.writers[index])

        clients = {
            Owner.HOST: (link.read_request, link.read_response),
            Owner.FEEDER: (feeder.request, feeder.response),
            Owner.POOL: (windows.request, windows.response),
        }
        for owner, (request, response) in clients.items():
            connect(m, unit=request, readers=readers.requests[owner.value])
            connect(m, readers=readers.responses[owner.value], unit=response)

        # The way of the data.
        if config.accumulation == "tree":
            m.d.comb += [
                array.i.p["values"].eq(feeder.o.payload),
                array.i.valid.eq(feeder.o.valid),
                feeder.o.ready.eq(array.i.ready),
            ]
        else:
            m.submodules.encoder = encoder = SparseMapEncoder(config)
            connect(m, feeder=feeder.o, encoder=encoder.i)
            connect(m, encoder=encoder.o, array=array.i)
        connect(m, basis_loader=basis_loader.bases, array=array.basis)
        connect(m, basis_loader=basis_loader.loaded, array=array.loaded)
        for source, destination in zip(array.o, requantiser.results, strict=True):
            connect(m, array=source, requantiser=destination)
        connect(m, average_pool=average_pool.sums, requantiser=requantiser.sums)
        # Pooling stops far behind the walk through the windows.
        m.submodules.window_skid = window_skid = SkidBuffer(window_layout(config))
        connect(m, windows=windows.o, skid=window_skid.i)
        averaging, pooling = sequencer.layer.operation == Operation.AVERAGE_POOL.value, Signal()
        m.d.comb += [
            max_pool.i.payload.eq(window_skid.o.payload),
            max_pool.i.valid.eq(window_skid.o.valid & ~averaging),
            average_pool.i.payload.eq(window_skid.o.payload),
            average_pool.i.valid.eq(window_skid.o.valid & averaging),
            window_skid.o.ready.eq(Mux(averaging, average_pool.i.ready, max_pool.i.ready)),
        ]

        # Control.
        m.d.comb += [
            feeder.arrived.eq(array.i.valid & array.i.ready),
            self.running.eq(sequencer.running),
            self.input_free.eq(sequencer.input_free),
            self.cycles.eq(sequencer.cycles),
            link.running.eq(self.running),
            link.input_free.eq(self.input_free),
            link.cycles.eq(self.cycles),
            sequencer.clear.eq(link.clear_cycles),
            readers.owner.eq(sequencer.owner),
            feeder.start.eq(sequencer.start_convolution),
            array.start.eq(sequencer.start_convolution),
            basis_loader.start.eq(sequencer.start_convolution),
            basis_loader.needed.eq(array.needed),
            windows.start.eq(sequencer.start_pool),
            requantiser.start.eq(sequencer.start_requantiser),
            pooling.eq(windows.busy | window_skid.o.valid | max_pool.busy),
            sequencer.busy.eq(feeder.busy | array.busy | requantiser.busy | pooling),
        ]

        # What waits. The counts are those of one run: it begins with zeros, long before any unit starts.
        waits = {
            Unit.FEEDER: array.i.valid & ~array.i.ready,
            Unit.RING: feeder.busy & array.i.ready & ~array.i.valid,
            Unit.REQUANTISER: requantiser.stalled,
            Unit.WINDOWS: window_skid.o.valid & ~window_skid.o.ready,
        }
        m.d.comb += [
            self.stalled.eq(Cat(waits[unit] for unit in Unit)),
            stalls.stalled.eq(self.stalled),
            stalls.clear.eq(link.run_request.valid & link.run_request.ready),
        ]
        for count, outer, inner in zip(stalls.counts, self.stalls, link.stalls, strict=True):
            m.d.comb += [outer.eq(count), inner.eq(count)]
        for unit in (feeder, basis_loader, array, requantiser, windows, max_pool, average_pool):
            m.d.comb += unit.layer.eq(sequencer.layer)
        return m
