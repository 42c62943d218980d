"""Zeros of a network, whatever it was compressed by."""

import torch

from ..model import ConvolutionUnit

__all__ = ["nonzero_count"]


def nonzero_count(network):
    """Numbers that are not zero, and all, of units that have zeros which are not stored: ``(0, 0)`` for a dense network."""
    units = [module for module in network.modules() if isinstance(module, ConvolutionUnit)]
    numbers = [numbers for numbers in (unit.sparse_numbers() for unit in units) if numbers is not None]
    return sum(int(torch.count_nonzero(part)) for part in numbers), sum(part.numel() for part in numbers)
