"""Scale unit and its model against the formula in integers without a limit."""

import numpy as np
import pytest

from hw.config import Config
from hw.scaling import ScaleUnit

from .bench import Bench
from .layers import ODD, layer_fields
from .test_requantiser import extremes, requantise

TINY = Config.preset("tiny")
CONFIGURATIONS = {
    "tiny": TINY,
    "narrow": TINY.replace(multiplier_bits=9, bias_bits=32, accumulator_bits=18),
    "odd": ODD,
}


def operands(rng, config, count, *, shift, exact):
    """Accumulators, multipliers, biases and residuals; ``exact`` ones lie around the steps between two outputs."""
    accumulators = extremes(rng, config.accumulator_bits, count)
    multipliers, biases = extremes(rng, config.multiplier_bits, count), extremes(rng, config.bias_bits, count)
    if exact:
        accumulators = rng.integers(-600, 600, count) << (shift - 1) % 8
        multipliers, biases = rng.choice([-1, 1], count), rng.integers(-2, 3, count)
    residuals = rng.choice([-128, -1, 0, 1, 127, 128, 255, *range(-100, 200, 30)], count)
    return [values.tolist() for values in (accumulators, multipliers, biases, residuals)]


def expected(operands, fields):
    """The formula, operand by operand."""
    return [
        requantise(
            accumulator,
            {"multiplier": multiplier, "bias": bias},
            fields["shift"],
            fields["low"],
            fields["high"],
            residual * fields["residual_multiplier"],
        )
        for accumulator, multiplier, bias, residual in zip(*operands, strict=True)
    ]


def scaled(config, jobs):
    """Values of a unit that gets new operands every cycle; jobs are (fields, operands)."""
    dut = ScaleUnit(config)
    bench = Bench(dut)
    made = []

    async def script():
        for fields, given in jobs:
            bench.set(dut.layer, fields)
            # A layer stands before its first operands.
            await bench.cycle()
            values = []
            for accumulator, multiplier, bias, residual in zip(*given, strict=True):
                bench.set(dut.accumulator, accumulator)
                bench.set(dut.scale, {"multiplier": multiplier, "bias": bias, "enable": 1})
                bench.set(dut.residual, residual)
                values += await bench.cycle(dut.value)
            for _ in range(ScaleUnit.LATENCY):
                values += await bench.cycle(dut.value)
            made.append(values[ScaleUnit.LATENCY :])

    bench.run(script)
    return made


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_every_shift(name, exact):
    seed, config = 241, CONFIGURATIONS[name]
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    jobs = []
    for shift in range(1, 32):
        low, high = [(-128, 127), (0, 255), (-7, 40), (3, 3)][shift % (3 if exact else 4)]
        largest = (1 << config.multiplier_bits - 1) - 1
        fields = layer_fields(
            shift=shift,
            low=low,
            high=high,
            residual_multiplier=0 if exact else int(rng.choice([0, 1, 77, largest])),
        )
        jobs.append((fields, operands(rng, config, 12, shift=shift, exact=exact)))
    made = scaled(config, jobs)
    assert made == [[value % 256 for value in expected(given, fields)] for fields, given in jobs]


def test_model():
    seed = 242
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    for shift in range(1, 32):
        fields = {
            "shift": shift,
            "low": -100,
            "high": 90,
            "residual_multiplier": int(rng.integers(1 << 15)),
        }
        given = operands(rng, TINY, 40, shift=shift, exact=shift % 2)
        accumulators, multipliers, biases, residuals = given
        made = ScaleUnit.model(
            accumulators, multipliers, biases, shift, -100, 90, residuals, fields["residual_multiplier"]
        )
        assert made.dtype == np.int64
        assert made.tolist() == expected(given, fields)
