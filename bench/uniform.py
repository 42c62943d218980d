"""The honest alternative: the same network with weights of few bits, uniformly quantised by Brevitas, every one of them used.

Weights have a scale for each output channel, activations 8 bits and a scale for each layer, all trained; the first and the last layer keep 8-bit weights. It
is trained as our own networks are: same teacher, same epochs, same pictures.
"""

import brevitas.nn as quantised
import torch
from brevitas.quant import Int8ActPerTensorFloat, Int8WeightPerChannelFloat, Uint8ActPerTensorFloat

from sw.layers import ConvolutionLayer
from sw.model import ConvolutionUnit, DenseConvolution
from sw.network import INPUT

__all__ = ["UniformConvolution", "uniform_bits", "uniform_cycles", "uniform_network"]

_ENDS = 8
#: Batches whose statistics the scales of activations begin with.
_BATCHES = 10
#: Bits of a multiplier's inputs: products of fewer bits share one, which flatters the alternative.
_MULTIPLIER_BITS = 8
#: Bits of a multiplier and a bias of an output channel, as in preset ulx3s-85f.
_SCALE_BITS = 12 + 32


class UniformConvolution(ConvolutionUnit):
    """A convolution with weights of ``bits`` bits and an 8-bit output.

    Parameters
    ----------
    unit : DenseConvolution
        Whose weights it starts from; it stays as it is.
    bits : int
    """

    def __init__(self, unit, bits):
        super().__init__(unit.layer, _copy(unit.normalise))
        layer = unit.layer
        self.bits = bits
        self.convolution = quantised.QuantConv2d(
            layer.inputs,
            layer.outputs,
            layer.kernel,
            groups=layer.groups,
            bias=False,
            weight_quant=Int8WeightPerChannelFloat,
            weight_bit_width=bits,
        )
        self.convolution.weight.data.copy_(unit.weight.detach())
        quantiser = Int8ActPerTensorFloat if layer.activation.low < 0 else Uint8ActPerTensorFloat
        self.output = quantised.QuantIdentity(act_quant=quantiser, collect_stats_steps=_BATCHES)

    def kernel(self):
        return self.convolution.quant_weight().value

    def forward(self, images, residual=None):
        return self.output(super().forward(images, residual))


def _copy(normalise):
    made = type(normalise)(len(next(normalise.parameters())))
    made.load_state_dict(normalise.state_dict())
    return made


def uniform_network(network, bits, images):
    """``network`` with every convolution uniform, of ``bits`` bits, the first and the last of 8.

    Parameters
    ----------
    network : sw.model.Network
    bits : int
    images : Tensor
        Pixels [n, C, H, W], at least 10, that the scales of activations begin with; training goes on from there.
    """
    convolutions = [
        layer for layer in network.layers if isinstance(layer, ConvolutionLayer) and not layer.fixed
    ]
    ends = [layer.name for layer in convolutions if layer.input == INPUT] + [convolutions[-1].name]
    units = {
        layer.name: UniformConvolution(unit, _ENDS if layer.name in ends else bits)
        for layer, unit in network.units()
        if isinstance(unit, DenseConvolution) and not layer.fixed
    }
    made = network.replaced(units).eval()
    for unit in units.values():
        unit.output.train()
    with torch.no_grad():
        for part in images.tensor_split(_BATCHES):
            made(part)
        # Scales become parameters in the first step after their statistics: no checkpoint lies between.
        made(images[:1])
    return made.eval()


def _units(network):
    return [(layer, unit) for layer, unit in network.units() if isinstance(unit, UniformConvolution)]


def uniform_bits(network):
    """Bits of all weights, multipliers and biases."""
    return sum(
        layer.dense_parameters * unit.bits + layer.outputs * _SCALE_BITS for layer, unit in _units(network)
    )


def uniform_cycles(network, multipliers):
    """Cycles of a dense ideal accelerator whose 8-bit multipliers make ``8 // bits`` products each cycle."""
    cycles = 0.0
    for layer, unit in _units(network):
        _, height, width = network.shapes[layer.name]
        products = layer.dense_parameters * height * width
        cycles += products / (multipliers * (_MULTIPLIER_BITS // unit.bits))
    return cycles
