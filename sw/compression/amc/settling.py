"""Statistics of batch norms, taken anew after numbers left a network: pruning alone, not training, moves them."""

import copy

import torch
from torch.optim.swa_utils import update_bn

from ...training.evaluation import to_input

__all__ = ["settled", "spread"]

#: Images at a time.
_BATCH = 100


def spread(images, count):
    """About ``count`` of ``images``, in equal steps."""
    return images[:: max(1, len(images) // count)]


@torch.no_grad()
def settled(network, images):
    """A copy of ``network`` whose batch norms have the means and variances of ``images``, uint8 [n, C, H, W]; for inference."""
    made = copy.deepcopy(network)
    device = next(made.parameters()).device
    update_bn((to_input(part, device) for part in torch.as_tensor(images).split(_BATCH)), made)
    return made.eval()
