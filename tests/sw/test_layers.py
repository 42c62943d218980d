"""Layers of a network before it has weights: shapes and refusals."""

import pytest

from sw.layers import (
    RELU,
    Activation,
    AverageLayer,
    ConvolutionLayer,
    layer_inputs,
    tensor_shapes,
)
from sw.network import Concatenation, MaxPool
from sw.pixels import Pixels

PIXELS = Pixels(channels=3, height=9, width=12, offset=(0.0,) * 3, gain=(1.0,) * 3)


def convolution(**changes):
    return ConvolutionLayer(**({"name": "layer", "input": "input", "inputs": 3, "outputs": 4} | changes))


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (convolution(), (4, 7, 10)),
        (convolution(padding=(1, 1, 1, 1), stride=2), (4, 5, 6)),
        (convolution(padding=(0, 0, 1, 1), stride=2), (4, 4, 6)),
        (convolution(kernel=(9, 12)), (4, 1, 1)),
        (MaxPool(name="layer", input="input", window=(3, 3), stride=2, padding=(1, 1, 1, 1)), (3, 5, 6)),
        (AverageLayer(name="layer", input="input"), (3, 1, 1)),
        (AverageLayer(name="layer", input="input", window=(2, 2), stride=2), (3, 4, 6)),
        (Concatenation(name="layer", inputs=("input", "input")), (6, 9, 12)),
    ],
)
def test_shapes(layer, shape):
    assert tensor_shapes(PIXELS, (layer,)) == {"input": (3, 9, 12), "layer": shape}


def test_inputs_come_with_the_residual_last():
    assert layer_inputs(convolution(residual="other")) == ("input", "other")
    assert layer_inputs(Concatenation(name="layer", inputs=("a", "b"))) == ("a", "b")


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([convolution(), convolution()], "layer layer: expected a name of its own"),
        ([convolution(input="later")], "layer layer: expected an input made before it, got 'later'"),
        ([convolution(inputs=4)], "layer layer: expected 4 input channels, got 3"),
        (
            [convolution(kernel=(10, 1))],
            "layer layer: expected a map of at least 10x1 with its padding, got 9x12",
        ),
        ([convolution(residual="input")], r"expected a residual of shape \(4, 7, 10\), got \(3, 9, 12\)"),
        (
            [convolution(), Concatenation(name="both", inputs=("input", "layer"))],
            "layer both: expected inputs of 9x12, got 7x10",
        ),
    ],
)
def test_what_does_not_fit_is_refused(layers, message):
    with pytest.raises(ValueError, match=message):
        tensor_shapes(PIXELS, layers)


def test_impossible_layers_are_refused():
    with pytest.raises(ValueError, match="expected inputs in 2 equal groups, got 3"):
        convolution(groups=2)
    with pytest.raises(ValueError, match=r"expected an activation from .*, got 'maxout'"):
        Activation(function="maxout")
    with pytest.raises(ValueError, match=r"from low to high, got 1\.0\.\.1\.0"):
        Activation(low=1.0, high=1.0)


def test_what_a_layer_is():
    assert convolution().weight_shape == (4, 3, 3, 3) and convolution().dense_parameters == 108
    assert convolution(fixed=True).dense_parameters == 0
    assert not convolution().depthwise and convolution(outputs=3, groups=3).depthwise
    assert not convolution(inputs=1, outputs=1).depthwise
    assert convolution().activation == RELU
