"""The networks that the performance benchmark runs, the configuration of each, and their layers as other accelerators see them.

Structures are stated, not trained: ``STRUCTURES`` gives for every network the share of zero coefficients, and how many bases an
output channel uses. For VGG16 the PENNI authors' notebook reports 98.3 % zeros at 0.4 % loss; ResNet-20 with 5 bases of which each output
channel keeps 2 was retrained to 84 % zeros (82.5 % top-1 of 88.0 %), not to the 90 % taken here; the others are assumptions. First layers and depthwise layers are dense, 8 bits, with bases of their own.
"""

import dataclasses
from dataclasses import dataclass, field

import numpy as np

from hw.config import Config
from sim.baselines import DenseLayer
from sw.network import INPUT, Convolution

from .random_network import NetworkBuilder, Structure, smooth_image
from .stem import stem_planes, stem_taps

__all__ = ["BOARD", "LARGE", "STRUCTURES", "WORKLOADS", "Workload", "build"]

STRUCTURES = {
    "resnet8": Structure(zeros=0.80, bases=5, kept=2, planes=2),
    "resnet20": Structure(zeros=0.90, bases=5, kept=2, planes=2),
    "vgg16": Structure(zeros=0.98, bases=6, kept=2, planes=2),
    "resnet18": Structure(zeros=0.85, bases=6, kept=2, planes=2),
    "mobilenetv1": Structure(zeros=0.75, bases=6, kept=3, planes=2),
}

#: Zeros of the small fully connected layers of the CIFAR-10 networks, and their ternary planes.
_CLASSIFIER = Structure(zeros=0.5, bases=1, kept=1, planes=4)

#: The 16 PEs of the ULX3S.
BOARD = Config.preset("ulx3s-85f")

#: For the large networks: chunks of 64 in one adder tree, four rows a PE, and memories that hold everything. 16 lanes instead of the tree are a
#: quarter of the adders for 7 % more cycles of VGG16 (``python -m bench --choices``).
LARGE = Config(
    name="simulation",
    chunk=64,
    accumulation="tree",
    lanes=64,
    lookahead=0,
    rows=4,
    pes=32,
    requantisers=32,
    bases=32,
    line=256,
    channels=1024,
    ring=32,
    activation_words=65536,
    coefficient_words=32768,
    basis_words=8192,
    scale_words=1024,
    pool_columns=64,
    layers=64,
    z_bits=18,
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Workload:
    """One network with an image, all its tensors, and the configuration that runs it."""

    name: str
    network: object
    #: ``{name: int64 array [1, C, H, W]}``.
    tensors: dict
    structure: Structure
    config: Config
    #: What a layer was before it was rewritten for the accelerator: a ``DenseLayer`` of weights 1, or ``None`` for a layer that
    #: the original network does not have.
    originals: dict = field(default_factory=dict)

    @property
    def images(self):
        """The image as the network takes it, [1, C, H, W]."""
        return self.tensors[INPUT]

    @property
    def sparsity(self):
        """Share of zeros of all ternary coefficients; layers that stay dense do not count."""
        compressed = [layer for layer in self._convolutions() if layer.name in self.compressed_layers()]
        nonzero = sum(int(np.count_nonzero(layer.coefficients)) for layer in compressed)
        return 1 - nonzero / sum(layer.coefficients.size for layer in compressed)

    @property
    def activation_zeros(self):
        """Share of zeros of all tensors that convolutions read."""
        read = [self.tensors[layer.input] for layer in self._convolutions()]
        return 1 - sum(np.count_nonzero(tensor) for tensor in read) / sum(tensor.size for tensor in read)

    def compressed_layers(self):
        """Names of the layers that are sums of shared bases, in their order."""
        return [layer.name for layer in self._convolutions() if not layer.own_bases]

    def _convolutions(self):
        return [
            layer
            for layer in self.network.layers
            if isinstance(layer, Convolution) and self.originals.get(layer.name, layer) is not None
        ]

    def dense_layers(self):
        """``{name: DenseLayer}`` of all layers that other accelerators compute.

        The same activations; weights pruned without structure, with the same share of zeros as the layer has among its
        coefficients, in places that are as random as those of ours. Layers that stay dense have no zeros.
        """
        random = np.random.default_rng(1)
        found = {}
        for layer in self._convolutions():
            original = self.originals.get(layer.name)
            if original is None:
                outputs, channels, _ = layer.coefficients.shape
                original = DenseLayer(
                    activations=self.tensors[layer.input][0],
                    weights=np.ones((outputs, channels // layer.groups, *layer.kernel), np.int8),
                    stride=layer.stride,
                    padding=layer.padding,
                    groups=layer.groups,
                )
            if not layer.own_bases:
                zeros = 1 - np.count_nonzero(layer.coefficients) / layer.coefficients.size
                original = dataclasses.replace(original, weights=_prune(random, original.weights, zeros))
            found[layer.name] = original
        return found


def _prune(random, weights, zeros):
    flat = np.ones(weights.size, np.int8)
    flat[random.permutation(weights.size)[: round(weights.size * zeros)]] = 0
    return flat.reshape(weights.shape)


def _builder(name, channels, size, accumulator_bits, image=None):
    seed = sum(map(ord, name))
    if image is None:
        image = smooth_image(np.random.default_rng(seed), channels, size, size)
    return NetworkBuilder(
        name=name, image=image, structure=STRUCTURES[name], accumulator_bits=accumulator_bits, seed=seed
    )


def _resnet8():
    """MLPerf Tiny image classification: as TensorFlow, "same" padding puts what is odd after the map."""
    made, after = _builder("resnet8", 3, 32, 20), (0, 0, 1, 1)
    made.dense("stem", INPUT, 16)
    made.shared("stack1.conv1", "stem", 16)
    made.shared("stack1.conv2", "stack1.conv1", 16, residual="stem")
    name = "stack1.conv2"
    for stack, channels in ((2, 32), (3, 64)):
        prefix = f"stack{stack}."
        made.shared(f"{prefix}shortcut", name, channels, kernel=1, stride=2, relu=False)
        made.shared(f"{prefix}conv1", name, channels, stride=2, padding=after)
        name = f"{prefix}conv2"
        made.shared(name, f"{prefix}conv1", channels, residual=f"{prefix}shortcut")
    made.global_average("average", name)
    made.shared("classify", "average", 10, kernel=1, relu=False, structure=_CLASSIFIER)
    return made, {}


def _resnet20():
    made = _builder("resnet20", 3, 32, 20)
    made.dense("stem", INPUT, 16)
    name, originals = "stem", {}
    for stage, channels in ((1, 16), (2, 32), (3, 64)):
        for block in range(3):
            prefix, shortcut = f"stage{stage}.{block}.", name
            stride = 2 if stage > 1 and block == 0 else 1
            if stride == 2:
                shortcut = f"{prefix}shortcut"
                made.shortcut(shortcut, name, channels)
                originals[shortcut] = None
            made.shared(f"{prefix}conv1", name, channels, stride=stride)
            name = f"{prefix}conv2"
            made.shared(name, f"{prefix}conv1", channels, residual=shortcut)
    made.global_average("average", name)
    made.shared("classify", "average", 10, kernel=1, relu=False, structure=_CLASSIFIER)
    return made, originals


def _vgg16():
    """The CIFAR-10 form: 13 convolutions and one fully connected layer."""
    made = _builder("vgg16", 3, 32, 24)
    name = INPUT
    stages = ((64, 64), (128, 128), (256,) * 3, (512,) * 3, (512,) * 3)
    for stage, widths in enumerate(stages, 1):
        for number, channels in enumerate(widths, 1):
            layer = f"conv{stage}.{number}"
            if name == INPUT:
                made.dense(layer, name, channels)
            else:
                made.shared(layer, name, channels)
            name = layer
        made.max_pool(f"pool{stage}", name, 2, 2)
        name = f"pool{stage}"
    made.shared("classify", name, 10, kernel=1, relu=False, structure=_CLASSIFIER)
    return made, {}


def _resnet18():
    """ImageNet shapes; the stem is rewritten as ``bench.stem`` says."""
    image = smooth_image(np.random.default_rng(18), 3, 224, 224)
    made = _builder("resnet18", 3, 224, 24, image=stem_planes(image))
    weights = np.random.default_rng(7).standard_normal((64, 3, 7, 7))
    made.dense("stem", INPUT, 64, stride=2, padding=(0, 0, 0, 0), taps=stem_taps(weights))
    originals = {
        "stem": DenseLayer(
            activations=image, weights=np.ones((64, 3, 7, 7), np.int8), stride=2, padding=(3, 3, 3, 3)
        )
    }
    made.max_pool("pool", "stem", 3, 2, padding=(1, 1, 1, 1))
    name = "pool"
    for stage, channels in enumerate((64, 128, 256, 512), 1):
        for block in range(2):
            prefix, shortcut = f"stage{stage}.{block}.", name
            stride = 2 if stage > 1 and block == 0 else 1
            if stride == 2:
                shortcut = f"{prefix}shortcut"
                made.shared(shortcut, name, channels, kernel=1, stride=2, relu=False)
            made.shared(f"{prefix}conv1", name, channels, stride=stride)
            name = f"{prefix}conv2"
            made.shared(name, f"{prefix}conv1", channels, residual=shortcut)
    made.global_average("average", name)
    made.shared("classify", "average", 1000, kernel=1, relu=False)
    return made, originals


def _mobilenetv1():
    """ImageNet shapes, width 1."""
    made, after = _builder("mobilenetv1", 3, 224, 24), (0, 0, 1, 1)
    made.dense("stem", INPUT, 32, stride=2, padding=after)
    name = "stem"
    widths = (64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)
    for number, channels in enumerate(widths, 1):
        stride = 2 if number in (2, 4, 6, 12) else 1
        made.depthwise(f"depthwise{number}", name, stride=stride, padding=after if stride == 2 else None)
        name = f"pointwise{number}"
        made.shared(name, f"depthwise{number}", channels, kernel=1)
    made.global_average("average", name)
    made.shared("classify", "average", 1000, kernel=1, relu=False)
    return made, {}


#: Name: how to build the network, and its configuration.
WORKLOADS = {
    "resnet8": (_resnet8, BOARD),
    "resnet20": (_resnet20, BOARD),
    "vgg16": (_vgg16, LARGE),
    "resnet18": (_resnet18, LARGE),
    "mobilenetv1": (_mobilenetv1, LARGE),
}


def build(name, config=None):
    """A ``Workload``, the same to the bit each time, for its own configuration or another one."""
    make, usual = WORKLOADS[name]
    made, originals = make()
    return Workload(
        name=name,
        network=made.network(),
        tensors=made.tensors,
        structure=STRUCTURES[name],
        config=config or usual,
        originals=originals,
    )
