"""ResNet-18 (He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, table 1), named as in torchvision."""

from torch import nn
from torch.nn import functional

__all__ = ["ResNet18"]


class _Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            convolution = nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False)
            self.downsample = nn.Sequential(convolution, nn.BatchNorm2d(outputs))

    def forward(self, images):
        inner = functional.relu(self.bn1(self.conv1(images)))
        shortcut = images if self.downsample is None else self.downsample(images)
        return functional.relu(self.bn2(self.conv2(inner)) + shortcut)


class ResNet18(nn.Module):
    """For images [n, 3, size, size]; below 64 the stem is a 3x3 convolution without stride and pooling, as for CIFAR."""

    def __init__(self, classes=None, size=224):
        super().__init__()
        small = size < 64
        classes = classes or (10 if small else 1000)
        kernel, stride = (3, 1) if small else (7, 2)
        self.conv1 = nn.Conv2d(3, 64, kernel, stride=stride, padding=kernel // 2, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.Identity() if small else nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = nn.Sequential(_Block(64, 64, 1), _Block(64, 64, 1))
        self.layer2 = nn.Sequential(_Block(64, 128, 2), _Block(128, 128, 1))
        self.layer3 = nn.Sequential(_Block(128, 256, 2), _Block(256, 256, 1))
        self.layer4 = nn.Sequential(_Block(256, 512, 2), _Block(512, 512, 1))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(512, classes)

    def forward(self, images):
        images = self.maxpool(functional.relu(self.bn1(self.conv1(images))))
        images = self.layer4(self.layer3(self.layer2(self.layer1(images))))
        return self.fc(self.avgpool(images).flatten(1))
