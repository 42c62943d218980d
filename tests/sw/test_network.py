"""What an integer network refuses, and the tensors that its layers read."""

import dataclasses

import numpy as np
import pytest

from sw.network import AveragePool, Concatenation, IntegerNetwork, MaxPool, TensorInfo, inputs_of

from .networks import random_convolution

SOURCE = TensorInfo(channels=3, height=4, width=6, signed=False)
POOL = MaxPool(name="pool", input="input", window=(2, 3), stride=2)
AVERAGE = AveragePool(
    name="average", input="input", window=(2, 3), stride=1, multiplier=9, shift=4, low=0, high=255
)
CONVOLUTION = random_convolution(np.random.default_rng(1), source=SOURCE, outputs=2, bases=1)
JOINED = Concatenation(name="joined", inputs=("input", "layer"))


def network(*layers):
    return IntegerNetwork(name="test", input=SOURCE, input_scale=1.0, layers=layers)


def test_shapes():
    assert network(POOL).tensors()["pool"].shape == (3, 2, 2)
    padded = dataclasses.replace(POOL, padding=(1, 2, 0, 1))
    assert network(padded).tensors()["pool"].shape == (3, 2, 4)
    assert network(AVERAGE).tensors()["average"].shape == (3, 3, 4)
    assert network(CONVOLUTION, JOINED).tensors()["joined"].shape == (5, 4, 6)


@pytest.mark.parametrize(("low", "high"), [(0, 255), (0, 60), (3, 3), (-128, 127), (-1, 5), (-128, -128)])
def test_sign_is_that_of_the_least_output(low, high):
    for layer in (AVERAGE, CONVOLUTION):
        made = network(dataclasses.replace(layer, low=low, high=high))
        assert made.tensors()[layer.name].signed == (low < 0)


@pytest.mark.parametrize(("low", "high"), [(0, 256), (-129, 0), (-1, 128), (4, 3), (-3, -4)])
def test_ranges_that_no_type_has_are_refused(low, high):
    for layer in (AVERAGE, CONVOLUTION):
        message = (
            f"layer {layer.name}: expected an output range within 0..255 or -128..127, got {low}..{high}"
        )
        with pytest.raises(ValueError, match=message):
            network(dataclasses.replace(layer, low=low, high=high))


def test_inputs():
    assert inputs_of(POOL) == inputs_of(AVERAGE) == inputs_of(CONVOLUTION) == ("input",)
    assert inputs_of(dataclasses.replace(CONVOLUTION, residual="other")) == ("input", "other")
    assert inputs_of(JOINED) == ("input", "layer")


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (
            (dataclasses.replace(POOL, window=(5, 1)),),
            "pool: expected a window and step that fit a 4x6 map, got 5x1 and 2",
        ),
        ((dataclasses.replace(AVERAGE, stride=0),), "average: expected a window and step .*, got 2x3 and 0"),
        (
            (dataclasses.replace(POOL, padding=(0, 0, 2, 0)),),
            r"pool: expected padding from 0 to less than the window 2x3, got \(0, 0, 2, 0\)",
        ),
        ((dataclasses.replace(POOL, padding=(-1, 0, 0, 0)),), "pool: expected padding from 0 to less than"),
        ((dataclasses.replace(AVERAGE, shift=0),), "average: expected a shift from 1 to 31, got 0"),
        (
            (dataclasses.replace(AVERAGE, multiplier=-1),),
            "average: expected a multiplier from 0 to 32767, got -1",
        ),
        ((JOINED,), "joined: expected an input made before it, got 'layer'"),
        (
            (dataclasses.replace(CONVOLUTION, residual="x"),),
            "layer: expected a residual made before it, got 'x'",
        ),
        ((Concatenation(name="joined", inputs=()),), "joined: expected at least one input, got none"),
        (
            (dataclasses.replace(CONVOLUTION, low=-128, high=127), JOINED),
            "joined: expected inputs of the same map and sign, 4x6 unsigned, got 4x6 signed of layer",
        ),
        (
            (POOL, Concatenation(name="joined", inputs=("input", "pool"))),
            "joined: expected inputs of the same map and sign, 4x6 unsigned, got 2x2 unsigned of pool",
        ),
        ((dataclasses.replace(CONVOLUTION, table=np.zeros(255, np.int64)),), "expected the table of shape"),
        (
            (dataclasses.replace(CONVOLUTION, table=np.zeros(256, np.int8)),),
            "expected the table as int64, got int8",
        ),
        (
            (dataclasses.replace(CONVOLUTION, table=np.arange(256), table_signed=True),),
            "layer: expected the table from -128 to 127, got 0 to 255",
        ),
        (
            (dataclasses.replace(CONVOLUTION, table=-np.arange(256)),),
            "expected the table from 0 to 255, got -255",
        ),
    ],
)
def test_refusals(layers, message):
    with pytest.raises(ValueError, match=message):
        network(*layers)
