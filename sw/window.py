"""Geometry of a convolution: how its map is fed, in which order its pixels share the taps, where results go."""

from dataclasses import dataclass
from enum import Enum

__all__ = ["Sharing", "sharing_of", "window_fields"]


class Sharing(Enum):
    """How the rows of a PE share its multipliers."""

    #: One ``z`` a cycle meets all taps; rows make different ``z`` of the same pixel.
    TOGETHER = 0
    #: A 1x1 kernel: a ``z`` of every class of rows meets a tap of its own; rows make different ``z`` of the same pixel.
    SIDE_BY_SIDE = 1
    #: Stride 2: a position is a square of 2 x 2 pixels, whose pixels meet different taps; classes of rows make different pixels.
    SQUARES = 2


def sharing_of(layer, config):
    """``Sharing`` of a ``Convolution``."""
    if layer.kernel == (1, 1):
        return Sharing.SIDE_BY_SIDE if config.classes > 1 else Sharing.TOGETHER
    return Sharing.SQUARES if layer.stride == 2 else Sharing.TOGETHER


@dataclass(frozen=True)
class _Extent:
    """Rows or columns of a convolution that makes some of its outputs."""

    #: First row of the map that is fed, and how many are.
    first: int
    map: int
    #: Positions fed: rows, or squares.
    positions: int
    #: Whether the last row of the kernel works for the first row of a square.
    last_first: int
    #: Places from a position to the first output that it works for, and the greatest such number there can be.
    pad: int
    last: int


def _extent(size, kernel, before, stride, taps, sharing, outputs):
    """``_Extent`` of the outputs from ``outputs[0]`` to before ``outputs[1]``."""
    start = outputs[0] * stride - before
    first = max(0, start)
    fed = max(first + 1, min(size, (outputs[1] - 1) * stride - before + kernel)) - first
    before = first - start
    if sharing is Sharing.SQUARES:
        last_first = (kernel - before) % 2
        # Rows of the kernel work in twos, and so do outputs: ``hw.taps.tap_group``.
        last = taps // 2 if last_first else (taps - 1) // 2
        return _Extent(
            first=first,
            map=fed,
            positions=(fed + 1) // 2,
            last_first=last_first,
            pad=last - (kernel - 1 - before) // 2,
            last=last,
        )
    if kernel == 1:
        fed = outputs[1] - outputs[0]
    if sharing is Sharing.SIDE_BY_SIDE:
        return _Extent(
            first=first, map=fed, positions=fed, last_first=0, pad=(taps - 1) // 2, last=(taps - 1) // 2
        )
    return _Extent(
        first=first, map=fed, positions=fed, last_first=0, pad=before + taps - kernel, last=taps - 1
    )


def window_fields(layer, source, target, config, rows, columns):
    """Fields of a convolution's descriptor that say what is fed and which results are kept.

    Parameters
    ----------
    layer : Convolution
    source, target : Placement
        Its input and its output.
    config : Config
    rows, columns : tuple of int
        First output row and the one after the last, columns likewise.

    Returns
    -------
    dict of str to int
        Only the part of the input that these outputs need is fed. Nothing is checked against the limits of the
        configuration.
    """
    kernel_height, kernel_width = layer.kernel
    sharing, stride = sharing_of(layer, config), layer.stride
    top, left, _, _ = layer.padding
    down = _extent(source.height, kernel_height, top, stride, config.kernel_height, sharing, rows)
    right = _extent(source.width, kernel_width, left, stride, config.kernel_width, sharing, columns)
    height, width = rows[1] - rows[0], columns[1] - columns[0]
    # A 1x1 kernel is fed only the pixels that it uses.
    step = stride if layer.kernel == (1, 1) else 1
    line = max(right.positions, config.line_minimum)
    shares = 4 // config.classes if sharing is Sharing.SQUARES else 1
    return {
        "input_base": _address(source, down.first, right.first),
        "input_row": step * source.row,
        "input_pixel": step * source.pixel,
        "map_height": down.map,
        "map_width": right.map,
        "last_upper": down.last_first,
        "last_left": right.last_first,
        "squares": int(sharing is Sharing.SQUARES),
        "side_by_side": int(sharing is not Sharing.TOGETHER),
        "height": down.positions,
        "width": right.positions,
        "pixels": down.positions * right.positions * shares,
        "line": line,
        "pad_top": down.pad,
        "pad_left": right.pad,
        "drain": (down.last - down.pad) * line + right.last - right.pad,
        "output_height": height,
        "output_width": width,
        "output_base": _address(target, rows[0], columns[0]),
    }


def _address(place, row, column):
    return place.base + row * place.row + column * place.pixel
