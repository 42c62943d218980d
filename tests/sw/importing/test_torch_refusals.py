"""What no layer does is refused in one line that names the node, its operation, the reason and what to do."""

import re

import pytest
import torch
from torch import nn
from torch.nn import functional

from sw.importing import import_program, import_torch

from .sources import PIXELS, SHAPE, Calls, trained


def after_stem(function, **modules):
    stem = nn.Conv2d(3, 8, 3, padding=1)
    return Calls(lambda self, images: function(self, self.stem(images)), stem=stem, **modules)


class Gate(nn.Module):
    """Squeeze and excitation."""

    def __init__(self):
        super().__init__()
        self.squeeze = nn.Conv2d(8, 8, 1)

    def forward(self, images):
        return images * torch.sigmoid(self.squeeze(images.mean((2, 3), keepdim=True)))


REFUSED = {
    "dilation": (nn.Conv2d(3, 8, 3, dilation=2), "conv2d.*dilation of 1, got 2.*larger kernel"),
    "stride of 3": (nn.Conv2d(3, 8, 3, stride=3), "stride of 1 or 2, got 3.*MaxPool2d"),
    "different strides": (nn.Conv2d(3, 8, 3, stride=(1, 2)), "same stride for rows and columns, got 1 and 2"),
    "padding of the kernel's size": (nn.Conv2d(3, 8, 1, padding=1), "less than the window 1x1.*pad less"),
    "transposed": (nn.ConvTranspose2d(3, 8, 3), "no layer does this; give the part of the network before"),
    "three dimensions": (
        Calls(lambda self, x: self.inner(x[:, :, None]), inner=nn.Conv3d(3, 8, 1)),
        "inner .*conv3d.*no layer does this; convolve maps",
    ),
    "weights of the image": (
        Calls(lambda self, x: functional.conv2d(x, x.mean((0, 2, 3)).view(1, 3, 1, 1))),
        "mean|constant weight",
    ),
    "gate": (
        nn.Sequential(nn.Conv2d(3, 8, 1), Gate()),
        r"node 1\.mul \(aten\.mul\).*product with a constant.*squeeze.*without it",
    ),
    "recurrent": (
        after_stem(
            lambda self, x: self.inner(x.flatten(2).transpose(1, 2))[0], inner=nn.LSTM(8, 4, batch_first=True)
        ),
        "lstm.*convolutional part",
    ),
    "attention": (
        after_stem(lambda _, x: x.flatten(2) @ x.flatten(2).transpose(1, 2)),
        "matmul.*convolutional part|bmm.*convolutional part",
    ),
    "group norm": (nn.Sequential(nn.Conv2d(3, 8, 1), nn.GroupNorm(2, 8)), "group_norm.*batch norm"),
    "batch norm of the batch": (
        nn.Sequential(nn.Conv2d(3, 8, 1), nn.BatchNorm2d(8, track_running_stats=False)),
        "batch_norm.*evaluation mode",
    ),
    "resize": (
        nn.Sequential(nn.Conv2d(3, 8, 1), nn.Upsample(scale_factor=2)),
        "upsample.*no layer does this",
    ),
    "softmax in between": (
        nn.Sequential(nn.Conv2d(3, 8, 1), nn.Softmax(1), nn.Conv2d(8, 8, 1)),
        "softmax.*end of the network",
    ),
    "softmax over a map": (nn.Sequential(nn.Conv2d(3, 8, 1), nn.Softmax(2)), "softmax.*end of the network"),
    "activation": (nn.Sequential(nn.Conv2d(3, 8, 1), nn.Softsign()), "no layer does this"),
    "approximate gelu": (
        nn.Sequential(nn.Conv2d(3, 8, 1), nn.GELU(approximate="tanh")),
        r"exact GELU.*nn\.GELU\(\)",
    ),
    "steep softplus": (
        nn.Sequential(nn.Conv2d(3, 8, 1), nn.Softplus(beta=2)),
        "beta 1 and threshold 20, got 2",
    ),
    "empty clamp": (after_stem(lambda _, x: x.clamp(2, 1)), "range from low to high"),
    "slopes": (nn.Sequential(nn.Conv2d(3, 8, 1), nn.PReLU(8)), "one slope, got 8"),
    "error function": (after_stem(lambda _, x: torch.erf(x)), "erf.*GELU"),
    "padded average": (
        nn.Sequential(nn.Conv2d(3, 8, 1), nn.AvgPool2d(3, padding=1)),
        "average pooling without padding",
    ),
    "average beyond the map": (
        nn.Sequential(nn.Conv2d(3, 8, 1), nn.AvgPool2d(3, stride=2, ceil_mode=True)),
        "without ceil_mode",
    ),
    "divisor": (nn.Sequential(nn.Conv2d(3, 8, 1), nn.AvgPool2d(2, divisor_override=3)), "divisor_override=3"),
    "adaptive": (
        nn.Sequential(nn.Conv2d(3, 8, 1), nn.AdaptiveAvgPool2d(7)),
        "divides the map 12x10, got 7x7",
    ),
    "dilated pooling": (
        nn.Sequential(nn.Conv2d(3, 8, 1), nn.MaxPool2d(2, dilation=2)),
        "dilation of 1, got 2",
    ),
    "pooling by rows": (
        nn.Sequential(nn.Conv2d(3, 8, 1), nn.MaxPool2d((2, 1), stride=(2, 1))),
        "same stride for rows and columns",
    ),
    "reflection": (
        nn.Sequential(nn.ReflectionPad2d(1), nn.Conv2d(3, 8, 3)),
        "padding with zeros, got mode 'reflect'",
    ),
    "padding with ones": (
        nn.Sequential(nn.ConstantPad2d(1, 1.0), nn.Conv2d(3, 8, 3)),
        "0 or minus infinity, got 1",
    ),
    "padding before an activation": (
        after_stem(lambda _, x: torch.sigmoid(functional.pad(x, (1, 1)))),
        "pad only right before a convolution",
    ),
    "zeros before a pooling of signed numbers": (
        after_stem(lambda _, x: functional.max_pool2d(functional.pad(x, (1, 1, 1, 1)), 2)),
        "may be below zero.*ReLU before",
    ),
    "a crop": (after_stem(lambda _, x: torch.relu(x[:, :, 1:])), "order that no layer reads.*crop"),
    "a flip": (after_stem(lambda _, x: torch.relu(x.flip(2))), "flip.*no layer does this"),
    "rows for columns": (
        after_stem(lambda self, x: self.inner(x.transpose(2, 3)), inner=nn.Conv2d(8, 8, 1)),
        "order that no layer reads",
    ),
    "mean of rows": (after_stem(lambda _, x: x.mean(2)), "mean over height and width, got one over axes"),
    "mean of all": (after_stem(lambda _, x: x.mean(1)), "mean over height and width"),
    "broadcast": (
        after_stem(lambda _, x: x + x.mean((2, 3), keepdim=True)),
        r"two tensors of one shape, got \(8, 12, 10\) and \(8, 1, 1\)",
    ),
    "constant by pixel": (after_stem(lambda _, x: x + torch.arange(10.0)), "one number for each channel"),
    "division": (after_stem(lambda _, x: x / x.abs()), "abs.*no layer"),
    "concatenation of rows": (
        after_stem(lambda _, x: torch.cat((x, x), 2)),
        "concatenation of channels, got one along axis 2",
    ),
    "concatenation with ones": (
        after_stem(lambda _, x: torch.cat((x, torch.ones(2, 1, 12, 10)), 1)),
        "only as zeros",
    ),
    "a part of the batch": (after_stem(lambda _, x: x[:1]), "along the batch"),
    "places of maxima": (
        after_stem(lambda _, x: functional.max_pool2d(x, 2, return_indices=True)[1].float()),
        "first result alone",
    ),
    "batch as channels": (after_stem(lambda _, x: torch.cat((x, x), 0)), "along the batch"),
    "integers": (after_stem(lambda _, x: x.long()), "real numbers, got torch.int64"),
    "linear on rows": (
        after_stem(lambda self, x: self.inner(x), inner=nn.Linear(10, 4)),
        "flatten before it",
    ),
    "output by columns": (after_stem(lambda _, x: x.transpose(2, 3)), "order that no layer reads"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_in_one_line(name):
    module, message = REFUSED[name]
    with pytest.raises(ValueError) as error:
        import_torch(trained(module), pixels=PIXELS)
    text = str(error.value)
    assert re.search(message, text), text
    assert re.match(r"node \S+ \(aten\.\w+\): .+; .+", text) and "\n" not in text, text


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (Calls(lambda self, x: x), "at least one layer"),
        (Calls(lambda self, x: torch.zeros(2, 3)), "depends on the image"),
        (Calls(lambda self, x: x * 0), "at least one layer"),
        (Calls(lambda self, x: (x + 1, x + 2)), "one output, got 2"),
        (Calls(lambda self, x: x if x.sum() > 0 else -x), "torch.export can trace"),
        (nn.Conv2d(4, 8, 1), "torch.export can trace with images of"),
    ],
)
def test_modules_that_are_no_network(module, message):
    with pytest.raises(ValueError, match=message) as error:
        import_torch(module, SHAPE)
    assert "\n" not in str(error.value)


def test_a_shape_is_needed():
    with pytest.raises(ValueError, match="give input_shape"):
        import_torch(nn.Conv2d(3, 8, 1))
    with pytest.raises(ValueError, match="3x12x10, got 3 channels of 8x8"):
        import_torch(
            nn.Conv2d(3, 8, 1),
            (3, 12, 10),
            pixels=PIXELS.__class__(**(vars(PIXELS) | {"height": 8, "width": 8})),
        )


def test_a_program_of_a_module_in_training(tmp_path):
    module = nn.Sequential(nn.Conv2d(3, 8, 1), nn.BatchNorm2d(8))
    program = torch.export.export(module.train(), (torch.zeros(2, *SHAPE),))
    torch.export.save(program, tmp_path / "network.pt2")
    with pytest.raises(ValueError, match=r"batch_norm.*evaluation mode"):
        import_program(tmp_path / "network.pt2")
    (tmp_path / "other.pt2").write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"other\.pt2: expected a program of torch.export.save"):
        import_program(tmp_path / "other.pt2")


def test_an_import_that_computes_something_else_is_refused(monkeypatch):
    monkeypatch.setattr("sw.importing.from_torch.TOLERANCE", 0.0)
    with pytest.raises(ValueError, match="computes what its source does, got a difference of"):
        import_torch(nn.Conv2d(3, 8, 1), SHAPE)
