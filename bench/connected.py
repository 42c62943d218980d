"""Fully connected layers with few weights, of few values, on the accelerator: what pruning and weight sharing are worth there.

Source of the job: S. Han et al., "EIE: Efficient Inference Engine on Compressed Deep Neural Network", ISCA 2016. Cycles are those of the exact cycle model, for a
map of one pixel. LeNet-300-100 is the one that ``lenet-300-100`` of ``bench.methods`` compresses; the other layers have random weights
of which the least are zero, and random inputs, at the shares that the paper gives for its layers.
"""

import copy
import dataclasses
import datetime
import functools
import math

import numpy as np
import torch

from sim.cycle_model import layer_cycles
from sim.reference import run
from sw.compiler import compile_network
from sw.compression.deep.shared import SharedConvolution
from sw.compression.exact import integer_accuracy
from sw.compression.grids import calibrate
from sw.compression.integer_weights import integer_weights
from sw.compression.quantisation import integer_network, quantised_network
from sw.compression.requantisation import IntegerLimits
from sw.compression.run import calibration_images
from sw.layers import ConvolutionLayer
from sw.model import DenseConvolution, Network
from sw.network import INPUT, Convolution, IntegerNetwork, TensorInfo

from .workloads import BOARD, LARGE

__all__ = [
    "CONFIGS",
    "FORMS",
    "LAYERS",
    "NAME",
    "NETWORK",
    "as_planes",
    "as_vector",
    "image_cycles",
    "measure_layers",
    "random_inputs",
    "run_connected",
    "shared_layer",
]

NAME, NETWORK = "sparse-connected", "lenet-300-100"

_MEMORIES = {"channels": 1024, "coefficient_words": 32768, "bases": 32, "z_bits": 19, "accumulator_bits": 27}
#: The PEs of the ULX3S and of the large networks, with memories for these layers.
CONFIGS = {
    "ulx3s-85f": BOARD.replace(ring=128, scale_words=512, **_MEMORIES),
    "large": LARGE.replace(**_MEMORIES),
}
#: Outputs, inputs, share of weights that are not zero, and of inputs: VGG16's for CIFAR-10, which is small enough to keep its size, and a sixteenth of
#: AlexNet's and VGG16's second ones for ImageNet, at the shares of the paper.
LAYERS = {
    "vgg16-cifar fc": (512, 512, 0.10, 0.35),
    "alexnet fc7, 1/16": (1024, 1024, 0.09, 0.353),
    "vgg16 fc7, 1/16": (1024, 1024, 0.04, 0.375),
}
#: Of a code of the random layers, as the paper of Deep Compression has it for fully connected ones.
BITS = 5
#: Test images that cycles are counted for.
_IMAGES = 16


def run_connected(shared, dataset, layers=None):
    """What is stored: cycles of all layers, and accuracies of LeNet-300-100.

    Parameters
    ----------
    shared : sw.model.Network
        LeNet-300-100 of ``SharedConvolution``.
    dataset : sw.data.Dataset
        The digits.
    layers : dict or None
        Instead of ``LAYERS``.
    """
    network, dataset = as_vector(shared), vectors(dataset)
    grids = calibrate(network, calibration_images(dataset, 500))
    integers = integer_network(
        quantised_network(network, grids, IntegerLimits.of(*CONFIGS.values())), NETWORK
    )
    tensors = run(integers, integers.pixels.integers(dataset.test_images[:_IMAGES]))
    rows = []
    for layer in integers.layers:
        rows += measure_layers(f"{NETWORK} {layer.name}", layer, tensors[layer.input])
    for name, (outputs, inputs, density, active) in (LAYERS if layers is None else layers).items():
        images = random_inputs(inputs, density, active)
        rows += measure_layers(name, shared_layer(outputs, inputs, density), images)
    return {
        "name": NAME,
        "network": NETWORK,
        "method": "deep-compression",
        "accuracy_float": float((_classes(shared, dataset) == dataset.test_labels).mean()),
        "accuracy_integer": integer_accuracy(integers, dataset.test_images, dataset.test_labels),
        "bits": BITS,
        "rows": rows,
        "command": f"python -m bench.methods --only {NAME}",
        "date": datetime.date.today().isoformat(),
    }


def as_vector(network):
    """A network of fully connected layers that reads its pixels as channels of a map of one pixel."""
    channels = math.prod(network.pixels.shape)
    (offset,), (gain,) = set(network.pixels.offset), set(network.pixels.gain)
    pixels = dataclasses.replace(
        network.pixels,
        channels=channels,
        height=1,
        width=1,
        offset=(offset,) * channels,
        gain=(gain,) * channels,
    )
    layers, units = [], {}
    for layer, unit in network.units():
        inputs = layer.inputs * math.prod(layer.kernel)
        unit = copy.deepcopy(unit)
        unit.layer = dataclasses.replace(layer, inputs=inputs, kernel=(1, 1))
        unit.codes = unit.codes.reshape(layer.outputs, inputs, 1, 1)
        layers.append(unit.layer)
        units[layer.name] = unit
    return Network(pixels, tuple(layers), units)


def vectors(dataset):
    """A data set whose pixels are channels."""
    return dataclasses.replace(
        dataset,
        **{
            part: getattr(dataset, part).reshape(len(getattr(dataset, part)), -1, 1, 1)
            for part in ("train_images", "test_images")
        },
    )


@torch.no_grad()
def _classes(shared, dataset):
    images = torch.from_numpy(dataset.test_images.reshape(-1, *shared.pixels.shape))
    return shared.eval()(images).argmax(1).numpy()


@functools.cache
def shared_layer(outputs, inputs, density, bits=BITS, seed=1):
    """A layer of normally distributed weights of which only the greatest are not zero, and share ``2**bits - 1`` values."""
    layer = ConvolutionLayer(
        name="layer", input=INPUT, inputs=inputs, outputs=outputs, kernel=(1, 1), batch_norm=False
    )
    weight = torch.randn(layer.weight_shape, generator=torch.Generator().manual_seed(seed))
    magnitudes = weight.abs().flatten()
    least = magnitudes.kthvalue(max(1, round((1 - density) * magnitudes.numel()))).values
    weight = torch.where(weight.abs() > least, weight, 0.0) if density < 1 else weight
    unit = SharedConvolution.of(DenseConvolution(layer, weight), bits=bits, gap_bits=5)
    coefficients, bases = integer_weights(unit).integers()
    return Convolution(
        name=layer.name,
        input=INPUT,
        coefficients=coefficients,
        bases=bases,
        stride=1,
        padding=(0, 0, 0, 0),
        multiplier=np.ones(outputs, np.int64),
        bias=np.zeros(outputs, np.int64),
        shift=12,
        low=0,
        high=255,
    )


def as_planes(layer):
    """The same integers as sums of ternary planes, worth 1, 3, 9, 27 and 81, and one worth 6 for those beyond 121."""
    values = np.tensordot(layer.coefficients.astype(np.int64), layer.bases[:, 0, 0].astype(np.int64), axes=1)
    beyond = np.sign(values) * (np.abs(values) > 121)
    planes, rest = [beyond], values - 6 * beyond
    for _ in range(5):
        planes.append((rest + 1) % 3 - 1)
        rest = (rest - planes[-1]) // 3
    used = [place for place, plane in enumerate(planes) if plane.any()] or [0]
    return dataclasses.replace(
        layer,
        coefficients=np.stack([planes[place] for place in used], 2).astype(np.int8),
        bases=np.array([6, 1, 3, 9, 27, 81], np.int8)[used][:, None, None],
    )


#: How the weights are written, by name: a function of a layer whose bases are the values of the codebook.
FORMS = {"values": lambda layer: layer, "planes": as_planes}


def random_inputs(inputs, density, active):
    """An image that a random layer reads, int64 [1, C, 1, 1] from 0 to 255, of which the share ``active`` is not zero."""
    random = np.random.default_rng(inputs + round(1000 * density))
    return random.integers(1, 256, (1, inputs, 1, 1)) * (random.random((1, inputs, 1, 1)) < active)


def measure_layers(name, layer, images):
    """Rows of what is stored for one layer, by configuration and form.

    Parameters
    ----------
    images : int64 array [n, C, 1, 1]
        What it reads.
    """
    outputs, inputs, _ = layer.coefficients.shape
    nonzero = int(np.count_nonzero(layer.coefficients))
    active = float(np.count_nonzero(images) / images.size)
    whole = shared_layer(outputs, inputs, 1.0)
    rows = []
    for config_name, config in CONFIGS.items():
        for form, change in FORMS.items():
            rows.append(
                {
                    "layer": name,
                    "outputs": outputs,
                    "inputs": inputs,
                    "weights": nonzero / (outputs * inputs),
                    "activations": active,
                    "config": config_name,
                    "multipliers": config.multipliers,
                    "form": form,
                    "bases": change(layer).coefficients.shape[2],
                    "cycles": image_cycles(change(layer), images, config),
                    "cycles_without_zeros": image_cycles(change(whole), images, config),
                    "dense_ideal": outputs * inputs / config.multipliers,
                    "skipping_ideal": nonzero * active / config.multipliers,
                    "chunks_fed": math.ceil(outputs / config.pes) * math.ceil(inputs / config.chunk),
                }
            )
    return rows


def image_cycles(layer, images, config):
    """Cycles of an image, in the mean."""
    layer = dataclasses.replace(layer, input=INPUT)
    info = TensorInfo(channels=images.shape[1], height=1, width=1, signed=bool(images.min() < 0))
    network = IntegerNetwork(name=layer.name, input=info, input_scale=1.0, layers=(layer,))
    (cycles,) = layer_cycles(compile_network(network, config), run(network, images)).mean(0)
    return float(cycles)
