"""The partial sums of one output channel."""

from amaranth import *
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Plane", "plane_write_layout"]


def plane_write_layout(config):
    """A sum on its way to its output position, counted in raster order."""
    return data.StructLayout({"position": range(config.plane_words), "sum": signed(config.accumulator_bits)})


class Plane(wiring.Component):
    """A sum for each position of the output.

    Zeros after a reset, of which the last is there when ``busy`` falls.

    Members
    -------
    busy : out
    position : in
    sum : out
        That of the ``position`` a cycle earlier, as it was before what was written then.
    write : stream of ``plane_write_layout``, in
        Always ready but for ``busy``.
    """

    def __init__(self, config):
        self._config = config
        super().__init__(
            {
                "busy": Out(1),
                "position": In(range(config.plane_words)),
                "sum": Out(signed(config.accumulator_bits)),
                "write": In(stream.Signature(plane_write_layout(config))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self._config
        m.submodules.sums = sums = memory.Memory(
            shape=signed(config.accumulator_bits), depth=config.plane_words, init=[]
        )
        write_port, read_port = sums.write_port(), sums.read_port()
        # A reset ends a run in its middle.
        cleared = Signal(range(config.plane_words + 1))
        m.d.comb += [
            self.busy.eq(cleared != config.plane_words),
            self.write.ready.eq(~self.busy),
            read_port.addr.eq(self.position),
            self.sum.eq(read_port.data),
            write_port.addr.eq(Mux(self.busy, cleared, self.write.p.position)),
            write_port.data.eq(Mux(self.busy, 0, self.write.p.sum)),
            write_port.en.eq(self.busy | self.write.valid),
        ]
        m.d.sync += cleared.eq(cleared + self.busy)
        return m
