"""Convolutions while they are being put together from a convolution and what follows it."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from ..layers import IDENTITY, Activation, ConvolutionLayer
from ..model import Affine, DenseConvolution

__all__ = ["Draft", "merged"]


@dataclass(kw_only=True, eq=False)
class Draft:
    """A convolution that takes in scale, batch norm, residual and activation, in this order.

    Every method returns whether it could; a draft that could not is as it was.
    """

    layer: ConvolutionLayer
    #: [K, C / groups, R, S].
    weight: np.ndarray
    #: [K], of the sums before batch norm.
    gain: np.ndarray
    offset: np.ndarray
    #: ``weight``, ``bias``, ``mean``, ``variance``, each [K], and ``eps``; or ``None``.
    norm: dict | None = None

    @classmethod
    def of(cls, layer, weight, bias=None):
        """A draft of sums alone; ``layer`` has neither residual nor activation."""
        return cls(
            layer=layer,
            weight=np.asarray(weight, np.float64),
            gain=np.ones(layer.outputs),
            offset=np.zeros(layer.outputs) if bias is None else np.asarray(bias, np.float64),
        )

    @classmethod
    def copy(cls, name, source, channels):
        """A draft that repeats the tensor ``source``."""
        layer = ConvolutionLayer(
            name=name,
            input=source,
            inputs=channels,
            outputs=channels,
            kernel=(1, 1),
            groups=channels,
            activation=IDENTITY,
            batch_norm=False,
            fixed=True,
        )
        return cls.of(layer, np.ones(layer.weight_shape))

    @property
    def summing(self):
        """Whether neither residual nor activation is in yet."""
        return self.layer.residual is None and self.layer.activation == IDENTITY

    def scale(self, gain, offset):
        """Takes in ``gain * x + offset``, both [K]."""
        if not self.summing:
            return False
        if self.norm is None:
            self.gain, self.offset = self.gain * gain, self.offset * gain + offset
        else:
            weight, bias = self.norm["weight"] * gain, self.norm["bias"] * gain + offset
            self.norm = self.norm | {"weight": weight, "bias": bias}
        return True

    def normalise(self, norm):
        """Takes in a batch norm, as ``norm``; a second one becomes part of the first."""
        if not self.summing:
            return False
        scaled = (self.gain != 1).any()
        if self.norm is not None or (scaled and self.layer.fixed):
            gain = norm["weight"] / np.sqrt(norm["variance"] + norm["eps"])
            return self.scale(gain, norm["bias"] - norm["mean"] * gain)
        if scaled:
            self.weight = self.weight * self.gain[:, None, None, None]
            self.gain = np.ones_like(self.gain)
        # What is added to the sums moves their mean.
        self.norm = norm | {"mean": norm["mean"] - self.offset}
        self.offset = np.zeros_like(self.offset)
        self.layer = replace(self.layer, batch_norm=True)
        return True

    def join(self, residual):
        """Takes in the addition of the tensor ``residual``."""
        if not self.summing:
            return False
        self.layer = replace(self.layer, residual=residual)
        return True

    def activate(self, activation):
        """Takes in an activation; a clamp after a clamp as well."""
        both = merged(self.layer.activation, activation)
        if both is None:
            return False
        self.layer = replace(self.layer, activation=both)
        return True

    def unit(self):
        """The trained module of the layer."""
        return DenseConvolution(self.layer, _tensor(self.weight), self._normalisation())

    def _normalisation(self):
        if self.norm is None:
            affine = Affine(self.layer.outputs)
            return _filled(affine, gain=self.gain, offset=self.offset)
        norm = nn.BatchNorm2d(self.layer.outputs, eps=self.norm["eps"])
        return _filled(
            norm,
            weight=self.norm["weight"],
            bias=self.norm["bias"],
            running_mean=self.norm["mean"],
            running_var=self.norm["variance"],
        )


def merged(first, second):
    """The activation that does ``first``, then ``second``, or ``None`` if there is none."""
    if first == IDENTITY:
        return second
    if first.function is not None or second.function is not None:
        return None
    low, high = (min(max(bound, second.low), second.high) for bound in (first.low, first.high))
    return Activation(low=low, high=high) if low < high else None


def _tensor(array):
    return torch.from_numpy(np.ascontiguousarray(array, np.float32))


def _filled(module, **arrays):
    module.load_state_dict({name: _tensor(array) for name, array in arrays.items()}, strict=False)
    return module
