"""Networks by name: their shapes, the weights they take, and that they can be imported."""

import os
from pathlib import Path

import pytest
import torch

from sw.importing import load_model
from sw.layers import IDENTITY, AverageLayer, ConvolutionLayer, Pixels
from sw.network import INPUT, MaxPool
from sw.zoo import build, load_weights, names, pixels_for

_AROUND = (1, 1, 1, 1)
#: The demonstration's network: a stride with asymmetric padding, pooling, a residual, a 1x1 and a fully connected layer.
DIGITS = (
    ConvolutionLayer(name="stem", input=INPUT, inputs=1, outputs=16, padding=_AROUND),
    MaxPool(name="pool", input="stem", window=(2, 2), stride=2),
    ConvolutionLayer(name="down", input="pool", inputs=16, outputs=32, stride=2, padding=(0, 0, 1, 1)),
    ConvolutionLayer(name="block1", input="down", inputs=32, outputs=32, padding=_AROUND),
    ConvolutionLayer(name="block2", input="block1", inputs=32, outputs=32, padding=_AROUND, residual="down"),
    ConvolutionLayer(name="expand", input="block2", inputs=32, outputs=64, kernel=(1, 1)),
    AverageLayer(name="average", input="expand"),
    ConvolutionLayer(
        name="classify",
        input="average",
        inputs=64,
        outputs=10,
        kernel=(1, 1),
        activation=IDENTITY,
        batch_norm=False,
    ),
)
#: Weights and biases as published: resnet20 and resnet56 in He et al. 2016 (0.27 M, 0.85 M), resnet18 and mobilenetv1 of torchvision
#: and of Howard et al. (4.2 M), squeezenet of Iandola et al. (1.25 M), LeNets of Han et al. (267 K, 431 K), resnet8 of MLPerf Tiny (78,666 with 480 statistics).
PARAMETERS = {
    "resnet8": 78_186,
    "resnet18": 11_689_512,
    "resnet20": 269_722,
    "resnet56": 853_018,
    "mobilenetv1": 4_231_976,
    "squeezenet": 1_248_424,
    "lenet-300-100": 266_610,
    "lenet-5": 431_080,
}


def data(name):
    folder = os.environ.get("FARTHING_DATA")
    if not folder or not Path(folder, name).exists():
        pytest.skip(f"needs {name} in the folder FARTHING_DATA")
    return Path(folder, name)


@pytest.mark.parametrize("name", names())
def test_every_network_takes_its_images(name):
    module = build(name, classes=7).eval()
    pixels = pixels_for(name)
    with torch.no_grad():
        assert module(torch.zeros(1, *pixels.shape)).shape == (1, 7)


@pytest.mark.parametrize("name", PARAMETERS)
def test_sizes_are_those_of_the_papers(name):
    assert sum(parameter.numel() for parameter in build(name).parameters()) == PARAMETERS[name]


@pytest.mark.parametrize("name", ["mobilenetv1", "resnet18"])
def test_forms_for_small_images(name):
    network = load_model(build(name, size=32), pixels=pixels_for(name, size=32))
    last = [layer for layer in network.layers if isinstance(layer, ConvolutionLayer)][-2]
    assert network.shapes[last.name][1:] == (4, 4)


def test_forms_of_densenet():
    network = load_model(build("densenet", growth=4, blocks=(2, 3)), pixels=pixels_for("densenet"))
    assert network.shapes["classifier"] == (10, 1, 1)
    # Batch norm and ReLU before every convolution but the first.
    assert sum(getattr(layer, "fixed", False) for layer in network.layers) == 7


def test_digits_are_the_demonstration():
    network = load_model("digits")
    assert list(map(repr, network.layers)) == list(map(repr, DIGITS))
    assert network.pixels == Pixels(channels=1, height=28, width=28, offset=(0.0,), gain=(1 / 255,))


def test_resnet20_as_layers():
    network = load_model("resnet20")
    convolutions = [layer for layer in network.layers if isinstance(layer, ConvolutionLayer)]
    fixed = [layer for layer in convolutions if layer.fixed]
    assert len(convolutions) - len(fixed) == 20 and len(fixed) == 2
    assert sum(layer.residual is not None for layer in convolutions) == 9


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_weights_from_files(tmp_path, nested, prefix):
    module = build("digits")
    state = {prefix + name: value for name, value in module.state_dict().items()}
    state = {name: value for name, value in state.items() if not name.endswith("num_batches_tracked")}
    torch.save({"state_dict": state, "epoch": 3} if nested else state, tmp_path / "weights.pt")
    other = build("digits", weights=tmp_path / "weights.pt")
    assert torch.equal(other.stem.weight, module.stem.weight)


def test_weights_that_do_not_fit(tmp_path):
    path = tmp_path / "weights.pt"
    torch.save(build("resnet8").state_dict(), path)
    with pytest.raises(
        ValueError, match=r"tensors of Digits, got 27 missing \(stem\.weight, .*\) and 55 that do not fit"
    ):
        load_weights(build("digits"), path)
    torch.save(build("digits", classes=11).state_dict(), path)
    with pytest.raises(
        ValueError, match=r"0 missing \(\) and 2 that do not fit \(classify\.weight \(11, 64\)"
    ):
        load_weights(build("digits"), path)
    for wrong in ([1], {"epoch": 3}, {}):
        torch.save(wrong, path)
        with pytest.raises(ValueError, match="expected a state dict, got something else"):
            load_weights(build("digits"), path)
    path.write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"expected a state dict of torch.save, got") as error:
        load_weights(build("digits"), path)
    assert "\n" not in str(error.value)


def test_names_and_options_that_there_are_not():
    with pytest.raises(ValueError, match=r"a network from densenet, .*, got 'resnet21'"):
        build("resnet21")
    with pytest.raises(ValueError, match="network vgg16: expected options that it has, got depth"):
        build("vgg16", depth=3)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "file", "expected"),
    [
        ("resnet20", "resnet20-cifar10.th", 0.810),
        ("resnet20", "resnet20-cifar10-jpeg.pt", 0.880),
        ("resnet56", "resnet56-cifar10.th", 0.832),
    ],
)
def test_published_weights(name, file, expected):
    from sw.data import load_dataset
    from sw.training import accuracy

    network = load_model(name, weights=data(file))
    dataset = load_dataset(str(data("cifar10-jpeg.zip")))
    # A tenth of the test images, of every class as many.
    images, labels = dataset.test_images[::10], dataset.test_labels[::10]
    assert accuracy(network, images, labels) == pytest.approx(expected, abs=0.03)
