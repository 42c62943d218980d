"""One function for every kind of source."""

import pytest
import torch
from torch import nn

from sw.importing import load_model
from sw.pixels import pixels_of

from .onnx_models import Model
from .sources import PIXELS, SHAPE, trained


def test_a_module_with_weights_from_a_file(tmp_path):
    module = trained(nn.Sequential(nn.Conv2d(3, 8, 3)))
    torch.save(module.state_dict(), tmp_path / "weights.pt")
    network = load_model(
        nn.Sequential(nn.Conv2d(3, 8, 3)), input_shape=SHAPE, weights=tmp_path / "weights.pt"
    )
    assert torch.equal(network.unit("0").kernel(), module[0].weight)


def test_files(tmp_path):
    model = Model()
    model.convolution(3, 8)
    for path in (tmp_path / "model.onnx", str(tmp_path / "model.onnx")):
        model.save(path)
        assert load_model(path, pixels=PIXELS).pixels == PIXELS
    program = torch.export.export(trained(nn.Conv2d(3, 8, 3)), (torch.zeros(1, *SHAPE),))
    torch.export.save(program, tmp_path / "program.pt2")
    assert load_model(tmp_path / "program.pt2").pixels == pixels_of(*SHAPE)


def test_a_network_of_the_zoo(tmp_path):
    network = load_model("resnet8")
    assert network.pixels.gain == (1.0,) * 3 and network.shapes["dense"] == (10, 1, 1)
    assert load_model("digits", pixels=pixels_of(1, 28, 28, std=0.5)).pixels.gain[0] == pytest.approx(2 / 255)


def test_what_is_none_of_these(tmp_path):
    with pytest.raises(
        ValueError,
        match=r"a file \.onnx, \.pt2 or \.model, or one of .*resnet20.*, got 'resnet21'; a state dict",
    ):
        load_model("resnet21")
    with pytest.raises(ValueError, match=r"weights for a module only, got some for model\.onnx"):
        load_model("model.onnx", weights="weights.pt")


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers(tmp_path, wrong):
    model = Model()
    model.convolution(3, 8)
    model.constants["constant0"][5, 1, 2, 0] = wrong
    model.save(tmp_path / "model.onnx")
    message = r"^layer node0: expected finite numbers, got NaN or infinity in 1 of 216 of weight; take the weights from before"
    with pytest.raises(ValueError, match=message):
        load_model(tmp_path / "model.onnx", pixels=PIXELS)
    module = trained(nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)))
    module[1].running_var[3] = wrong
    with pytest.raises(
        ValueError, match=r"^layer 0: expected finite numbers, got NaN or infinity in 1 of 8 of "
    ):
        load_model(module, input_shape=SHAPE)


@pytest.mark.parametrize("name", ["model.onnx", "model.pt2", "model.model"])
def test_a_file_that_is_not_there(tmp_path, name):
    with pytest.raises(FileNotFoundError):
        load_model(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        load_model("resnet8", weights=tmp_path / "weights.pt")
