# amaranth: UnusedElaboratable=no
"""The butterfly's gates and models against the plain meaning of gather and scatter."""

import numpy as np
import pytest
from amaranth.hdl import Module, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator

from hw.butterfly import BitGather, BitScatter, ControlDecoder

SEED = 20
EXHAUSTIVE = (2, 4, 8)
RANDOM = (16, 32, 64)


class _Network(wiring.Component):
    """Decoder, gather and scatter of one width, wired back to back."""

    def __init__(self, width, bits):
        self._width, self._bits = width, bits
        super().__init__(
            {
                "mask": In(width),
                "i": In(width * bits),
                "above": In(width * bits),
                "controls": Out(width // 2 * (width.bit_length() - 1)),
                "packed": Out(width * bits),
                "scattered": Out(width * bits),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.decoder = decoder = ControlDecoder(self._width)
        m.submodules.gather = gather = BitGather(self._width, self._bits)
        m.submodules.scatter = scatter = BitScatter(self._width, self._bits)
        m.d.comb += [
            decoder.mask.eq(self.mask),
            gather.controls.eq(decoder.controls),
            scatter.controls.eq(decoder.controls),
            scatter.mask.eq(self.mask),
            Value.cast(gather.i).eq(self.i),
            Value.cast(scatter.i).eq(Value.cast(gather.o) | self.above),
            self.controls.eq(decoder.controls),
            self.packed.eq(Value.cast(gather.o)),
            self.scattered.eq(Value.cast(scatter.o)),
        ]
        return m


def masks_of(width, count=40):
    """Every mask of a small width; empty, full and random ones of all densities of a large width."""
    if width in EXHAUSTIVE:
        return np.array([[mask >> lane & 1 for lane in range(width)] for mask in range(1 << width)])
    rng = np.random.default_rng(SEED + width)
    density = rng.random((count, 1))
    masks = (rng.random((count, width)) < density).astype(np.int64)
    masks[0], masks[1] = 0, 1
    return masks


def elements_of(masks, bits, seed=SEED):
    rng = np.random.default_rng(seed)
    return rng.integers(1, 1 << bits, masks.shape) * masks


def plain_gather(elements, mask):
    """Selected elements of one row in front, zeros above."""
    selected = [element for element, bit in zip(elements.tolist(), mask.tolist(), strict=True) if bit]
    return selected + [0] * (len(mask) - len(selected))


def as_integer(fields, bits):
    return sum(int(field) << (index * bits) for index, field in enumerate(fields))


@pytest.mark.parametrize("width", EXHAUSTIVE + RANDOM)
def test_model_gathers_and_scatters(width):
    masks = masks_of(width, count=3000)
    elements = elements_of(masks, 8)
    controls = ControlDecoder.model(masks)
    packed = BitGather.model(elements, controls)
    assert packed.tolist() == [plain_gather(*row) for row in zip(elements, masks, strict=True)]
    above = np.where(np.arange(width) < masks.sum(axis=-1, keepdims=True), 0, 99)
    assert np.array_equal(BitScatter.model(packed + above, masks, controls), elements)


def test_models_take_any_leading_dimensions():
    masks = masks_of(8).reshape(4, 8, 8, 8)
    elements = elements_of(masks, 8)
    controls = ControlDecoder.model(masks)
    packed = BitGather.model(elements, controls)
    assert controls.shape == (4, 8, 8, 12)
    assert packed[3, 2, 5].tolist() == plain_gather(elements[3, 2, 5], masks[3, 2, 5])
    assert np.array_equal(BitScatter.model(packed, masks, controls), elements)
    one = ControlDecoder.model(masks[1, 2, 3])
    assert np.array_equal(one, controls[1, 2, 3])
    assert np.array_equal(BitGather.model(elements[1, 2, 3], one), packed[1, 2, 3])


@pytest.mark.parametrize(
    ("width", "bits"), [(2, 8), (4, 8), (8, 8), (8, 1), (16, 1), (16, 8), (32, 1), (64, 1)]
)
def test_gates_equal_model_and_meaning(width, bits):
    masks = masks_of(width)
    elements = elements_of(masks, bits)
    controls = ControlDecoder.model(masks)
    above = np.where(np.arange(width) < masks.sum(axis=-1, keepdims=True), 0, (1 << bits) - 1)
    dut = _Network(width, bits)

    async def testbench(ctx):
        for mask, row, above_row, control in zip(masks, elements, above, controls, strict=True):
            ctx.set(dut.mask, as_integer(mask, 1))
            ctx.set(dut.i, as_integer(row, bits))
            ctx.set(dut.above, as_integer(above_row, bits))
            await ctx.delay(1e-9)
            assert ctx.get(dut.controls) == as_integer(control, 1)
            assert ctx.get(dut.packed) == as_integer(plain_gather(row, mask), bits)
            assert ctx.get(dut.scattered) == as_integer(row, bits)

    simulator = Simulator(dut)
    simulator.add_testbench(testbench)
    simulator.run()


def test_gather_of_signed_elements():
    dut = BitGather(4, signed(8))

    async def testbench(ctx):
        ctx.set(dut.i, [0, -5, 0, 7])
        ctx.set(dut.controls, as_integer(ControlDecoder.model(np.array([0, 1, 0, 1])), 1))
        await ctx.delay(1e-9)
        assert [ctx.get(dut.o[lane]) for lane in range(4)] == [-5, 7, 0, 0]

    simulator = Simulator(dut)
    simulator.add_testbench(testbench)
    simulator.run()


@pytest.mark.parametrize("width", [0, 1, 3, 12, "8"])
@pytest.mark.parametrize(
    "make", [ControlDecoder, lambda width: BitGather(width, 8), lambda width: BitScatter(width, 8)]
)
def test_width_must_be_a_power_of_two(make, width):
    with pytest.raises(ValueError, match=f"width must be a power of two from 2 on, not {width!r}"):
        make(width)
