"""Proofs that nothing overflows."""

import numpy as np
import pytest

from sw.bounds import value_ranges
from sw.compiler import compile_network
from sw.network import AveragePool, Concatenation, MaxPool

from .layers import TINY, changed, convolution, dense, info, network


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


def test_clamps_and_tables_narrow_what_follows():
    first = changed(dense(info(1), 1, outputs=16), name="first", high=100)
    second = changed(dense(info(16), 1), input="first")
    # 16 channels of 0..100, or of 0..255.
    narrow = TINY.replace(z_bits=12, accumulator_bits=12, tables=1)
    compile_network(network(info(1), first, second), narrow)
    wide = changed(first, high=255)
    with pytest.raises(ValueError, match=r"layer layer: expected every z .* got a range of 0..4080"):
        compile_network(network(info(1), wide, second), narrow)
    compile_network(network(info(1), changed(wide, table=np.full(256, 100)), second), narrow)


def test_ranges_of_all_layers():
    source = info(4, signed=True)
    layers = (
        changed(convolution(source), name="a", low=3, high=90),
        MaxPool(name="b", input="a", window=(2, 2), stride=1),
        AveragePool(name="c", input="b", window=(2, 2), stride=1, multiplier=9, shift=4, low=0, high=80),
        changed(convolution(info()), name="d", low=0, high=5),
        Concatenation(name="e", inputs=("a", "d")),
    )
    # Padding is 0 whatever the clamp.
    assert value_ranges(network(source, *layers)) == {
        "input": (-128, 127),
        "a": (0, 90),
        "b": (0, 90),
        "c": (0, 80),
        "d": (0, 5),
        "e": (0, 90),
    }
