"""MobileNetV1 (Howard et al., "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications", 2017)."""

from torch import nn

__all__ = ["MobileNetV1"]

#: Output channels and stride of each pair of a depthwise and a 1x1 convolution.
_PAIRS = (
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    *((512, 1),) * 5,
    (1024, 2),
    (1024, 1),
)


def _layer(inputs, outputs, kernel, stride, groups=1):
    convolution = nn.Conv2d(
        inputs, outputs, kernel, stride=stride, padding=kernel // 2, groups=groups, bias=False
    )
    return (convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


class MobileNetV1(nn.Module):
    """For images [n, 3, size, size]; below 64 the first and the second stride are left out, as for CIFAR."""

    def __init__(self, classes=None, size=224):
        super().__init__()
        small = size < 64
        layers, inputs, strides = [*_layer(3, 32, 3, 1 if small else 2)], 32, 0
        for outputs, stride in _PAIRS:
            strides += stride == 2
            stride = 1 if small and strides == 1 else stride
            layers += [*_layer(inputs, inputs, 3, stride, inputs), *_layer(inputs, outputs, 1, 1)]
            inputs = outputs
        self.features = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(inputs, classes or (10 if small else 1000))

    def forward(self, images):
        return self.classifier(self.pool(self.features(images)).flatten(1))
