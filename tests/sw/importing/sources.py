"""Trained networks to import, as far as random numbers are a training, and what they are compared with."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from sw.pixels import pixels_of

#: Of the tests' modules: small, not square, of three channels.
SHAPE = (3, 12, 10)
PIXELS = pixels_of(*SHAPE, mean=(0.4, 0.5, 0.6), std=0.25)
#: Largest difference of float32 sums in another order, as a part of the largest output.
TOLERANCE = 1e-5


def trained(module, seed=0):
    """The module with random parameters and statistics, of which none is 0 or 1."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in (*module.named_parameters(), *module.named_buffers()):
            if name.endswith("running_var") or (tensor.ndim == 1 and name.endswith("weight")):
                tensor.uniform_(0.5, 1.5, generator=generator)
            elif tensor.is_floating_point() and tensor.ndim:
                bound = 1 if tensor.ndim == 1 else (6 / tensor[0].numel()) ** 0.5
                tensor.uniform_(-bound, bound, generator=generator)
    return module.eval()


def images_for(pixels, count=3, seed=1):
    """Random images, uint8."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, *pixels.shape), generator=generator).to(torch.uint8)


def seen(pixels, images):
    """What a source reads of images."""
    offset, gain = (torch.tensor(numbers)[:, None, None] for numbers in (pixels.offset, pixels.gain))
    return (images - offset) * gain


def difference(network, expected, images):
    """Largest difference of a network's output from ``expected``, as a part of the largest."""
    with torch.no_grad():
        result = network(images).numpy()
    expected = np.asarray(expected).reshape(len(images), -1)
    assert result.shape == expected.shape
    assert np.abs(expected).max() > 1e-3, "a network without an output proves nothing"
    return np.abs(result - expected).max() / np.abs(expected).max()


class Calls(nn.Module):
    """A module whose ``forward`` is a function of itself and images."""

    def __init__(self, function, **modules):
        super().__init__()
        self._function = function
        for name, module in modules.items():
            setattr(self, name, module)

    def forward(self, images):
        return self._function(self, images)


class RandomNetwork(nn.Module):
    """A network with joins, concatenations, layers that begin with batch norm, and padding on one side, drawn by ``generator``."""

    def __init__(self, generator, blocks=4):
        super().__init__()
        self.kinds, self.parts = [], nn.ModuleList()
        channels = 8
        self.stem = nn.Conv2d(3, channels, 3, padding=1)
        for _ in range(blocks):
            kind = generator.choice(["plain", "residual", "before", "dense", "down", "depthwise", "shared"])
            outputs = channels
            if kind == "plain":
                outputs = int(generator.choice([4, 8, 12]))
                part = nn.ModuleList([nn.Conv2d(channels, outputs, 1, bias=False), nn.BatchNorm2d(outputs)])
            elif kind == "before":
                part = nn.ModuleList([nn.BatchNorm2d(channels), nn.Conv2d(channels, channels, 3, padding=1)])
            elif kind == "dense":
                outputs = channels + 4
                part = nn.ModuleList([nn.BatchNorm2d(channels), nn.Conv2d(channels, 4, 3, padding=1)])
            elif kind == "down":
                outputs = channels + 4
                part = nn.ModuleList([nn.Conv2d(channels, outputs, 3, stride=2), nn.BatchNorm2d(outputs)])
            else:
                groups = channels if kind == "depthwise" else 1
                part = nn.ModuleList(
                    [nn.Conv2d(channels, channels, 3, padding=1, groups=groups), nn.BatchNorm2d(channels)]
                )
            self.kinds.append(str(kind))
            self.parts.append(part)
            channels = outputs
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        self.classify = nn.LazyLinear(5)
        self(torch.zeros(1, *SHAPE))

    def forward(self, images):
        images = torch.relu(self.stem(images))
        for kind, (first, second) in zip(self.kinds, self.parts, strict=True):
            images = getattr(self, f"_{kind}")(images, first, second)
        return self.classify(self.pool(images).flatten(1))

    def _plain(self, images, first, second):
        return torch.relu(second(first(images)))

    _depthwise = _plain

    def _residual(self, images, first, second):
        return nn.functional.relu6(images + second(first(images)))

    def _before(self, images, first, second):
        return images + second(torch.relu(first(images)))

    def _dense(self, images, first, second):
        return torch.cat((images, second(torch.relu(first(images)))), 1)

    def _shared(self, images, first, second):
        sums = second(first(images))
        return torch.relu(sums) - nn.functional.leaky_relu(sums, 0.1) * 0.5

    def _down(self, images, first, second):
        bottom, right = (1 + extent % 2 for extent in images.shape[2:])
        inner = torch.relu(second(first(nn.functional.pad(images, (0, right, 0, bottom)))))
        fewer = images[:, :, ::2, ::2]
        return inner + nn.functional.pad(fewer, (0, 0, 0, 0, 1, 3))


class RandomGraph(nn.Module):
    """Operations in a random order on random earlier tensors, most of which several others read."""

    def __init__(self, seed, count=14):
        super().__init__()
        self._seed, self._count = seed, count
        kernels = ((1, 1), (3, 1), (3, 8), (3, 2), (1, 4))
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(8, 8, kernel, padding=kernel // 2, groups=groups) for kernel, groups in kernels
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(8) for _ in range(4))
        self.classify = nn.Linear(8, 4)

    def forward(self, images):
        random = np.random.default_rng(self._seed)
        operations = (
            *[lambda x, _: self.convolutions[random.integers(5)](x)] * 3,
            lambda x, _: self.norms[random.integers(4)](x),
            lambda x, _: functional.relu(x),
            lambda x, y: x + y,
            lambda x, y: x - 0.5 * y,
            lambda x, _: functional.max_pool2d(x, 3, 1, 1),
            lambda x, _: functional.relu6(
                functional.max_pool2d(functional.pad(torch.relu(x), (1, 1, 1, 1)), 3, 1)
            ),
            lambda x, y: torch.cat((x[:, :4], y[:, 4:]), 1),
            lambda x, _: functional.silu(x) * 0.5 + 1,
            lambda x, _: x.view(-1, 2, 4, *x.shape[2:]).transpose(1, 2).reshape(x.shape),
            lambda x, _: functional.pad(x[:, 2:6], (0, 0, 0, 0, 2, 2)),
            lambda x, _: functional.relu_(x.clone()),
        )
        tensors = [self.stem(images)]
        for _ in range(self._count):
            first, second = (tensors[random.integers(len(tensors))] for _ in range(2))
            first = first if random.random() < 0.5 else tensors[-1]
            result = operations[random.integers(len(operations))](first, second)
            tensors.append(result / (1 + 0.1 * random.integers(3)))
        return self.classify(torch.relu(tensors[-1] + tensors[-2]).mean((2, 3)))
