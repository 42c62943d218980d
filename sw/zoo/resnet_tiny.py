"""The image classification network of MLPerf Tiny (Banbury et al., "MLPerf Tiny Benchmark", NeurIPS 2021).

TensorFlow's "same" padding of a stride of 2 pads after the map only. Pixels go in as they are, 0 to 255.
"""

from torch import nn
from torch.nn import functional

__all__ = ["TinyResNet"]

#: TensorFlow's.
_EPS = 1e-3


class _Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.pad = nn.ZeroPad2d((0, 1, 0, 1) if stride == 2 else 1)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride)
        self.bn1 = nn.BatchNorm2d(outputs, eps=_EPS)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(outputs, eps=_EPS)
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride=stride) if stride == 2 else nn.Identity()

    def forward(self, images):
        inner = functional.relu(self.bn1(self.conv1(self.pad(images))))
        return functional.relu(self.bn2(self.conv2(inner)) + self.shortcut(images))


class TinyResNet(nn.Module):
    """Three blocks of 16, 32 and 64 channels for images [n, 3, 32, 32]."""

    def __init__(self, classes=10):
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 3, padding=1)
        self.bn = nn.BatchNorm2d(16, eps=_EPS)
        self.blocks = nn.Sequential(_Block(16, 16, 1), _Block(16, 32, 2), _Block(32, 64, 2))
        self.dense = nn.Linear(64, classes)

    def forward(self, images):
        images = self.blocks(functional.relu(self.bn(self.conv(images))))
        return self.dense(functional.avg_pool2d(images, 8).flatten(1))
