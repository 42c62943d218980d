"""ResNet for CIFAR (He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, section 4.2).

Shortcuts are those of the paper's option A: every second pixel, and zeros for the channels that are new.
"""

from torch import nn
from torch.nn import functional

__all__ = ["CifarResNet"]


class _Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self._stride, self._new = stride, outputs - inputs

    def forward(self, images):
        inner = functional.relu(self.bn1(self.conv1(images)))
        inner = self.bn2(self.conv2(inner))
        if self._stride != 1:
            before = self._new // 2
            images = functional.pad(images[:, :, ::2, ::2], (0, 0, 0, 0, before, self._new - before))
        return functional.relu(inner + images)


class CifarResNet(nn.Module):
    """``6 * blocks + 2`` layers of 16, 32 and 64 channels for images [n, 3, 32, 32]."""

    def __init__(self, blocks, classes=10):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = nn.Sequential(*(_Block(16, 16, 1) for _ in range(blocks)))
        self.layer2 = nn.Sequential(_Block(16, 32, 2), *(_Block(32, 32, 1) for _ in range(blocks - 1)))
        self.layer3 = nn.Sequential(_Block(32, 64, 2), *(_Block(64, 64, 1) for _ in range(blocks - 1)))
        self.linear = nn.Linear(64, classes)

    def forward(self, images):
        images = functional.relu(self.bn1(self.conv1(images)))
        images = self.layer3(self.layer2(self.layer1(images)))
        return self.linear(images.mean((2, 3)))
