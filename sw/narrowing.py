"""Copies of modules that have only some of their channels."""

import copy

from torch import nn

__all__ = ["narrow", "narrow_normalise", "put"]


def narrow(numbers, outputs, inputs, groups):
    """A copy of ``numbers`` [K, C / groups, ...] with only the channels ``outputs`` and ``inputs``, int64.

    Groups go as a whole, and with them their inputs.
    """
    numbers = numbers.detach()[outputs]
    return numbers[:, inputs] if groups == 1 else numbers


def put(module, name, numbers):
    """Give ``module`` other ``numbers`` under the ``name`` of a parameter or buffer, which stays what it is."""
    old = getattr(module, name)
    if isinstance(old, nn.Parameter):
        setattr(module, name, nn.Parameter(numbers, requires_grad=old.requires_grad))
    else:
        setattr(module, name, numbers)


def narrow_normalise(normalise, outputs):
    """A copy of a batch norm or an ``Affine`` with only the channels ``outputs``, int64."""
    narrowed = copy.deepcopy(normalise)
    tensors = [*narrowed.named_parameters(recurse=False), *narrowed.named_buffers(recurse=False)]
    for name, numbers in tensors:
        # A batch norm also counts the batches that it has seen.
        if numbers.ndim == 1:
            put(narrowed, name, numbers.detach()[outputs])
    if isinstance(narrowed, nn.BatchNorm2d):
        narrowed.num_features = len(outputs)
    return narrowed
