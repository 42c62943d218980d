"""The accelerator in a design of Amaranth: a timer beside it measures how long the interrupt waits to be served.

python examples/axi/system.py system.v
"""

import sys
from pathlib import Path

from amaranth import *
from amaranth.back import verilog
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.axi_accelerator import AxiAccelerator, axi_ports
from hw.config import Config


class System(wiring.Component):
    """The ports of the accelerator, and ``waiting``: cycles since `irq` was raised."""

    def __init__(self, config):
        self._config = config
        super().__init__({**axi_ports(width=4), "waiting": Out(32)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.accelerator = accelerator = AxiAccelerator(self._config)
        for name, member in axi_ports(width=4).items():
            inner, outer = getattr(accelerator, name), getattr(self, name)
            m.d.comb += inner.eq(outer) if member.flow is In else outer.eq(inner)
        m.d.sync += self.waiting.eq(Mux(accelerator.irq, self.waiting + 1, 0))
        return m


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(verilog.convert(System(Config.preset("tiny")), name="system"))
