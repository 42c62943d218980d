"""SqueezeNet 1.0 (Iandola et al., "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB model size", 2016)."""

import torch
from torch import nn
from torch.nn import functional

__all__ = ["CONVOLUTIONS", "SqueezeNet"]

#: Channels of the squeeze layer, and of each of the two expand layers, of fire2 to fire9.
_FIRES = ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256))


class _Fire(nn.Module):
    def __init__(self, inputs, squeeze, expand):
        super().__init__()
        self.squeeze1x1 = nn.Conv2d(inputs, squeeze, 1)
        self.expand1x1 = nn.Conv2d(squeeze, expand, 1)
        self.expand3x3 = nn.Conv2d(squeeze, expand, 3, padding=1)

    def forward(self, images):
        images = functional.relu(self.squeeze1x1(images))
        return functional.relu(torch.cat((self.expand1x1(images), self.expand3x3(images)), 1))


class SqueezeNet(nn.Module):
    """For images [n, 3, 227, 227]."""

    def __init__(self, classes=1000):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 96, 7, stride=2)
        inputs = 96
        for number, (squeeze, expand) in enumerate(_FIRES, 2):
            self.add_module(f"fire{number}", _Fire(inputs, squeeze, expand))
            inputs = 2 * expand
        self.conv10 = nn.Conv2d(inputs, classes, 1)

    def forward(self, images):
        images = functional.relu(self.conv1(images))
        for number in range(2, 10):
            if number in (2, 5, 9):
                images = functional.max_pool2d(images, 3, 2)
            images = getattr(self, f"fire{number}")(images)
        return functional.adaptive_avg_pool2d(functional.relu(self.conv10(images)), 1).flatten(1)


def _convolutions():
    with torch.device("meta"):
        modules = SqueezeNet().named_modules()
    return tuple(
        (name.replace(".", "/"), tuple(module.weight.shape))
        for name, module in modules
        if isinstance(module, nn.Conv2d)
    )


#: Name and weights [K, C, R, S] of every convolution, in the order of the authors' file of Deep Compression.
CONVOLUTIONS = _convolutions()
