"""Proofs that nothing overflows."""

import numpy as np
import pytest

from sw.compiler import compile_network

from .layers import TINY, changed, dense, info, network


@pytest.mark.parametrize(
    ("signed", "tap", "fits", "refuses"),
    [
        # 16 channels: z is 0..4080 or -2048..2032, the sum is tap times that.
        (False, 8, {"z_bits": 13}, {"z_bits": 12}),
        (True, 8, {"z_bits": 12}, {"z_bits": 11}),
        (False, 8, {"accumulator_bits": 16}, {"z_bits": 15, "accumulator_bits": 15}),
        (True, 8, {"z_bits": 15, "accumulator_bits": 15}, {"z_bits": 14, "accumulator_bits": 14}),
        (True, -8, {"accumulator_bits": 16}, {"z_bits": 15, "accumulator_bits": 15}),
    ],
)
def test_bounds_are_exact(signed, tap, fits, refuses):
    source = info(16, signed=signed)
    compile_network(network(source, dense(source, tap)), TINY.replace(**fits))
    with pytest.raises(ValueError, match=[*refuses][-1]):
        compile_network(network(source, dense(source, tap)), TINY.replace(**refuses))


def test_partial_sums_may_wrap():
    source = info(1)
    layer = dense(source, 127, bases=2)
    layer = changed(layer, bases=np.array([[[127]], [[-127]]], np.int8))
    narrow = TINY.replace(z_bits=9, accumulator_bits=9)
    compile_network(network(source, layer), narrow)
    # One basis without the other does not fit, so the sum passes through values that wrap.
    with pytest.raises(ValueError, match="accumulator_bits"):
        compile_network(network(source, dense(source, 127)), narrow)
