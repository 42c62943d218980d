"""The demonstration's network for handwritten digits: one of each kind of layer that the accelerator has."""

from torch import nn
from torch.nn.functional import pad, relu

__all__ = ["Digits"]


class Digits(nn.Module):
    """For images [n, 1, 28, 28]: a stride with padding on one side, pooling, a residual, a 1x1 and a fully connected layer."""

    def __init__(self, classes=10):
        super().__init__()
        self.stem = nn.Conv2d(1, 16, 3, padding=1, bias=False)
        self.stem_norm = nn.BatchNorm2d(16)
        self.pool = nn.MaxPool2d(2)
        self.down = nn.Conv2d(16, 32, 3, stride=2, bias=False)
        self.down_norm = nn.BatchNorm2d(32)
        self.block1 = nn.Conv2d(32, 32, 3, padding=1, bias=False)
        self.block1_norm = nn.BatchNorm2d(32)
        self.block2 = nn.Conv2d(32, 32, 3, padding=1, bias=False)
        self.block2_norm = nn.BatchNorm2d(32)
        self.expand = nn.Conv2d(32, 64, 1, bias=False)
        self.expand_norm = nn.BatchNorm2d(64)
        self.average = nn.AdaptiveAvgPool2d(1)
        self.classify = nn.Linear(64, classes)

    def forward(self, images):
        images = self.pool(relu(self.stem_norm(self.stem(images))))
        images = relu(self.down_norm(self.down(pad(images, (0, 1, 0, 1)))))
        inner = relu(self.block1_norm(self.block1(images)))
        images = relu(self.block2_norm(self.block2(inner)) + images)
        images = self.average(relu(self.expand_norm(self.expand(images))))
        return self.classify(images.flatten(1))
