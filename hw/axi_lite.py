"""The AXI4-Lite port: reads and writes of registers, one of each at a time."""

from amaranth import *
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out

from .axi_registers import ADDRESS_BITS, REGISTERS, Access

__all__ = ["Answer", "AxiLiteRegisters", "read_answer_layout", "register_values", "write_data_layout"]


class Answer(enum.Enum, shape=2):
    """``BRESP`` and ``RRESP``."""

    OKAY = 0
    #: There is such a register, but it cannot be written, or not in part.
    SLVERR = 2
    #: There is no such register.
    DECERR = 3


#: The channel W.
write_data_layout = data.StructLayout({"data": 32, "strobe": 4})
#: The channel R.
read_answer_layout = data.StructLayout({"data": 32, "answer": Answer})
#: The content of every register, by name; and which is being written, of those that can be.
register_values = data.StructLayout({register.name: 32 for register in REGISTERS})
register_writes = data.StructLayout(
    {register.name: 1 for register in REGISTERS if register.access is not Access.READ}
)


class AxiLiteRegisters(wiring.Component):
    """Decodes addresses; whoever uses it keeps the registers.

    Registers are read and written as whole words: a write of some of the bytes is refused and changes nothing. The two
    lowest bits of an address do not matter.

    A write takes effect in the cycle before its answer; both halves of it may come in any order. Throughput: a read in
    two cycles, a write in two.

    Members
    -------
    aw, ar : stream of ``ADDRESS_BITS``, in
        Addresses of writes and reads.
    w : stream of ``write_data_layout``, in
    b : stream of ``Answer``, out
    r : stream of ``read_answer_layout``, out
    values : ``register_values``, in
        What a read gives.
    written : ``register_writes``, out
        Which register is being written: for one cycle.
    data : 32 bits, out
        What is written.
    """

    def __init__(self):
        super().__init__(
            {
                "aw": In(stream.Signature(ADDRESS_BITS)),
                "w": In(stream.Signature(write_data_layout)),
                "b": Out(stream.Signature(Answer)),
                "ar": In(stream.Signature(ADDRESS_BITS)),
                "r": Out(stream.Signature(read_answer_layout)),
                "values": In(register_values),
                "written": Out(register_writes),
                "data": Out(32),
            }
        )

    def elaborate(self, platform):
        m = Module()
        self._writes(m)
        self._reads(m)
        return m

    def _writes(self, m):
        address, word = Signal(ADDRESS_BITS), Signal(write_data_layout)
        has_address, has_word = Signal(), Signal()
        m.d.comb += [
            self.aw.ready.eq(~has_address),
            self.w.ready.eq(~has_word),
            self.data.eq(word.data),
        ]
        with m.If(self.aw.valid & self.aw.ready):
            m.d.sync += [has_address.eq(1), address.eq(self.aw.payload)]
        with m.If(self.w.valid & self.w.ready):
            m.d.sync += [has_word.eq(1), word.eq(self.w.payload)]

        with m.If(self.b.ready):
            m.d.sync += self.b.valid.eq(0)
        with m.If(has_address & has_word & ~self.b.valid):
            m.d.sync += [
                has_address.eq(0),
                has_word.eq(0),
                self.b.valid.eq(1),
                self.b.payload.eq(Answer.DECERR),
            ]
            with m.Switch(address[2:]):
                for register in REGISTERS:
                    with m.Case(register.address >> 2):
                        m.d.sync += self.b.payload.eq(Answer.SLVERR)
                        if register.access is not Access.READ:
                            with m.If(word.strobe.all()):
                                m.d.comb += self.written[register.name].eq(1)
                                m.d.sync += self.b.payload.eq(Answer.OKAY)

    def _reads(self, m):
        m.d.comb += self.ar.ready.eq(~self.r.valid)
        with m.If(self.r.ready):
            m.d.sync += self.r.valid.eq(0)
        with m.If(self.ar.valid & self.ar.ready):
            m.d.sync += [self.r.valid.eq(1), self.r.p.data.eq(0), self.r.p.answer.eq(Answer.DECERR)]
            with m.Switch(self.ar.payload[2:]):
                for register in REGISTERS:
                    with m.Case(register.address >> 2):
                        m.d.sync += [
                            self.r.p.data.eq(self.values[register.name]),
                            self.r.p.answer.eq(Answer.OKAY),
                        ]
