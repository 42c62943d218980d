"""What a convolution reads and gives at random places of training images."""

import torch
from torch.nn import functional

from ..run import calibration_images

__all__ = ["sample_inputs", "sample_sums"]

#: Images at a time.
_BATCH = 50


@torch.no_grad()
def sample_inputs(network, layer, dataset, *, images, points, seed=0):
    """Windows that a convolution reads.

    The same images and places for the same numbers, whatever the weights of ``network``.

    Parameters
    ----------
    network : sw.model.Network
        In inference.
    layer : ConvolutionLayer
        Of it, in one group.
    images, points : int
        Training images, about, and places of the layer's output in each.

    Returns
    -------
    Tensor
        float64 [n, C, R * S].
    """
    generator, found = torch.Generator().manual_seed(seed), []
    top, left, bottom, right = layer.padding
    for batch in calibration_images(dataset, images).split(_BATCH):
        source = network.tensors(batch)[layer.input]
        padded = functional.pad(source, (left, right, top, bottom))
        windows = functional.unfold(padded, layer.kernel, stride=layer.stride)
        places = torch.randint(windows.shape[2], (len(batch), points), generator=generator)
        chosen = windows.gather(2, places[:, None, :].expand(-1, windows.shape[1], -1))
        found.append(chosen.transpose(1, 2).flatten(0, 1).double())
    return torch.cat(found).unflatten(1, (layer.inputs, -1))


def sample_sums(windows, kernel):
    """Sums [n, K] of windows [n, C, R * S] and a kernel [K, C, R, S], float64."""
    return windows.flatten(1) @ kernel.detach().double().flatten(1).T
