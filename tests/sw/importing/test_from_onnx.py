"""Every operator of ONNX that has a layer: the imported network computes what onnxruntime does."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from sw.importing import import_onnx
from sw.layers import IDENTITY

from .onnx_models import Model, run
from .sources import PIXELS, SHAPE, TOLERANCE, RandomNetwork, difference, images_for, seen, trained


def imported(model, path, *, last_channels=False, pixels=PIXELS, softmax=False):
    """The imported network, after a comparison with the runtime."""
    file = model if isinstance(model, Path) else model.save(path / "model.onnx")
    network = import_onnx(file, pixels)
    images = images_for(pixels)
    numbers = seen(pixels, images).numpy()
    expected = run(file, numbers.transpose(0, 2, 3, 1) if last_channels else numbers)
    if softmax:
        result = network(images).detach().softmax(1).numpy()
        assert np.abs(result - expected).max() < TOLERANCE
    else:
        assert difference(network, expected, images) < TOLERANCE
    assert not network.training
    return network


def stem(**options):
    model = Model(**options)
    model.convolution(3, 8)
    return model


def test_a_residual_block(tmp_path):
    model = stem()
    model.batch_norm(8, epsilon=0.01)
    first = model.add("Relu")
    model.convolution(8, 8)
    second = model.batch_norm(8)
    model.add("Add", first, second)
    model.add("Clip", model.last, model.constant(0.0), model.constant(6.0))
    network = imported(model, tmp_path)
    assert [layer.residual for layer in network.layers] == [None, "node0"]
    assert network.layers[1].activation.high == 6 and network.unit("node0").normalise.eps == pytest.approx(
        0.01
    )


@pytest.mark.parametrize(
    "attributes",
    [
        {"auto_pad": "SAME_UPPER", "strides": [2, 2]},
        {"auto_pad": "SAME_LOWER", "strides": [2, 2]},
        {"auto_pad": "VALID"},
        {"pads": [0, 1, 1, 0], "strides": [2, 2]},
    ],
)
def test_padding_of_convolutions(tmp_path, attributes):
    model = Model()
    model.convolution(3, 6, groups=3, **attributes)
    imported(model, tmp_path)


def test_pad_becomes_part_of_the_next_layer(tmp_path):
    model = stem(opset=18)
    model.add("Relu")
    model.add("Pad", model.last, model.constant(np.array([0, 1, 2, 0])), "", model.constant(np.array([2, 3])))
    model.convolution(8, 8, pads=[1, 0, 0, 1])
    model.add("Pad", model.last, model.constant(np.array([0, 0, 1, 1, 0, 0, 0, 0])), model.constant(-np.inf))
    model.add("MaxPool", kernel_shape=[2, 2])
    network = imported(model, tmp_path)
    assert [layer.padding for layer in network.layers] == [(1, 1, 1, 1), (1, 1, 2, 1), (1, 1, 0, 0)]


@pytest.mark.parametrize(
    ("operator", "attributes"),
    [
        ("MaxPool", {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}),
        ("MaxPool", {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}),
        ("MaxPool", {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"}),
        ("AveragePool", {"kernel_shape": [2, 2], "strides": [2, 2]}),
        ("AveragePool", {"kernel_shape": [2, 2], "strides": [2, 2], "auto_pad": "SAME_UPPER"}),
        ("GlobalAveragePool", {}),
        ("GlobalMaxPool", {}),
        ("ReduceMean", {"axes": [2, 3], "keepdims": 0}),
        ("ReduceMean", {"axes": [-1, -2]}),
    ],
)
def test_pooling(tmp_path, operator, attributes):
    model = stem()
    model.add(operator, **attributes)
    assert len(imported(model, tmp_path).layers) == 2


def test_mean_over_axes_that_are_an_input(tmp_path):
    model = stem(opset=18)
    model.add("ReduceMean", model.last, model.constant(np.array([2, 3])))
    imported(model, tmp_path)


@pytest.mark.parametrize(
    ("operator", "function", "attributes"),
    [
        ("Sigmoid", "sigmoid", {}),
        ("HardSigmoid", "hard_sigmoid", {"alpha": 1 / 6}),
        ("HardSwish", "hard_swish", {}),
        ("Tanh", "tanh", {}),
        ("Softplus", "softplus", {}),
        ("Elu", "elu", {"alpha": 0.5}),
        ("LeakyRelu", "leaky_relu", {"alpha": 0.2}),
        ("Mish", "mish", {}),
        ("Gelu", "gelu", {}),
    ],
)
def test_activation_functions(tmp_path, operator, function, attributes):
    model = stem(opset=20)
    model.add(operator, **attributes)
    (layer,) = imported(model, tmp_path).layers
    assert layer.activation.function == function


def test_activation_functions_written_out(tmp_path):
    model = stem()
    before = model.last
    model.add("Mul", before, model.add("Sigmoid", before))
    before = model.convolution(8, 8)
    model.add("Mul", model.add("HardSigmoid", before, alpha=1 / 6), before)
    before = model.convolution(8, 8)
    model.add("Add", before, model.constant(3.0))
    model.add("Clip", model.last, model.constant(0.0), model.constant(6.0))
    model.add("Div", model.add("Mul", before, model.last), model.constant(6.0))
    before = model.convolution(8, 8)
    model.add("Erf", model.add("Div", before, model.constant(2**0.5)))
    model.add("Mul", before, model.add("Add", model.last, model.constant(1.0)))
    model.add("Mul", model.last, model.constant(0.5))
    network = imported(model, tmp_path)
    assert [layer.activation.function for layer in network.layers] == [
        "silu",
        "hard_swish",
        "hard_swish",
        "gelu",
    ]


def test_clamps(tmp_path):
    model = stem()
    model.add("HardSigmoid", alpha=0.2)
    model.convolution(8, 8)
    model.add("Max", model.last, model.constant(-0.5))
    model.add("Min", model.constant(0.5), model.last)
    model.convolution(8, 8)
    model.add("Clip", model.last, "", model.constant(0.25))
    model.add("PRelu", model.last, model.constant(np.full((8, 1, 1), 0.25)))
    bounds = [(layer.activation.low, layer.activation.high) for layer in imported(model, tmp_path).layers]
    assert bounds == [(0, 1), (-0.5, 0.5), (-np.inf, 0.25), (-np.inf, np.inf)]


def test_arithmetic_with_constants(tmp_path):
    model = Model()
    model.add("Sub", model.last, model.constant(np.array([0.4, 0.5, 0.6]).reshape(1, 3, 1, 1)))
    model.add("Div", model.last, model.constant(np.array([0.2, 0.3, 0.4]).reshape(3, 1, 1)))
    model.convolution(3, 8)
    model.add("Mul", model.constant((8, 1, 1)), model.last)
    model.add("Sub", model.constant(1.0), model.last)
    model.add("Neg")
    network = imported(model, tmp_path)
    assert len(network.layers) == 1 and network.pixels != PIXELS


def test_arithmetic_with_tensors(tmp_path):
    model = stem()
    first = model.last
    second = model.convolution(8, 8)
    third = model.add("Sub", first, second)
    model.add("Sum", first, third, model.constant((8, 1, 1)), second)
    imported(model, tmp_path)


def test_fully_connected_layers(tmp_path):
    model = stem()
    model.add("MaxPool", kernel_shape=[4, 4], strides=[4, 4])
    model.add("Flatten")
    model.add(
        "Gemm", model.last, model.constant((6, 48)), model.constant((6,)), transB=1, alpha=0.5, beta=2.0
    )
    model.add("Relu")
    model.add("MatMul", model.last, model.constant((6, 5)))
    model.add("Add", model.last, model.constant((5,)))
    model.add("Gemm", model.last, model.constant((5, 4)))
    network = imported(model, tmp_path)
    assert [layer.kernel for layer in network.layers[2:]] == [(3, 2), (1, 1), (1, 1)]


def test_reshapes_that_are_computed(tmp_path):
    model = stem()
    maps = model.last
    shape = model.add("Gather", model.add("Shape", maps), model.constant(np.array(0)), axis=0)
    shape = model.add("Unsqueeze", shape, model.constant(np.array([0])))
    shape = model.add("Concat", shape, model.constant(np.array([-1])), axis=0)
    model.add("Reshape", maps, shape)
    model.add("Unsqueeze", model.last, model.constant(np.array([2])))
    model.add("Squeeze", model.last, model.constant(np.array([-1])))
    model.add("Gemm", model.last, model.constant((960, 5)))
    assert len(imported(model, tmp_path).layers) == 2


def test_what_does_nothing(tmp_path):
    model = stem()
    model.add("Dropout")
    model.add("Identity")
    model.add("Cast", to=1)
    model.add("Relu")
    weight = model.add("Constant", value_floats=[2.0])
    model.add("Mul", "relu4_0", model.add("Identity", weight))
    assert len(imported(model, tmp_path).layers) == 2


def test_shortcuts_without_parameters(tmp_path):
    model = stem()
    maps = model.last
    every = [model.constant(np.array(numbers)) for numbers in ([0, 0], [99, 99], [2, 3], [2, 2])]
    model.add("Slice", maps, *every)
    zeros = model.add("ConstantOfShape", model.constant(np.array([1, 4, 6, 5])))
    shortcut = model.add("Concat", "slice1_0", zeros, axis=1)
    model.convolution(8, 12, tensor=maps, strides=[2, 2])
    model.add("Add", shortcut, model.last)
    network = imported(model, tmp_path)
    assert [layer.fixed for layer in network.layers] == [False, True, False]


def test_split_and_concatenation(tmp_path):
    model = stem()
    first, second = model.add("Split", model.last, model.constant(np.array([2, 6])), axis=1, outputs=2)
    model.convolution(6, 4, tensor=second)
    model.add("Concat", first, model.last, axis=1)
    model.batch_norm(6)
    model.add("Relu")
    imported(model, tmp_path)


def test_channels_last_at_the_input(tmp_path):
    model = Model(("n", 12, 10, 3))
    model.add("Sub", model.last, model.constant(np.array([0.1, 0.2, 0.3])))
    model.add("Transpose", perm=[0, 3, 1, 2])
    model.convolution(3, 8, auto_pad="SAME_UPPER", strides=[2, 2])
    model.add("Relu")
    first = model.add("Transpose", perm=[0, 2, 3, 1])
    model.add("Add", first, model.constant((8,)))
    model.add("Concat", first, model.last, axis=3)
    model.add("ReduceMean", axes=[1, 2], keepdims=0)
    model.add("MatMul", model.last, model.constant((16, 5)))
    model.add("Softmax")
    network = imported(model, tmp_path, last_channels=True, softmax=True)
    assert network.pixels.shape == SHAPE and any("logits" in note for note in network.notes)


def test_flattening_with_channels_last(tmp_path):
    model = Model(("n", 12, 10, 3))
    model.add("Transpose", perm=[0, 3, 1, 2])
    model.convolution(3, 8)
    model.add("Transpose", perm=[0, 2, 3, 1])
    model.add("Reshape", model.last, model.constant(np.array([-1, 960])))
    model.add("MatMul", model.last, model.constant((960, 5)))
    assert len(imported(model, tmp_path, last_channels=True).layers) == 2


def test_sizes_that_the_file_leaves_open(tmp_path):
    model = Model(("n", 3, "height", "width"))
    model.convolution(3, 8)
    model.add("GlobalAveragePool")
    file = model.save(tmp_path / "model.onnx")
    network = import_onnx(file, input_shape=SHAPE)
    assert network.pixels.shape == SHAPE and network.pixels.gain == (1.0,) * 3
    assert network.notes == [
        "pixels taken as they are, 0 to 255: give mean and std if the network was trained with others"
    ]
    images = images_for(network.pixels)
    assert difference(network, run(file, images), images) < TOLERANCE


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", range(4))
def test_random_networks_exported_by_torch(tmp_path, seed):
    torch.manual_seed(seed)
    module = trained(RandomNetwork(np.random.default_rng(seed)))
    file = tmp_path / "module.onnx"
    torch.onnx.export(module, (torch.zeros(1, *SHAPE),), file, dynamo=True, verbose=False)
    network = imported(file, tmp_path)
    assert network.layers[0].name == "stem"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_activations_exported_by_torch(tmp_path):
    functions = [nn.SiLU(), nn.Hardswish(), nn.GELU(), nn.Mish(), nn.Hardsigmoid(), nn.ELU(), nn.LeakyReLU()]
    layers = [part for function in functions for part in (nn.Conv2d(3, 3, 1), function)]
    module = trained(nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 5)))
    file = tmp_path / "module.onnx"
    torch.onnx.export(module, (torch.zeros(1, *SHAPE),), file, dynamo=True, verbose=False)
    network = imported(file, tmp_path)
    assert len(network.layers) == len(functions) + 2
    assert sum(layer.activation != IDENTITY for layer in network.layers[: len(functions)]) == len(functions)


@pytest.mark.slow
def test_resnet_of_mlperf_tiny():
    folder = os.environ.get("FARTHING_DATA")
    if not folder:
        pytest.skip("needs mlperf-tiny-resnet8.onnx and cifar10-jpeg.zip in the folder FARTHING_DATA")
    from sw.data import load_dataset
    from sw.training import accuracy

    file = Path(folder, "mlperf-tiny-resnet8.onnx")
    network = import_onnx(file)
    assert len(network.layers) == 11 and len(network.notes) == 2
    images = images_for(network.pixels, 8)
    result = network(images).detach().softmax(1).numpy()
    assert np.abs(result - run(file, images)).max() < TOLERANCE
    dataset = load_dataset(str(Path(folder, "cifar10-jpeg.zip")))
    assert accuracy(network, dataset.test_images, dataset.test_labels) == pytest.approx(0.755, abs=0.002)
