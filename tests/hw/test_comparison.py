"""Comparison in few LUTs against the plain one, for every pair of numbers or for many of them."""

from itertools import product

import numpy as np
import pytest
from amaranth import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.comparison import greater

from .bench import Bench


class Greater(wiring.Component):
    """Two numbers side by side."""

    def __init__(self, bits):
        super().__init__({"first": In(bits), "second": In(bits), "o": Out(1)})

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.o.eq(greater(self.first, self.second))
        return m


@pytest.mark.parametrize("bits", [1, 2, 3, 4, 8])
def test_as_the_plain_comparison(bits):
    pairs = list(product(range(1 << bits), repeat=2))
    if bits == 8:
        rng = np.random.default_rng(270)
        pairs = [(int(first), int(second)) for first, second in rng.integers(0, 256, (2000, 2))]
        # Those that differ in one bit, and those that do not differ.
        pairs += [(first, first ^ (1 << bit) >> 1) for first, _ in pairs[:200] for bit in range(9)]
    dut = Greater(bits)
    bench = Bench(dut)

    async def script():
        for first, second in pairs:
            bench.set(dut.first, first)
            bench.set(dut.second, second)
            assert await bench.cycle(dut.o) == [first > second], f"{first} > {second}"

    bench.run(script)
