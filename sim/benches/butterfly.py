"""Butterfly network: gather and scatter under one mask, against numpy's indexing."""

import random

import cocotb
import numpy as np
from amaranth import Module
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from cocotb.triggers import Timer

from hw.butterfly import BitGather, BitScatter, ControlDecoder
from sim.runner import bench_parameters


class GatherAndScatter(wiring.Component):
    """One control decoder, a gather, and a scatter that undoes it.

    Members
    -------
    mask : Signal(width), in
    i : ArrayLayout(shape, width), in
        Elements; those that are not selected must be zero.
    packed, unpacked : ArrayLayout(shape, width), out
    """

    def __init__(self, width, shape):
        self._width, self._shape = width, shape
        layout = data.ArrayLayout(shape, width)
        super().__init__({"mask": In(width), "i": In(layout), "packed": Out(layout), "unpacked": Out(layout)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.decoder = decoder = ControlDecoder(self._width)
        m.submodules.gather = gather = BitGather(self._width, self._shape)
        m.submodules.scatter = scatter = BitScatter(self._width, self._shape)
        m.d.comb += [
            decoder.mask.eq(self.mask),
            gather.i.eq(self.i),
            gather.controls.eq(decoder.controls),
            self.packed.eq(gather.o),
            scatter.i.eq(gather.o),
            scatter.mask.eq(self.mask),
            scatter.controls.eq(decoder.controls),
            self.unpacked.eq(scatter.o),
        ]
        return m


@cocotb.test
async def gathers_and_scatters(dut):
    """Every mask where there are few, else random ones of all densities."""
    parameters = bench_parameters()
    width, bits = parameters["width"], parameters["bits"]
    rng = np.random.default_rng(parameters["seed"])
    if width <= 8:
        masks = list(range(1 << width))
    else:
        density = rng.random(400)
        masks = [sum(1 << lane for lane in range(width) if rng.random() < share) for share in density]
        masks += [0, (1 << width) - 1, 1, 1 << (width - 1)]
    random.shuffle(masks)

    def pack(elements):
        return sum(int(value) << (bits * lane) for lane, value in enumerate(elements))

    for mask in masks:
        selected = np.array([mask >> lane & 1 for lane in range(width)], bool)
        elements = rng.integers(0, 1 << bits, width) * selected
        dut.mask.value = mask
        dut.i.value = pack(elements)
        await Timer(1, "ns")
        assert int(dut.packed.value) == pack(elements[selected]), f"gather under mask {mask:#x}"
        assert int(dut.unpacked.value) == pack(elements), f"scatter under mask {mask:#x}"
