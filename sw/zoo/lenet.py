"""The two networks for MNIST that pruning is measured on (LeCun et al., "Gradient-based learning applied to document recognition",
1998, with ReLU and the channels of Caffe's LeNet-5)."""

from torch import nn
from torch.nn import functional

__all__ = ["LeNet5", "LeNet300"]


class LeNet300(nn.Module):
    """LeNet-300-100: three fully connected layers for images [n, 1, 28, 28]."""

    def __init__(self, classes=10):
        super().__init__()
        self.hidden1 = nn.Linear(28 * 28, 300)
        self.hidden2 = nn.Linear(300, 100)
        self.classify = nn.Linear(100, classes)

    def forward(self, images):
        images = functional.relu(self.hidden1(images.flatten(1)))
        return self.classify(functional.relu(self.hidden2(images)))


class LeNet5(nn.Module):
    """Two convolutions and two fully connected layers for images [n, 1, 28, 28]."""

    def __init__(self, classes=10):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 20, 5)
        self.conv2 = nn.Conv2d(20, 50, 5)
        self.hidden = nn.Linear(50 * 4 * 4, 500)
        self.classify = nn.Linear(500, classes)

    def forward(self, images):
        images = functional.max_pool2d(functional.relu(self.conv1(images)), 2)
        images = functional.max_pool2d(functional.relu(self.conv2(images)), 2)
        return self.classify(functional.relu(self.hidden(images.flatten(1))))
