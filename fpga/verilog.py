"""Verilog of an accelerator: the same text for the same configuration, whoever generates it, wherever."""

from fpga import __version__
from hw.accelerator import Accelerator
from sim.simulators import to_verilog

__all__ = ["MODULE", "generate", "header"]

#: Name of the Verilog module.
MODULE = "farthing"


def header(config):
    """Comment that says what made the text and for which configuration."""
    return (
        f"// farthing {__version__}: accelerator of preset {config.name}, "
        f"configuration digest {config.digest:08x}\n"
    )


def generate(config):
    """Verilog text of the accelerator of ``config``.

    The text depends on the configuration and on the versions of farthing and Amaranth alone: it holds no
    path, date or host name.
    """
    return header(config) + to_verilog(Accelerator(config), name=MODULE)
