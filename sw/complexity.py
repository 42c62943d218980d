"""Complexity of a network, layer by layer: computation, parameters, bits, memory traffic, before and after compression.

Nothing here depends on images: every activation counts as if it were not zero. What zeros in activations save is in
``sim.counting``.
"""

import math
from dataclasses import dataclass

import numpy as np

from .image_bits import layer_bits
from .layers import ConvolutionLayer, layer_inputs, tensor_shapes
from .network import Concatenation, Convolution, MaxPool, inputs_of
from .work import FLOAT32, INTEGERS, Geometry, Stored, Work, operations, penni_operations, storage

__all__ = [
    "LayerComplexity",
    "integer_complexity",
    "layer_complexity",
    "network_complexity",
    "stored_numbers",
    "total",
]


@dataclass(frozen=True, kw_only=True)
class LayerComplexity:
    """One layer before and after compression."""

    name: str
    #: ``convolution``, ``1x1``, ``grouped``, ``depthwise``, ``fully connected``, ``fixed``, ``maximum``, ``average``,
    #: ``concatenation``.
    kind: str
    #: C, H and W of the output.
    shape: tuple[int, int, int]
    dense: Work
    #: ``None`` where only the layer's description is known.
    compressed: Work | None
    #: Weights or coefficients, and those that are not zero.
    coefficients: int = 0
    nonzero: int = 0
    #: Operations as the authors of PENNI count them: basis kernels first, for every input channel; a multiply-add for each
    #: coefficient that is not zero; multiplications and additions of fully connected layers apart, their bias too; 1x1
    #: convolutions at output positions, where their program counts rows of the input. ``None`` without weights.
    penni_operations: int | None = None

    @property
    def sparsity(self):
        """Share of zeros among the coefficients; 0 where there are none."""
        return 1 - self.nonzero / self.coefficients if self.coefficients else 0.0


def layer_complexity(pixels, layers, widths=FLOAT32):
    """``LayerComplexity`` of layers that have no weights yet: only ``dense`` is known.

    Parameters
    ----------
    pixels : sw.pixels.Pixels
    layers : tuple
        As in ``sw.layers``.
    widths : Widths
        Of the dense network.
    """
    return _complexity(pixels, layers, lambda layer: None, widths, widths)


def network_complexity(network, widths=FLOAT32, dense_widths=FLOAT32):
    """``LayerComplexity`` of every layer of a ``sw.model.Network`` with the weights it has now."""
    units = {layer.name: unit for layer, unit in network.units()}
    return _complexity(
        network.pixels, network.layers, lambda layer: stored_numbers(units[layer.name]), widths, dense_widths
    )


def stored_numbers(unit):
    """Numbers of a unit of a ``sw.model.Network``, as ``Stored``."""
    if not hasattr(unit, "combination"):
        # A selection is not stored.
        kernel = unit.kernel().detach() if not unit.layer.fixed else unit.kernel()[:0]
        return Stored(coefficients=kernel.numel(), nonzero=int(kernel.count_nonzero()), scales=len(kernel))
    coefficients = unit.combination().detach()
    return Stored(
        coefficients=coefficients.numel(),
        nonzero=int(coefficients.count_nonzero()),
        scales=len(coefficients),
        pairs=int((coefficients != 0).any(1).sum()),
        taps=unit.bases.numel(),
        shared=len(unit.bases) if unit.layer.kernel != (1, 1) else None,
    )


def _complexity(pixels, layers, stored_of, widths, dense_widths):
    shapes = tensor_shapes(pixels, layers)
    found = []
    for layer in layers:
        sources = [shapes[name] for name in layer_inputs(layer)]
        if not isinstance(layer, ConvolutionLayer):
            found.append(_without_weights(layer, sources, shapes[layer.name], widths, dense_widths))
            continue
        geometry = Geometry(
            source=sources[0],
            target=shapes[layer.name],
            kernel=layer.kernel,
            stride=layer.stride,
            groups=layer.groups,
            fixed=layer.fixed,
        )
        found.append(_with_weights(layer, geometry, sources, stored_of(layer), widths, dense_widths))
    return tuple(found)


def integer_complexity(network, program=None, widths=INTEGERS, dense_widths=FLOAT32):
    """``LayerComplexity`` of every layer of a ``sw.network.IntegerNetwork``.

    Parameters
    ----------
    network : IntegerNetwork
    program : sw.program.Program or None
        The network compiled: ``bits`` are then those of the image, to the last one.
    widths, dense_widths : Widths
        After and before compression.
    """
    shapes = {name: info.shape for name, info in network.tensors().items()}
    bits = {} if program is None else layer_bits(program)
    found = []
    for layer in network.layers:
        sources = [shapes[name] for name in inputs_of(layer)]
        of_image = sum(bits[layer.name].values()) if bits else None
        if not isinstance(layer, Convolution):
            found.append(
                _without_weights(layer, sources, shapes[layer.name], widths, dense_widths, of_image or 0)
            )
            continue
        geometry = Geometry(
            source=sources[0],
            target=shapes[layer.name],
            kernel=tuple(layer.kernel),
            stride=layer.stride,
            groups=layer.groups,
            fixed=layer.fixed,
        )
        stored = _of_integers(layer)
        found.append(_with_weights(layer, geometry, sources, stored, widths, dense_widths, of_image))
    return tuple(found)


def _of_integers(layer):
    coefficients = layer.coefficients
    outputs, channels, bases = coefficients.shape
    return Stored(
        coefficients=outputs * (channels // layer.groups) * bases,
        nonzero=int(np.count_nonzero(coefficients)),
        scales=outputs,
        pairs=int(np.count_nonzero(coefficients.any(axis=1))),
        taps=layer.bases.size,
        own=(layer.bases.size, int(np.count_nonzero(layer.bases))) if layer.own_bases else None,
        shared=None if layer.own_bases or tuple(layer.kernel) == (1, 1) else bases,
    )


def total(layers, which="compressed"):
    """``Work`` of all ``layers``: ``dense`` or ``compressed``."""
    return sum((getattr(layer, which) for layer in layers), start=Work())


def _map_bytes(layer, sources, target, widths):
    # Parts of a concatenation are written where they lie in it.
    if isinstance(layer, Concatenation):
        return 0
    return sum(map(math.prod, [*sources, target])) * widths.maps // 8


def _without_weights(layer, sources, target, widths, dense_widths, bits=0):
    kinds = {Concatenation: "concatenation", MaxPool: "maximum"}
    return LayerComplexity(
        name=layer.name,
        kind=kinds.get(type(layer), "average"),
        shape=target,
        dense=Work(map_bytes=_map_bytes(layer, sources, target, dense_widths)),
        compressed=Work(map_bytes=_map_bytes(layer, sources, target, widths), bits=bits),
        penni_operations=0,
    )


def _with_weights(layer, geometry, sources, stored, widths, dense_widths, bits=None):
    parameters = 0 if geometry.fixed else geometry.weights + geometry.target[0]
    dense = Work(
        multiply_adds=geometry.weights * geometry.places,
        parameters=parameters,
        bits=parameters * dense_widths.tap,
        bits_zeros_free=parameters * dense_widths.tap,
        map_bytes=_map_bytes(layer, sources, geometry.target, dense_widths),
    )
    row = {"name": layer.name, "kind": geometry.kind, "shape": geometry.target, "dense": dense}
    if stored is None:
        return LayerComplexity(**row, compressed=None)
    coefficients, nonzero = stored.own or (stored.coefficients, stored.nonzero)
    if geometry.fixed:
        coefficients = nonzero = 0
    compressed = Work(
        **operations(geometry, stored),
        **storage(stored, widths, bits),
        map_bytes=_map_bytes(layer, sources, geometry.target, widths),
    )
    return LayerComplexity(
        **row,
        compressed=compressed,
        coefficients=coefficients,
        nonzero=nonzero,
        penni_operations=penni_operations(geometry, stored),
    )
