"""The accelerator on a bus: AXI4-Stream for requests and responses, AXI4-Lite for what is going on."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect

from .accelerator import Accelerator
from .axi_lite import AxiLiteRegisters
from .axi_registers import (
    ADDRESS_BITS,
    BUS_VERSION,
    IDENTIFICATION,
    Control,
    Event,
    State,
)
from .axi_stream import WordPacker, WordUnpacker
from .protocol import PROTOCOL_VERSION, Unit

__all__ = ["AxiAccelerator", "AxiTop", "axi_ports"]


def axi_ports(width):
    """The ports by the names that tools know: streams of ``width`` bytes a word, registers, interrupt.

    Raises
    ------
    ValueError
        If a word of a stream cannot have as many bytes.
    """
    if width not in (1, 2, 4, 8):
        raise ValueError(f"expected a width of 1, 2, 4 or 8 bytes, got {width!r}")
    return {
        "s_axis_tdata": In(8 * width),
        "s_axis_tkeep": In(width, init=(1 << width) - 1),
        "s_axis_tlast": In(1),
        "s_axis_tvalid": In(1),
        "s_axis_tready": Out(1),
        "m_axis_tdata": Out(8 * width),
        "m_axis_tkeep": Out(width),
        "m_axis_tlast": Out(1),
        "m_axis_tvalid": Out(1),
        "m_axis_tready": In(1),
        "s_axil_awaddr": In(ADDRESS_BITS),
        "s_axil_awprot": In(3),
        "s_axil_awvalid": In(1),
        "s_axil_awready": Out(1),
        "s_axil_wdata": In(32),
        "s_axil_wstrb": In(4),
        "s_axil_wvalid": In(1),
        "s_axil_wready": Out(1),
        "s_axil_bresp": Out(2),
        "s_axil_bvalid": Out(1),
        "s_axil_bready": In(1),
        "s_axil_araddr": In(ADDRESS_BITS),
        "s_axil_arprot": In(3),
        "s_axil_arvalid": In(1),
        "s_axil_arready": Out(1),
        "s_axil_rdata": Out(32),
        "s_axil_rresp": Out(2),
        "s_axil_rvalid": Out(1),
        "s_axil_rready": In(1),
        "irq": Out(1),
    }


class AxiAccelerator(wiring.Component):
    """The accelerator with AXI ports, in the clock domain ``sync`` of its parent.

    ``s_axis`` takes request frames (``hw.protocol``), as a serial line would: packets may begin and end anywhere, null bytes
    are skipped. ``m_axis`` gives each response frame as a packet. ``s_axil`` reads and writes the registers of
    ``hw.axi_registers``.

    Parameters
    ----------
    config : Config
    width : int
        Bytes of a word of both streams: 1, 2, 4 or 8.

    Members
    -------
    s_axis_*, m_axis_*, s_axil_*
        See ``axi_ports``.
    irq : out
        High as long as an event is set that ``INTERRUPTS`` has set.
    """

    def __init__(self, config, *, width=4):
        self._config, self._width = config, width
        super().__init__(axi_ports(width))

    def elaborate(self, platform):
        m = Module()
        # One cycle of the reset that software asks for; the registers themselves are not concerned.
        reset = Signal()
        local = ResetInserter(reset)
        m.submodules.accelerator = accelerator = local(Accelerator(self._config))
        m.submodules.unpacker = unpacker = local(WordUnpacker(self._width))
        m.submodules.packer = packer = local(WordPacker(self._width))
        m.submodules.registers = registers = AxiLiteRegisters()
        connect(m, unpacker=unpacker.o, accelerator=accelerator.i)
        connect(m, accelerator=accelerator.o, packer=packer.i)
        self._streams(m, unpacker.i, packer.o)
        self._channels(m, registers)
        self._registers(m, registers, accelerator, reset)
        return m

    def _streams(self, m, requests, responses):
        m.d.comb += [
            requests.p.data.eq(self.s_axis_tdata),
            requests.p.keep.eq(self.s_axis_tkeep),
            requests.p.last.eq(self.s_axis_tlast),
            requests.valid.eq(self.s_axis_tvalid),
            self.s_axis_tready.eq(requests.ready),
            self.m_axis_tdata.eq(responses.p.data),
            self.m_axis_tkeep.eq(responses.p.keep),
            self.m_axis_tlast.eq(responses.p.last),
            self.m_axis_tvalid.eq(responses.valid),
            responses.ready.eq(self.m_axis_tready),
        ]

    def _channels(self, m, registers):
        m.d.comb += [
            registers.aw.payload.eq(self.s_axil_awaddr),
            registers.aw.valid.eq(self.s_axil_awvalid),
            self.s_axil_awready.eq(registers.aw.ready),
            registers.w.p.data.eq(self.s_axil_wdata),
            registers.w.p.strobe.eq(self.s_axil_wstrb),
            registers.w.valid.eq(self.s_axil_wvalid),
            self.s_axil_wready.eq(registers.w.ready),
            self.s_axil_bresp.eq(registers.b.payload),
            self.s_axil_bvalid.eq(registers.b.valid),
            registers.b.ready.eq(self.s_axil_bready),
            registers.ar.payload.eq(self.s_axil_araddr),
            registers.ar.valid.eq(self.s_axil_arvalid),
            self.s_axil_arready.eq(registers.ar.ready),
            self.s_axil_rdata.eq(registers.r.p.data),
            self.s_axil_rresp.eq(registers.r.p.answer),
            self.s_axil_rvalid.eq(registers.r.valid),
            registers.r.ready.eq(self.s_axil_rready),
        ]

    def _registers(self, m, registers, accelerator, reset):
        values, written = registers.values, registers.written
        run, refused = Signal(), Signal()
        m.d.comb += [
            reset.eq(written.CONTROL & (registers.data & Control.RESET).any()),
            run.eq(written.CONTROL & (registers.data & Control.RUN).any()),
            values.IDENTIFICATION.eq(IDENTIFICATION),
            values.VERSION.eq(BUS_VERSION << 16 | PROTOCOL_VERSION),
            values.DIGEST.eq(self._config.digest),
            values.STATE.eq(
                Mux(accelerator.running, State.RUNNING, 0) | Mux(accelerator.input_free, State.INPUT_FREE, 0)
            ),
            values.CYCLES.eq(accelerator.cycles),
            *(values[f"STALLS_{unit.name}"].eq(accelerator.stalls[unit.value]) for unit in Unit),
        ]

        first, layers, order = Signal(32), Signal(32), accelerator.order
        with m.If(written.RUN_FIRST):
            m.d.sync += first.eq(registers.data)
        with m.If(written.RUN_LAYERS):
            m.d.sync += layers.eq(registers.data)
        # What the order has no bits for lies beyond every program; a reset takes everything away.
        fits = ~(first | layers)[len(order.layers.first) :].any() & ~reset
        m.d.comb += [
            values.RUN_FIRST.eq(first),
            values.RUN_LAYERS.eq(layers),
            order.layers.first.eq(first),
            order.layers.count.eq(layers),
            order.begin.eq(run & fits),
            refused.eq(order.refused | (run & ~fits)),
        ]

        ran = Signal()
        m.d.sync += ran.eq(accelerator.running & ~reset)
        run_ended = ran & ~accelerator.running
        responded = self.m_axis_tvalid & self.m_axis_tready & self.m_axis_tlast
        happened = (
            Mux(run_ended, Event.RUN_ENDED, 0)
            | Mux(responded, Event.RESPONDED, 0)
            | Mux(refused, Event.REFUSED, 0)
        )
        interrupts, events = Signal(len(Event)), Signal(len(Event))
        m.d.sync += events.eq(events & ~Mux(written.EVENTS, registers.data[: len(events)], 0) | happened)
        with m.If(written.INTERRUPTS):
            m.d.sync += interrupts.eq(registers.data)
        m.d.comb += [
            values.INTERRUPTS.eq(interrupts),
            values.EVENTS.eq(events),
            self.irq.eq((interrupts & events).any()),
        ]

        for name, happens in (
            ("RUNS", run_ended),
            ("RESPONSES", responded),
            ("BYTES_IN", accelerator.i.valid & accelerator.i.ready),
            ("BYTES_OUT", accelerator.o.valid & accelerator.o.ready),
        ):
            counter = Signal(32, name=name.lower())
            m.d.sync += counter.eq(counter + happens)
            m.d.comb += values[name].eq(counter)


class AxiTop(wiring.Component):
    """``AxiAccelerator`` with the clock and reset of AXI, as a module of its own in Verilog.

    Parameters
    ----------
    config : Config
    width : int
        Bytes of a word of both streams: 1, 2, 4 or 8.

    Members
    -------
    aclk : in
        All ports belong to it.
    aresetn : in
        Reset, active low, synchronous.
    s_axis_*, m_axis_*, s_axil_*, irq
        See ``AxiAccelerator``.
    """

    def __init__(self, config, *, width=4):
        self._config, self._width = config, width
        self._ports = axi_ports(width)
        super().__init__({"aclk": In(1), "aresetn": In(1), **self._ports})

    def elaborate(self, platform):
        m = Module()
        m.domains.sync = ClockDomain()
        m.submodules.core = core = AxiAccelerator(self._config, width=self._width)
        m.d.comb += [ClockSignal().eq(self.aclk), ResetSignal().eq(~self.aresetn)]
        for name, member in self._ports.items():
            inner, outer = getattr(core, name), getattr(self, name)
            m.d.comb += inner.eq(outer) if member.flow is In else outer.eq(inner)
        return m
