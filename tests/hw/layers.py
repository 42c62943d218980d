"""Layers for component tests: geometry, plain convolution, coefficient lists and the words that hold them."""

import numpy as np

from hw.config import Config
from hw.formats import LAYER_FIELDS, coefficient_layout, header_layout
from hw.sparsemap import SparseMapEncoder

from .streams import decode, encode, payloads

__all__ = [
    "CONFIGURATIONS",
    "bottom_right",
    "coefficient_writes",
    "geometry",
    "layer_fields",
    "plain_convolution",
    "plain_z",
    "random_chunks",
    "random_lists",
    "random_shape",
    "ring_pixels",
]

_TINY = Config.preset("tiny")
#: Configurations by name: the smallest preset, and each dimension that changes how a PE is built.
CONFIGURATIONS = {
    "tiny": _TINY,
    "three rows": _TINY.replace(rows=3),
    "one row": _TINY.replace(rows=1),
    "1x1": _TINY.replace(kernel_height=1, kernel_width=1),
    "5x5": _TINY.replace(kernel_height=5, kernel_width=5),
    "7x7": _TINY.replace(kernel_height=7, kernel_width=7),
    "tree": _TINY.replace(accumulation="tree"),
    "lanes of a chunk": _TINY.replace(lanes=4, lookahead=0),
}


def layer_fields(**fields):
    """All ``LAYER_FIELDS``, zero where nothing is said; ``pixels`` follows from height and width."""
    unknown = set(fields) - set(LAYER_FIELDS)
    assert not unknown, f"no fields of a layer: {unknown}"
    fields["pixels"] = fields.get("height", 0) * fields.get("width", 0)
    return {name: int(fields.get(name, 0)) for name in LAYER_FIELDS}


def random_shape(rng, config, *, height=None, width=None):
    """Height, width, kernel, padding and stride that go together, as ``geometry`` takes them."""
    height = height or int(rng.integers(1, 7))
    width = width or int(rng.integers(1, min(8, config.line) + 1))
    kernel, padding = [], []
    for size, largest in ((height, config.kernel_height), (width, config.kernel_width)):
        extent = int(rng.integers(1, largest + 1))
        before = int(rng.integers(0, extent))
        after = int(rng.integers(0, extent - before))
        if size + before + after < extent:
            after = extent - 1 - before
        kernel.append(extent)
        padding += [before, after]
    return {
        "height": height,
        "width": width,
        "kernel": tuple(kernel),
        "padding": tuple(padding),
        "stride": int(rng.integers(1, 3)),
    }


def geometry(config, *, height, width, kernel, padding, stride, **fields):
    """Fields of a convolution.

    ``kernel`` is (rows, columns), at the bottom right of the configuration's taps; ``padding`` is (top, bottom, left,
    right); ``fields`` are further ``LAYER_FIELDS``.
    """
    top, bottom, left, right = padding
    line = max(width, config.line_minimum)
    pad_top = top + config.kernel_height - kernel[0]
    pad_left = left + config.kernel_width - kernel[1]
    return layer_fields(
        height=height,
        width=width,
        line=line,
        pad_top=pad_top,
        pad_left=pad_left,
        drain=(config.kernel_height - 1 - pad_top) * line + config.kernel_width - 1 - pad_left,
        stride=stride,
        output_height=(height + top + bottom - kernel[0]) // stride + 1,
        output_width=(width + left + right - kernel[1]) // stride + 1,
        **fields,
    )


def bottom_right(config, kernels):
    """Taps [M, R, S] of the configuration that hold smaller kernels [M, r, s]."""
    rows, columns = config.kernel_height - kernels.shape[1], config.kernel_width - kernels.shape[2]
    return np.pad(kernels, ((0, 0), (rows, 0), (columns, 0)))


def plain_convolution(z, kernels, padding, stride):
    """``[passes, output_height, output_width]`` of z [passes, height, width, M] and kernels [M, r, s]."""
    top, bottom, left, right = padding
    padded = np.pad(z, ((0, 0), (top, bottom), (left, right), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernels.shape[1:], axis=(1, 2))
    return np.einsum("pyxmrs,mrs->pyx", windows, kernels)[:, ::stride, ::stride]


def random_chunks(rng, config, pixels, chunks, density=0.6):
    """Dense bytes [pixels, chunks, N] and the same as ``Matcher.model`` takes them."""
    shape = (pixels, chunks, config.chunk)
    dense = rng.integers(1, 256, shape) * (rng.random(shape) < density)
    return dense, SparseMapEncoder.model(dense)


def ring_pixels(layout, chunks):
    """Payloads [pixels][chunks] of chunks as ``Matcher.model`` takes them."""
    return [
        payloads(layout, {name: field[pixel] for name, field in chunks.items()})
        for pixel in range(len(chunks["mask"]))
    ]


def random_lists(rng, config, passes, chunks, *, most=6, bases=None):
    """Coefficient words of one row for each pass, as ``CoefficientWalker.model`` takes them.

    Words come in any order of chunks, some without a single coefficient, and do not always reach the pixel's last
    chunk.
    """
    lists = []
    for _ in range(passes):
        count = int(rng.integers(1, most + 1))
        map_ = (rng.random((count, config.chunk)) < rng.random((count, 1))).astype(np.int64)
        map_[rng.random(count) < 0.2] = 0
        last = (rng.random(count) < 0.5).astype(np.int64)
        last[-1] = 1
        lists.append(
            {
                "map": map_,
                "negative": map_ * rng.integers(0, 2, map_.shape),
                "chunk": rng.integers(0, chunks, count),
                "basis": rng.integers(0, bases or config.bases, count),
                "last": last,
            }
        )
    return lists


def coefficient_writes(config, lists, base):
    """Writes that put the lists of one layer into a row's memory, as payloads."""
    shape = coefficient_layout(config)
    words = []
    for of_pass in lists:
        header = encode(header_layout(config), {"count": len(of_pass["last"])})
        words += [decode(shape, header), *payloads(shape, of_pass)]
    return [{"address": base + index, "data": word} for index, word in enumerate(words)]


def plain_z(config, dense, lists, signed_values):
    """What a row makes, by plain dot products: for each pass and pixel the list of ``(z, basis)``.

    Parameters
    ----------
    dense : int array [pixels, chunks, N]
        Bytes.
    lists : list of dict
        As ``random_lists`` gives them.
    """
    values = dense.astype(np.int8).astype(np.int64) if signed_values else dense
    made = []
    for words in lists:
        signs = words["map"] * (1 - 2 * words["negative"])
        for pixel in values:
            elements, z = [], 0
            for index, last in enumerate(words["last"]):
                z += int(pixel[words["chunk"][index]] @ signs[index])
                if last:
                    elements.append((z, int(words["basis"][index])))
                    z = 0
            made.append(elements)
    return made
