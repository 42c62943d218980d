"""Numbers of a network file: complexity, and the roofline of a configuration."""

import numpy as np

from fpga.complexity_tables import storage_table, work_table
from sim.counting import count
from sim.cycle_model import layer_cycles
from sim.reference import run
from sw.compiler import compile_network
from sw.complexity import integer_complexity
from sw.roofline import make_machine, make_roofline

__all__ = ["measure_roofline", "show_network"]


def show_network(console, network, config=None):
    """Print what an ``IntegerNetwork`` stores, computes and moves; ``bits`` are those of the image for ``config``, if given."""
    program = None if config is None else compile_network(network, config)
    layers = integer_complexity(network, program)
    shape = " x ".join(map(str, network.input.shape))
    bits = "without padding and program" if program is None else f"of the image for preset {config.name}"
    console.print(f"{network.name}, input {shape}, bits {bits}", highlight=False, markup=False)
    console.print(storage_table(layers))
    console.print(work_table(layers))


def measure_roofline(network, config, clock, link_bytes, *, seed=0):
    """``Roofline`` of ``network`` with what the cycle model achieves on one image of random pixels.

    Raises
    ------
    ValueError
        If the network cannot run on ``config``, a ``hw.config.Config``.
    """
    program = compile_network(network, config)
    info = network.input
    image = np.random.default_rng(seed).integers(info.low, info.high + 1, (1, *info.shape))
    tensors = run(network, image)
    counts = count(network, tensors, config)
    cycles = layer_cycles(program, tensors)[0]
    measured = {work.name: (work.operations, int(taken)) for work, taken in zip(counts, cycles, strict=True)}
    machine = make_machine(config, clock, link_bytes)
    return make_roofline(network, integer_complexity(network, program), machine, measured)
