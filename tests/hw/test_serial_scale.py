"""Scale unit of the serial machine against the formula in integers without a limit, and its latency."""

import numpy as np
import pytest

from hw.serial_scale import SerialScale

from .bench import Bench
from .layers import SERIAL, layer_fields
from .test_scaling import expected, operands

CONFIGURATIONS = {
    "serial": SERIAL["serial"],
    "narrow": SERIAL["serial"].replace(multiplier_bits=9, bias_bits=32, accumulator_bits=18),
    "odd": SERIAL["odd"],
}
#: Multipliers and biases for each shift, and results that are scaled by each.
SCALES, RESULTS = 4, 6


def scaled(config, jobs):
    """Values of a unit that gets a new result every cycle; jobs are (fields, operands), all of one scale."""
    dut = SerialScale(config)
    bench = Bench(dut)
    made = []

    async def script():
        for fields, (accumulators, (multiplier, *_), (bias, *_), residuals) in jobs:
            bench.set(dut.layer, fields)
            bench.set(dut.scale, {"multiplier": multiplier, "bias": bias, "enable": 1})
            # What was made of the layer before is not looked at.
            await bench.repeat(SerialScale.LATENCY)
            values = []
            for accumulator, residual in zip(accumulators, residuals, strict=True):
                bench.set(dut.accumulator, accumulator)
                bench.set(dut.residual, residual)
                values += await bench.cycle(dut.value)
            for _ in range(SerialScale.LATENCY):
                bench.set(dut.accumulator, bench.rng.getrandbits(8))
                bench.set(dut.residual, bench.rng.getrandbits(7))
                values += await bench.cycle(dut.value)
            made.append(values[SerialScale.LATENCY :])

    bench.run(script)
    return made


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_every_shift(name, exact):
    seed, config = 291, CONFIGURATIONS[name]
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    jobs, largest = [], (1 << config.multiplier_bits - 1) - 1
    for shift in range(1, 32):
        low, high = [(-128, 127), (0, 255), (-7, 40), (3, 3)][shift % (3 if exact else 4)]
        for _ in range(SCALES):
            fields = layer_fields(
                shift=shift,
                low=low,
                high=high,
                residual_multiplier=int(rng.choice([0, 1] if exact else [0, 1, 77, largest])),
            )
            accumulators, multipliers, biases, residuals = operands(
                rng, config, RESULTS, shift=shift, exact=exact
            )
            given = accumulators, [multipliers[0]] * RESULTS, [biases[0]] * RESULTS, residuals
            jobs.append((fields, given))
    made = scaled(config, jobs)
    assert made == [[value % 256 for value in expected(given, fields)] for fields, given in jobs]
    # Not all of them lie at the ends.
    inner = {
        value
        for values, (fields, _) in zip(made, jobs, strict=True)
        if fields["high"] > 3
        for value in values
    }
    assert len(inner) > 20


@pytest.mark.parametrize("name", CONFIGURATIONS)
@pytest.mark.parametrize("sign", [-1, 1])
def test_ends_of_all_ranges(name, sign):
    """Everything at its end, so that the sum is as far from zero as it can be."""
    config = CONFIGURATIONS[name]
    ends = [
        (1 << bits - 1) - 1 for bits in (config.accumulator_bits, config.multiplier_bits, config.bias_bits)
    ]
    accumulator, multiplier, bias = ends
    given = [[sign * accumulator] * 2, [multiplier] * 2, [sign * bias] * 2, [sign * 255, sign * 127]]
    jobs = [
        (layer_fields(shift=shift, low=-128, high=127, residual_multiplier=multiplier), given)
        for shift in (1, 8, 25, 31)
    ]
    assert scaled(config, jobs) == [
        [value % 256 for value in expected(given, fields)] for fields, given in jobs
    ]


def test_a_result_takes_the_latency():
    config = SERIAL["serial"]
    dut = SerialScale(config)
    bench = Bench(dut)
    found = []

    async def script():
        bench.set(dut.layer, layer_fields(shift=1, low=-128, high=127))
        bench.set(dut.scale, {"multiplier": 1, "bias": 0, "enable": 1})
        await bench.repeat(10)
        for value in (20, *[0] * 9):
            bench.set(dut.accumulator, value)
            found.extend(await bench.cycle(dut.value))

    bench.run(script)
    assert found == [0] * SerialScale.LATENCY + [10] + [0] * (9 - SerialScale.LATENCY)
