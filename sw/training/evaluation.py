"""What a network answers, and how often it is right."""

import numpy as np
import torch

__all__ = ["accuracy", "logits", "to_input"]


def to_input(images, device, *, channels_last=True):
    """uint8 or float images [n, C, H, W], array or tensor, as a network reads them: float32 on ``device``."""
    if isinstance(images, np.ndarray):
        images = torch.from_numpy(np.array(images))
    layout = torch.channels_last if channels_last else torch.contiguous_format
    return images.to(device, non_blocking=True).to(torch.float32, memory_format=layout)


@torch.no_grad()
def logits(network, images, *, batch=500, precision="float32"):
    """What ``network`` answers, in inference; it stays in that mode.

    Parameters
    ----------
    network : nn.Module
        Of pixels from 0 to 255.
    images : array or Tensor
        [n, C, H, W].
    batch : int
        Images at a time.
    precision : {"float32", "bfloat16"}

    Returns
    -------
    Tensor
        float32 [n, classes], on the CPU.
    """
    network.eval()
    device = next(network.parameters()).device
    parts = []
    for start in range(0, len(images), batch):
        with autocast(device, precision):
            answers = network(to_input(images[start : start + batch], device))
        parts.append(answers.float().cpu())
    return torch.cat(parts)


def accuracy(network, images, labels, *, batch=500, precision="float32"):
    """Fraction of ``images`` whose highest logit is the label's; arguments as for ``logits``, ``labels`` int64 [n]."""
    answers = logits(network, images, batch=batch, precision=precision).argmax(1)
    labels = labels.cpu() if isinstance(labels, torch.Tensor) else labels
    return int((answers.numpy() == np.asarray(labels)).sum()) / len(images)


def autocast(device, precision):
    """Within it, convolutions on ``device`` are computed in ``precision``."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")
