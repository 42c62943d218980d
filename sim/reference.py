"""The network reference: plain integer convolution with the rebuilt kernels.

Nothing here knows how the accelerator computes. By linearity the results are equal to the hardware's to
the bit, and no code is shared with the ``model()`` of any component.
"""

import numpy as np

from sw.network import INPUT, AveragePool, Concatenation, Convolution, MaxPool

__all__ = ["accuracy", "kernels", "layer_output", "run"]

#: Integers up to this magnitude are exact in a float64, in sums of any order.
_EXACT = 1 << 53

#: Images that ``accuracy`` computes at a time; bounds its memory.
_BATCH = 64


def run(network, images):
    """All tensors of a network for a batch of images.

    Parameters
    ----------
    network : sw.network.IntegerNetwork
    images : integer array [n, C, H, W], in the range of the network's input

    Returns
    -------
    dict
        ``{name: int64 array [n, C, H, W]}`` of every tensor, ``"input"`` first, in the order of the layers.

    Raises
    ------
    ValueError
        If the images have another shape or range than the network's input.
    """
    tensors = {INPUT: _check_images(network.input, np.asarray(images))}
    for layer in network.layers:
        tensors[layer.name] = layer_output(layer, tensors)
    return tensors


def layer_output(layer, tensors):
    """Output of one layer for the tensors made before it, ``{name: int64 array [n, C, H, W]}``."""
    return _LAYERS[type(layer)](layer, tensors)


def accuracy(network, images, labels):
    """Share of images whose greatest output is at the label; of equal outputs the first one counts."""
    images, labels = np.asarray(images), np.asarray(labels)
    if len(images) != len(labels) or not len(images):
        raise ValueError(f"expected one label for each image, got {len(images)} images, {len(labels)} labels")
    result = network.layers[-1].name
    right = 0
    for start in range(0, len(images), _BATCH):
        part = slice(start, start + _BATCH)
        outputs = run(network, images[part])[result].reshape(len(images[part]), -1)
        right += int((outputs.argmax(axis=1) == labels[part]).sum())
    return right / len(images)


def kernels(layer):
    """Rebuilt kernels of a convolution: int64 [K, C, R, S], ``sum_m coefficients[k, c, m] * bases[k, m]``."""
    coefficients, bases = layer.coefficients.astype(np.int64), layer.bases.astype(np.int64)
    if layer.own_bases:
        return np.einsum("kcm,kmrs->kcrs", coefficients, bases)
    return np.tensordot(coefficients, bases, axes=(2, 0))


def _check_images(info, images):
    if images.ndim != 4 or images.shape[1:] != info.shape:
        raise ValueError(
            f"expected images of shape (n, {', '.join(map(str, info.shape))}), got {images.shape}"
        )
    if not np.issubdtype(images.dtype, np.integer):
        raise ValueError(f"expected images of integers, got {images.dtype}")
    if images.size and (images.min() < info.low or images.max() > info.high):
        raise ValueError(
            f"expected images from {info.low} to {info.high}, got {images.min()} to {images.max()}"
        )
    return images.astype(np.int64)


def _exact_product(left, right, limit):
    """Matrix product of integers: through float64, where ``limit`` on every partial sum makes that exact."""
    if limit < _EXACT:
        return np.rint(left.astype(np.float64) @ right.astype(np.float64)).astype(np.int64)
    return left @ right


def _convolution(layer, tensors):
    source = tensors[layer.input]
    top, left, bottom, right = layer.padding
    padded = np.pad(source, ((0, 0), (0, 0), (top, bottom), (left, right)))
    kernel = kernels(layer)
    outputs, channels, height, width = kernel.shape
    windows = np.lib.stride_tricks.sliding_window_view(padded, (height, width), axis=(2, 3))
    windows = windows[:, :, :: layer.stride, :: layer.stride]
    images, _, out_height, out_width = windows.shape[:4]
    columns = windows.transpose(0, 2, 3, 1, 4, 5).reshape(-1, channels * height * width)
    matrix = kernel.reshape(outputs, -1)
    limit = int(np.abs(source).max(initial=0)) * int(np.abs(matrix).sum(axis=1).max(initial=0))
    sums = _exact_product(columns, matrix.T, limit)
    sums = sums.reshape(images, out_height, out_width, outputs).transpose(0, 3, 1, 2)
    scaled = sums * layer.multiplier[:, None, None] + layer.bias[:, None, None]
    if layer.residual is not None:
        scaled = scaled + tensors[layer.residual] * layer.residual_multiplier
    rounded = _round(scaled, layer)
    return rounded if layer.table is None else layer.table[rounded & 0xFF]


def _max_pool(layer, tensors):
    top, left, bottom, right = layer.padding
    around = ((0, 0), (0, 0), (top, bottom), (left, right))
    # Less than any activation.
    padded = np.pad(tensors[layer.input], around, constant_values=-256)
    return _windows(padded, layer).max(axis=(4, 5))


def _average_pool(layer, tensors):
    sums = _windows(tensors[layer.input], layer).sum(axis=(4, 5))
    return _round(sums * layer.multiplier, layer)


def _windows(source, layer):
    windows = np.lib.stride_tricks.sliding_window_view(source, layer.window, axis=(2, 3))
    return windows[:, :, :: layer.stride, :: layer.stride]


def _concatenation(layer, tensors):
    return np.concatenate([tensors[name] for name in layer.inputs], axis=1)


def _round(scaled, layer):
    return np.clip((scaled + (1 << (layer.shift - 1))) >> layer.shift, layer.low, layer.high)


_LAYERS = {
    Convolution: _convolution,
    MaxPool: _max_pool,
    AveragePool: _average_pool,
    Concatenation: _concatenation,
}
