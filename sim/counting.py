"""How much work a network really is, and what that says about a number of cycles.

Every claim about speed or size rests on the definitions here.
"""

import math
from dataclasses import dataclass

import numpy as np

from sw.network import AveragePool, Concatenation, Convolution

__all__ = ["Compression", "LayerCount", "compression", "count"]

#: Bits that papers count for a ternary coefficient that is not zero.
_TERNARY_BITS = 2

#: Bits of a weight or bias of the uncompressed network, and of a tap.
_DENSE_BITS, _TAP_BITS = 32, 8


@dataclass(frozen=True, kw_only=True)
class LayerCount:
    """Work of one layer on one configuration. All numbers are sums over the images.

    The pixels of a layer are those that are fed: the whole map, or every second row and column of it for a 1x1
    convolution of stride 2.
    """

    name: str
    images: int
    #: Channel accumulation: non-zero activations met by non-zero coefficients, over all pixels and ``z``.
    adds: int
    #: Intermediate elements (pixel, output channel, basis) that are not zero.
    z_nonzero: int
    #: Multiply-adds of these with the taps of the real kernel that the stride lets them meet: R x S of each at stride 1.
    macs: int
    #: Multiply-adds of the uncompressed layer: ``K * C * R * S`` for each output position.
    dense_macs: int
    #: Chunks read from activation memory: for each ``pes`` output channels those of the input that their groups read (all of
    #: them once where no PE works).
    chunks_fed: int
    #: Words written to activation memory: ``requantisers`` results of a convolution or average each, one for each
    #: chunk of a pooled map.
    outputs_written: int
    #: ``dense_macs / config.multipliers``: the dense ideal, every multiplier busy in every cycle.
    dense_ideal_cycles: float
    #: For each image the greatest of ``adds / config.adders``, ``macs / config.multipliers``, ``z_nonzero / pes`` (a MAC takes one
    #: ``z`` a cycle, or ``config.classes`` at stride 2 and for 1x1 kernels), ``chunks_fed / 1`` and ``outputs_written / 1`` (the
    #: ports of activation memory).
    bound_cycles: float

    @property
    def operations(self):
        """Adds and multiply-adds together."""
        return self.adds + self.macs

    def utilisation(self, cycles):
        """``bound_cycles / cycles``, cycles being those of all the images; 0 for a layer that takes none."""
        return self.bound_cycles / cycles if cycles else 0.0

    def speedup(self, cycles):
        """``dense_ideal_cycles / cycles``, cycles being those of all the images; 0 for a layer that takes none."""
        return self.dense_ideal_cycles / cycles if cycles else 0.0


def count(network, tensors, config):
    """Count the work of every layer.

    Parameters
    ----------
    network : sw.network.IntegerNetwork
    tensors : dict
        All tensors of some images, as ``sim.reference.run`` gives them.
    config : hw.config.Config

    Returns
    -------
    tuple of LayerCount
    """
    shapes = network.tensors()
    counts = []
    for layer in network.layers:
        target, images = shapes[layer.name], len(tensors[layer.name])
        if isinstance(layer, Convolution):
            work = _convolution(layer, tensors[layer.input], target, config)
        elif isinstance(layer, Concatenation):
            work = _memory_only(images, chunks_fed=0, outputs_written=0)
        else:
            work = _pooling(layer, shapes[layer.input], target, config, images)
        counts.append(_total(layer.name, config, **work))
    return tuple(counts)


def _total(name, config, *, adds, z_nonzero, macs, at_once, dense_macs, chunks_fed, outputs_written):
    """Sum over the images; ``adds``, ``z_nonzero`` and ``macs`` hold a number for each, the rest is the same for all."""
    images = len(adds)
    bounds = [
        max(
            int(image_adds) / config.adders,
            int(image_macs) / config.multipliers,
            int(image_z) / (config.pes * at_once),
            chunks_fed,
            outputs_written,
        )
        for image_adds, image_z, image_macs in zip(adds, z_nonzero, macs, strict=True)
    ]
    return LayerCount(
        name=name,
        images=images,
        adds=int(adds.sum()),
        z_nonzero=int(z_nonzero.sum()),
        macs=int(macs.sum()),
        dense_macs=images * dense_macs,
        chunks_fed=images * chunks_fed,
        outputs_written=images * outputs_written,
        dense_ideal_cycles=images * dense_macs / config.multipliers,
        bound_cycles=sum(bounds),
    )


def _convolution(layer, source, target, config):
    outputs, channels, bases = layer.coefficients.shape
    alone = layer.kernel == (1, 1)
    step = layer.stride if alone else 1
    fed = source[:, :, ::step, ::step]
    height, width = fed.shape[2:]
    coefficients = layer.coefficients.astype(np.int64)
    # One row for each z of a pixel. Sums of 8-bit activations are far below 2^53, so doubles are exact.
    rows = coefficients.transpose(0, 2, 1).reshape(outputs * bases, channels).astype(np.float64)
    z_nonzero = np.array(
        [
            np.count_nonzero(rows @ image.reshape(channels, -1).astype(np.float64), axis=0).reshape(
                height, width
            )
            for image in fed
        ]
    )
    met = [
        _taps_met(length, taps, before, 1 if alone else layer.stride)
        for length, taps, before in zip((height, width), layer.kernel, layer.padding, strict=False)
    ]
    meetings = np.count_nonzero(coefficients, axis=(0, 2))
    return {
        "adds": np.count_nonzero(fed, axis=(2, 3)) @ meetings,
        "z_nonzero": z_nonzero.sum(axis=(1, 2)),
        "macs": (z_nonzero * np.outer(*met)).sum(axis=(1, 2)),
        "at_once": config.classes if alone or layer.stride > 1 else 1,
        "dense_macs": layer.dense_weights * target.height * target.width,
        "chunks_fed": _chunks_of_passes(layer, config) * height * width,
        "outputs_written": math.ceil(outputs / config.requantisers) * target.height * target.width,
    }


def _taps_met(length, taps, before, stride):
    """For each row (column) of a map the taps of a kernel's column (row) that it ever meets."""
    places = np.arange(length)[:, None] + before - np.arange(taps)
    return np.count_nonzero(places % stride == 0, axis=1)


def _chunks_of_passes(layer, config):
    """Chunks of a pixel that the groups of each ``pes`` output channels read, summed over these."""
    outputs, channels, _ = layer.coefficients.shape
    total = 0
    for first in range(0, outputs, config.pes):
        last = min(first + config.pes, outputs) - 1
        groups = [channel * layer.groups // outputs for channel in (first, last)]
        size = channels // layer.groups
        total += math.ceil((groups[1] + 1) * size / config.chunk) - groups[0] * size // config.chunk
    return total


def _pooling(layer, source, target, config, images):
    chunks = math.ceil(source.channels / config.chunk)
    averaged = isinstance(layer, AveragePool)
    first = (0, 0) if averaged else layer.padding[:2]
    # Windows may leave out pixels between them and at the ends, and reach beyond the map.
    pixels = math.prod(
        len(
            {start * layer.stride + at - before for start in range(steps) for at in range(window)}
            & set(range(length))
        )
        for length, steps, window, before in zip(
            (source.height, source.width), (target.height, target.width), layer.window, first, strict=True
        )
    )
    words = math.ceil(target.channels / config.requantisers) if averaged else chunks
    return _memory_only(
        images, chunks_fed=pixels * chunks, outputs_written=target.height * target.width * words
    )


def _memory_only(images, *, chunks_fed, outputs_written):
    """Layers that use no PE: their time is that of the memory. A concatenation takes none: its parts are written in place."""
    return {
        "adds": np.zeros(images, np.int64),
        "z_nonzero": np.zeros(images, np.int64),
        "macs": np.zeros(images, np.int64),
        "at_once": 1,
        "dense_macs": 0,
        "chunks_fed": chunks_fed,
        "outputs_written": outputs_written,
    }


@dataclass(frozen=True, kw_only=True)
class Compression:
    """Size of a network before and after."""

    #: 32 bits for every weight and every bias of the uncompressed layers.
    dense_bits: int
    #: What inference needs: masks, signs, bases, scales, biases and program, as the device is loaded with them.
    image_bits: int
    #: 2 bits a non-zero coefficient, 8 bits a tap, a multiplier and a bias an output channel: zeros, masks and
    #: program cost nothing, as papers count.
    zeros_free_bits: int

    @property
    def ratio(self):
        """``dense_bits / image_bits``."""
        return self.dense_bits / self.image_bits

    @property
    def zeros_free_ratio(self):
        """``dense_bits / zeros_free_bits``; never to be compared with ``ratio``."""
        return self.dense_bits / self.zeros_free_bits


def compression(network, program):
    """``Compression`` of a network and the program made of it."""
    config = program.config
    dense = zeros_free = 0
    for layer in network.layers:
        if isinstance(layer, Convolution):
            outputs = len(layer.coefficients)
            dense += 0 if layer.fixed else _DENSE_BITS * (layer.dense_weights + outputs)
            zeros_free += _TERNARY_BITS * int(np.count_nonzero(layer.coefficients))
            zeros_free += _TAP_BITS * layer.bases.size
            zeros_free += outputs * (config.multiplier_bits + config.bias_bits)
    return Compression(dense_bits=dense, image_bits=program.bits, zeros_free_bits=zeros_free)
