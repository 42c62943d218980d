"""Relay: a value, a cycle later; and as many PEs as are near to one another read each."""

import pytest
from amaranth.hdl import Fragment

from hw.block import Block
from hw.config import Config
from hw.relay import NEAR, Relay

from .bench import Bench


def test_a_cycle_later():
    dut = Relay(8)
    bench = Bench(dut)
    values = [3, 250, 0, 17, 17, 255]

    async def script():
        seen = []
        for value in values:
            bench.set(dut.i, value)
            seen += await bench.cycle(dut.o)
        assert seen == [0, *values[:-1]]

    bench.run(script)


@pytest.mark.parametrize("pes", [2, 4, 6, 16])
def test_no_more_than_four_pes_share_one(pes):
    assert NEAR == 4
    config = Config.preset("ulx3s-85f").replace(pes=pes, requantisers=2)
    names = [name for _, name, _ in Fragment.get(Block(config), platform=None).subfragments]
    relays = [name for name in names if name.startswith("relay_")]
    assert relays == [f"relay_{number}" for number in range(-(-pes // 4))]
    order = [name for name in names if name.startswith(("relay_", "pe_"))]
    expected = [
        name
        for number in range(pes)
        for name in ([f"relay_{number // 4}"] if number % 4 == 0 else []) + [f"pe_{number}"]
    ]
    assert order == expected
