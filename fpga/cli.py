"""The command ``farthing``."""

import click

from fpga import __version__
from fpga.commands import Commands
from fpga.compare_commands import compare_
from fpga.device_commands import doctor, program, run
from fpga.explore_commands import explore
from fpga.hardware_commands import build, demo, estimate, verilog
from fpga.micronet_commands import score, sensitivity
from fpga.network_commands import compile_, compress, inspect, roofline

__all__ = ["main"]


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(prog)s %(version)s")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def main(debug):
    """Sparse FPGA accelerators from trained networks, proved bit-exact, built with open tools."""


for command in (
    demo,
    compress,
    compare_,
    compile_,
    inspect,
    roofline,
    score,
    sensitivity,
    estimate,
    explore,
    verilog,
    build,
    program,
    run,
    doctor,
):
    main.add_command(command)
