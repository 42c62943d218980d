"""DenseNet for CIFAR (Huang et al., "Densely Connected Convolutional Networks", CVPR 2017): batch norm and ReLU come first."""

import torch
from torch import nn
from torch.nn import functional

__all__ = ["DenseNet"]


class _Layer(nn.Module):
    def __init__(self, inputs, growth):
        super().__init__()
        self.bn = nn.BatchNorm2d(inputs)
        self.conv = nn.Conv2d(inputs, growth, 3, padding=1, bias=False)

    def forward(self, images):
        return torch.cat((images, self.conv(functional.relu(self.bn(images)))), 1)


class _Transition(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.bn = nn.BatchNorm2d(channels)
        self.conv = nn.Conv2d(channels, channels, 1, bias=False)

    def forward(self, images):
        return functional.avg_pool2d(self.conv(functional.relu(self.bn(images))), 2)


class DenseNet(nn.Module):
    """``len(blocks)`` blocks of so many layers for images [n, 3, 32, 32]; every layer adds ``growth`` channels."""

    def __init__(self, classes=10, growth=12, blocks=(4, 4, 4)):
        super().__init__()
        channels = 2 * growth
        layers = [nn.Conv2d(3, channels, 3, padding=1, bias=False)]
        for index, count in enumerate(blocks):
            if index:
                layers.append(_Transition(channels))
            for _ in range(count):
                layers.append(_Layer(channels, growth))
                channels += growth
        self.features = nn.Sequential(*layers)
        self.bn = nn.BatchNorm2d(channels)
        self.classifier = nn.Linear(channels, classes)

    def forward(self, images):
        images = functional.relu(self.bn(self.features(images)))
        return self.classifier(functional.adaptive_avg_pool2d(images, 1).flatten(1))
