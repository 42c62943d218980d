"""Verilog of an accelerator: the same text for the same configuration, whoever generates it, wherever."""

from fpga import __version__
from hw.accelerator import Accelerator
from hw.axi_accelerator import AxiTop
from sim.simulators import to_verilog

__all__ = ["BUSES", "generate", "header"]

#: What the ports of the Verilog may be: component and name of the module.
BUSES = {"bytes": (Accelerator, "farthing"), "axi": (AxiTop, "farthing_axi")}


def header(config):
    """Comment that says what made the text and for which configuration."""
    return (
        f"// farthing {__version__}: accelerator of preset {config.name}, "
        f"configuration digest {config.digest:08x}\n"
    )


def generate(config, bus="bytes"):
    """Verilog text of the accelerator of ``config`` with the ports of a bus.

    The text depends on the configuration and on the versions of farthing and Amaranth alone: it holds no
    path, date or host name.
    """
    component, module = BUSES[bus]
    return header(config) + to_verilog(component(config), name=module)
