"""Geometry of pooling: its windows in words of memory, read one by one or in one scan of the map."""

from .packing import limit
from .tiling import cut

__all__ = ["pool_windows", "scans", "window_fields"]

#: Largest step and padding of a window, in places, with which all words fit what ``hw.window_axis`` counts.
_MOST = 7


def window_fields(window, stride, padding, source):
    """Fields that say which windows (rows, columns) of a ``Placement`` are read; ``padding`` is (top, left) in places.

    Raises
    ------
    ValueError
        If step or padding are larger than the device can count.
    """
    limit(stride, _MOST, "as the step of a pooling", "pool in two layers")
    limit(max(padding), _MOST, "places of padding of a pooling", "pool in two layers")
    # What reaches beyond the map in every window does not matter.
    height, width = (
        min(length, size + before)
        for length, size, before in zip(window, (source.height, source.width), padding, strict=True)
    )
    return {
        "map_height": (source.height - 1) * source.row,
        "map_width": (source.width - 1) * source.pixel,
        "pad_top": padding[0] * source.row,
        "pad_left": padding[1] * source.pixel,
        "step_row": stride * source.row,
        "step_pixel": stride * source.pixel,
        "window_row": (height - 1) * source.row,
        "window_pixel": (width - 1) * source.pixel,
    }


def pool_windows(fields):
    """Window, stride and (top, left) padding in places: the way back from ``window_fields``."""
    row, pixel = fields["input_row"], fields["input_pixel"]
    window = fields["window_row"] // row + 1, fields["window_pixel"] // pixel + 1
    return window, fields["step_row"] // row, (fields["pad_top"] // row, fields["pad_left"] // pixel)


def scans(fields, config):
    """Steps of a maximum pooling.

    A scan reads every place once. It serves windows that overlap, but by no more than the half of them; what it has in the making
    must fit into the line of maxima, so a wider output is cut into columns, as few and as equal as can be.

    Parameters
    ----------
    fields : dict of str to int
        The layer as one step, window by window.
    config : Config

    Returns
    -------
    list of dict
        What differs from ``fields`` in each step.
    """
    windows, stride, _ = pool_windows(fields)
    overlap = max(windows) > stride and all(stride <= window <= 2 * stride for window in windows)
    if not (overlap and config.pool_columns):
        return [{}]
    columns = cut(fields["output_width"], lambda ends: ends[1] - ends[0] <= config.pool_columns)
    steps = [_columns(fields, *ends) for ends in columns]
    # A line must not be asked for what is still on its way there. Maps of so few columns have few windows, too.
    if min(changes["map_width"] for changes in steps) < (config.pool_distance - 1) * fields["input_pixel"]:
        return [{}]
    return steps


def _columns(fields, first, end):
    """A scan for the columns of the output from ``first`` to before ``end``."""
    start = first * fields["step_pixel"] - fields["pad_left"]
    left = max(0, start)
    last = (end - 1) * fields["step_pixel"] - fields["pad_left"] + fields["window_pixel"]
    return {
        "scan": 1,
        "input_base": fields["input_base"] + left,
        "map_width": min(fields["map_width"], last) - left,
        "pad_left": left - start,
        "output_base": fields["output_base"] + first * fields["output_chunks"],
        "output_width": end - first,
    }
