"""Cuts the outputs of a layer into rectangles that the machine can make in one step each."""

from itertools import pairwise, product

from .window import window_fields

__all__ = ["cut", "tiles"]

#: What a field of the program can hold.
_MOST = 0xFFFF


def tiles(layer, source, target, config):
    """Fields of ``sw.window`` for each step of a convolution, those of the first outputs first.

    As few rectangles as there can be, and these as equal as possible: first columns are cut until every step fits
    into the line of the MAC, then rows.

    Raises
    ------
    ValueError
        If not even a single output fits.
    """

    def fits(rows, columns):
        fields = window_fields(layer, source, target, config, rows, columns)
        return (
            fields["line"] <= config.line
            and fields["height"] <= config.line
            # Results are those of positions.
            and fields["output_height"] <= fields["height"]
            and fields["output_width"] <= fields["width"]
            and fields["pixels"] <= _MOST
        )

    columns = cut(target.width, lambda ends: fits((0, 1), ends))
    rows = columns and cut(target.height, lambda ends: all(fits(ends, across) for across in columns))
    if not rows:
        one = window_fields(layer, source, target, config, (0, 1), (0, 1))
        raise ValueError(
            f"expected one output to need a map of at most {config.line}x{config.line} (line), "
            f"got {one['height']}x{one['line']}; take a configuration with a longer line"
        )
    return [window_fields(layer, source, target, config, *ends) for ends in product(rows, columns)]


def cut(length, fits):
    """The fewest and most equal ranges (first, end) of ``length`` outputs that all fit; ``None`` if there are none."""
    for count in range(1, length + 1):
        ends = [length * at // count for at in range(count + 1)]
        ranges = list(pairwise(ends))
        if all(map(fits, ranges)):
            return ranges
    return None
