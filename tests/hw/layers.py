"""Layers for component tests: geometry, plain convolution, coefficient lists and the words that hold them."""

import numpy as np

from hw.config import Config
from hw.formats import LAYER_FIELDS, coefficient_layout, header_layout
from hw.sparsemap import ring_chunks

from .streams import decode, encode, payloads

__all__ = [
    "CONFIGURATIONS",
    "ODD",
    "SERIAL",
    "coefficient_writes",
    "geometry",
    "in_squares",
    "layer_fields",
    "placed_taps",
    "plain_convolution",
    "plain_z",
    "random_chunks",
    "random_lists",
    "random_shape",
    "ring_pixels",
]

_TINY = Config.preset("tiny")
#: No powers of two, and no widths in which their sums could be anything else.
ODD = _TINY.replace(
    rows=3,
    pes=3,
    requantisers=1,
    bases=5,
    channels=12,
    ring=16,
    line=13,
    z_fifo=11,
    output_fifo=13,
    z_bits=13,
    accumulator_bits=23,
    multiplier_bits=13,
    bias_bits=37,
    layers=11,
    basis_words=37,
    scale_words=53,
)
#: Configurations by name: the smallest preset, and each dimension that changes how a PE is built.
CONFIGURATIONS = {
    "tiny": _TINY,
    "three rows": _TINY.replace(rows=3),
    "one row": _TINY.replace(rows=1),
    "four rows": _TINY.replace(rows=4),
    "1x1": _TINY.replace(kernel_height=1, kernel_width=1),
    "5x5": _TINY.replace(kernel_height=5, kernel_width=5),
    "7x7": _TINY.replace(kernel_height=7, kernel_width=7),
    "tree": _TINY.replace(accumulation="tree"),
    "lanes of a chunk": _TINY.replace(lanes=4, lookahead=0),
    "odd": ODD,
}
_SERIAL = Config.preset("icebreaker").replace(
    line=8,
    channels=16,
    activation_words=64,
    coefficient_words=256,
    basis_words=64,
    scale_words=64,
    z_bits=16,
    accumulator_bits=28,
)
#: Those of the serial machine, likewise.
SERIAL = {
    "serial": _SERIAL,
    "1x1": _SERIAL.replace(kernel_height=1, kernel_width=1),
    "2x5": _SERIAL.replace(kernel_height=2, kernel_width=5),
    "5x5": _SERIAL.replace(kernel_height=5, kernel_width=5),
    "7x7": _SERIAL.replace(kernel_height=7, kernel_width=7),
    "chunks of two": _SERIAL.replace(chunk=2, lanes=2),
    "chunks of eight": _SERIAL.replace(chunk=8, lanes=8),
    "odd": _SERIAL.replace(
        line=13,
        bases=5,
        channels=12,
        basis_words=37,
        scale_words=53,
        layers=11,
        z_bits=13,
        accumulator_bits=23,
        multiplier_bits=13,
        bias_bits=37,
    ),
}


def layer_fields(**fields):
    """All ``LAYER_FIELDS``, zero where nothing is said; ``pixels`` is height * width, ``input_repeat`` 1 unless given."""
    unknown = set(fields) - set(LAYER_FIELDS)
    assert not unknown, f"no fields of a layer: {unknown}"
    usual = {"pixels": fields.get("height", 0) * fields.get("width", 0), "input_repeat": 1}
    return {name: int(fields.get(name, usual.get(name, 0))) for name in LAYER_FIELDS}


def random_shape(rng, config, *, height=None, width=None):
    """Height, width, kernel, padding, stride and whether side by side: what goes together, as ``geometry`` takes it."""
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
    stride = int(rng.integers(1, 3))
    return {
        "height": height,
        "width": width,
        "kernel": tuple(kernel),
        "padding": tuple(padding),
        "stride": stride,
        "side_by_side": int(kernel == [1, 1] and stride == 1 and rng.integers(0, 2)),
    }


def geometry(config, *, height, width, kernel, padding, stride, side_by_side=0, **fields):
    """Fields of a convolution.

    ``kernel`` is (rows, columns), at the bottom right of the configuration's taps; ``padding`` is (top, bottom, left,
    right); stride 2 comes in squares; ``side_by_side`` suits a 1x1 kernel; ``fields`` are further ``LAYER_FIELDS``.
    """
    top, bottom, left, right = padding
    taps = config.kernel_height, config.kernel_width
    outputs = {
        "output_height": (height + top + bottom - kernel[0]) // stride + 1,
        "output_width": (width + left + right - kernel[1]) // stride + 1,
    }
    places = {"map_height": height, "map_width": width}
    last = [size - 1 for size in taps]
    if stride == 2:
        # Output x lies at column 2x + extent - 1 - before under the last tap: the first pixel of two, or the second.
        first = [(extent - before) % 2 for extent, before in zip(kernel, (top, left), strict=True)]
        height, width = (height + 1) // 2, (width + 1) // 2
        places |= {"last_upper": first[0], "last_left": first[1], "squares": 1, "side_by_side": 1}
        places["pixels"] = height * width * 4 // config.classes
        last = [size // 2 if early else (size - 1) // 2 for size, early in zip(taps, first, strict=True)]
        pads = [
            count - (extent - 1 - before) // 2
            for count, extent, before in zip(last, kernel, (top, left), strict=True)
        ]
    elif side_by_side:
        places["side_by_side"] = 1
        last = pads = [(size + 1) // 2 - 1 for size in taps]
    else:
        pads = [
            before + size - extent for before, size, extent in zip((top, left), taps, kernel, strict=True)
        ]
    line = max(width, config.line_minimum)
    return layer_fields(
        **{
            **places,
            **outputs,
            "height": height,
            "width": width,
            "line": line,
            "pad_top": pads[0],
            "pad_left": pads[1],
            "drain": (last[0] - pads[0]) * line + last[1] - pads[1],
            **fields,
        }
    )


def placed_taps(config, kernels, layer):
    """Taps [M, R, S] of the configuration that hold smaller kernels [M, r, s]: at the bottom right, or once for each class."""
    rows, columns = config.kernel_height - kernels.shape[1], config.kernel_width - kernels.shape[2]
    taps = np.pad(kernels, ((0, 0), (rows, 0), (columns, 0)))
    if layer["side_by_side"] and not layer["squares"]:
        taps[:, -2 if config.classes == 4 else -1 :, -2 if config.classes > 1 else -1 :] = kernels
    return taps


def in_squares(layer, array):
    """A map [passes, H, W, ...] as positions see it: [passes, height, width, pixels of a position, ...]."""
    if not layer["squares"]:
        return array[:, :, :, None]
    height, width = layer["height"], layer["width"]
    padded = np.zeros((len(array), 2 * height, 2 * width, *array.shape[3:]), array.dtype)
    padded[:, : array.shape[1], : array.shape[2]] = array
    squares = padded.reshape(len(array), height, 2, width, 2, *array.shape[3:]).swapaxes(2, 3)
    return squares.reshape(len(array), height, width, 4, *array.shape[3:])


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
    return dense, ring_chunks(config, dense)


def ring_pixels(layout, chunks):
    """Payloads [pixels][chunks] of chunks as ``Matcher.model`` takes them."""
    return [
        payloads(layout, {name: field[pixel] for name, field in chunks.items()})
        for pixel in range(len(chunks["values"]))
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
