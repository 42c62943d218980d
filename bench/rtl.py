"""Layers of the benchmark's networks on the simulated RTL: tensors equal to the reference, cycles to the cycle model.

ResNet-8 and ResNet-20 run whole. Of the large networks sampled layers run as networks of their own: a corner of the map that is
read, the first output channels, four PEs of the same configuration with smaller memories.
"""

import dataclasses
import tempfile
from hashlib import sha256

import numpy as np

from sim import reference
from sim.cycle_model import layer_cycles
from sim.network import accelerator_verilog, simulate
from sim.simulators import BenchFailure
from sw.compiler import compile_network
from sw.network import INPUT, Convolution, IntegerNetwork, TensorInfo

from .workloads import build

__all__ = ["SAMPLES", "check", "sampled_layers"]

#: Layers of the networks that are too large to run whole.
SAMPLES = {
    "vgg16": ("conv1.1", "conv1.2", "conv3.1", "conv4.2", "classify"),
    "resnet18": ("stem", "stage1.0.conv1", "stage2.0.shortcut", "stage2.0.conv1", "stage4.1.conv1"),
    "mobilenetv1": ("stem", "depthwise2", "depthwise6", "pointwise6", "pointwise13"),
}
#: Rows and columns of the corner, and output channels in passes of the configuration.
_CORNER, _PASSES = 8, 2
#: What the configuration that runs sampled layers has less of.
_SMALLER = {
    "pes": 4,
    "requantisers": 4,
    "activation_words": 4096,
    "coefficient_words": 1024,
    "basis_words": 256,
    "scale_words": 64,
}


def check(name, folder=None):
    """What is stored: layers whose tensor and cycles are equal, layers that were run, and the hash of the Verilog."""
    work = build(name)
    if name not in SAMPLES:
        runs = [(work.network, work.images, work.config)]
    else:
        config = work.config.replace(name=f"{work.config.name}, four PEs", **_SMALLER)
        samples = sampled_layers(work, SAMPLES[name], _PASSES * config.pes)
        runs = [(*sample, config) for sample in samples]
    results = [_equal_layers(*run, folder) for run in runs]
    return {
        "rtl_checked_layers": sum(equal for equal, _ in results),
        "rtl_layers": sum(number for _, number in results),
        "rtl_verilog_sha256": sha256(accelerator_verilog(runs[0][2]).encode()).hexdigest(),
    }


def _equal_layers(network, images, config, folder):
    """Layers whose cycles are those of the model, and all layers; a tensor that differs is a failure."""
    program, tensors = compile_network(network, config), reference.run(network, images)
    expected = layer_cycles(program, tensors)[0]
    with tempfile.TemporaryDirectory() as spare:
        run = simulate(
            program, network, images, config=config, work_dir=folder or spare, waves_on_mismatch=False
        )
    if not run.passed:
        raise BenchFailure(f"{network.name}: RTL and reference differ: {run.mismatches[0]}")
    return int((run.layer_cycles[0] == expected).sum()), len(network.layers)


def sampled_layers(work, names, outputs):
    """A network of one layer for each name, of at most so many output channels, and its input."""
    layers = {layer.name: layer for layer in work.network.layers}
    for name in names:
        yield _cut(work, layers[name], outputs)


def _cut(work, layer, outputs):
    source = work.tensors[layer.input][:, :, : _CORNER * layer.stride, : _CORNER * layer.stride]
    outputs = min(len(layer.coefficients), outputs)
    changes = {"input": INPUT, "residual": None, "residual_multiplier": 0}
    if outputs < len(layer.coefficients):
        if layer.groups > 1:
            source = source[:, :outputs]
            changes["groups"] = outputs
        channels = source.shape[1]
        changes |= {
            "coefficients": np.ascontiguousarray(layer.coefficients[:outputs, :channels]),
            "bases": layer.bases[:outputs] if layer.own_bases else layer.bases,
            "multiplier": layer.multiplier[:outputs],
            "bias": layer.bias[:outputs],
        }
    _, channels, height, width = source.shape
    info = TensorInfo(channels=channels, height=height, width=width, signed=bool(source.min() < 0))
    cut = dataclasses.replace(layer, **changes)
    assert isinstance(cut, Convolution)
    network = IntegerNetwork(name=f"{work.name} {layer.name}", input=info, input_scale=1.0, layers=(cut,))
    return network, source
