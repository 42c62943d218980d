"""VGG-16 (Simonyan and Zisserman, ICLR 2015, configuration D) with batch norm and one classifier, as trained on CIFAR-10."""

from torch import nn

__all__ = ["VGG16"]

#: Channels of the convolutions of each stage; a pooling follows a stage.
_STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


class VGG16(nn.Module):
    """For images [n, 3, 32, 32]."""

    def __init__(self, classes=10):
        super().__init__()
        layers, inputs = [], 3
        for stage in _STAGES:
            for outputs in stage:
                layers += [
                    nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
                    nn.BatchNorm2d(outputs),
                    nn.ReLU(inplace=True),
                ]
                inputs = outputs
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(inputs, classes)

    def forward(self, images):
        return self.classifier(self.features(images).flatten(1))
