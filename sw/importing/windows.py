"""Strides and paddings of windows, and which of them no layer has."""

from .operations import refuse

__all__ = ["check_dilation", "check_padding", "find_stride", "padding_of_ceil"]


def find_stride(operation, strides, extents, windows, sizes):
    """One stride for both axes.

    Parameters
    ----------
    operation : Operation
        For the message.
    strides, extents, windows, sizes : tuple of int
        Of both axes: wanted stride, padded map, window, output. Where the output is one place, any stride does that leads to it.

    Raises
    ------
    ValueError
        If rows and columns need different strides.
    """
    axes = list(zip(strides, extents, windows, sizes, strict=True))
    for candidate in sorted({1, *strides}):
        if all(
            candidate == stride or (size == 1 and (extent - window) // candidate == 0)
            for stride, extent, window, size in axes
        ):
            return candidate
    raise refuse(
        operation,
        f"expected the same stride for rows and columns, got {strides[0]} and {strides[1]}",
        "train with one stride for both",
    )


def check_dilation(operation, windows):
    """Refuses a dilated window."""
    dilation = operation.attributes["dilation"]
    if any(step > 1 and window > 1 for step, window in zip(dilation, windows, strict=True)):
        raise refuse(
            operation,
            f"expected a dilation of 1, got {max(dilation)}",
            "train with a larger kernel, or with two layers, instead",
        )


def check_padding(operation, padding, window):
    """Refuses padding (top, left, bottom, right) as large as the window."""
    top, left, bottom, right = padding
    if min(padding) < 0 or max(top, bottom) >= window[0] or max(left, right) >= window[1]:
        raise refuse(
            operation,
            f"expected padding from 0 to less than the window {window[0]}x{window[1]}, got {padding}",
            "pad less, or train with a larger kernel",
        )


def padding_of_ceil(padding, extents, windows, strides, sizes):
    """``padding`` with as many places at bottom and right as windows reach beyond the map in ``sizes`` steps."""
    top, left, bottom, right = padding
    reach = [
        (size - 1) * stride + window - extent
        for size, stride, window, extent in zip(sizes, strides, windows, extents, strict=True)
    ]
    return top, left, max(bottom, reach[0] - top), max(right, reach[1] - left)
