"""A 7x7 convolution of stride 2 as the same sum of 3x3 kernels of stride 2.

A 3x3 kernel of stride 2 meets pixels of even row and column with 2x2 of its taps, the others with 2x1, 1x2 and one tap. A 7x7 kernel
of stride 2 is four kernels of 4x4, 4x3, 3x4 and 3x3 taps over the pixels of each parity, which are cut into such pieces. Planes
hold them, one piece of each size: a plane is woven of four sub-images of any colour, moved so that every piece meets its pixels.
Three colours need 17 planes: 153 taps do the work of 147.
"""

from typing import NamedTuple

import numpy as np

__all__ = ["stem_planes", "stem_taps"]

#: Sizes of pieces, rows and columns: parity of the pixels they meet in the plane, and their first tap of the 3x3 kernel.
_PLACES = {(2, 2): (0, 0), (2, 1): (0, 1), (1, 2): (1, 0), (1, 1): (1, 1)}
#: Zeros around the image: a piece begins at most 4 pixels before it.
_BEFORE, _AFTER = 4, 6


class _Piece(NamedTuple):
    """Taps that one place of a plane holds."""

    channel: int
    #: Of row and column in the image.
    parity: tuple[int, int]
    #: Of the first tap, in pixels of that parity.
    offset: tuple[int, int]

    def first(self, origin):
        """First row and column of a map or kernel whose middle is at ``origin``."""
        return tuple(origin + 2 * moved + odd for moved, odd in zip(self.offset, self.parity, strict=True))

    def moved(self, rows, columns):
        return self._replace(offset=(self.offset[0] + rows, self.offset[1] + columns))


def _cut(channels):
    """Pieces by size: as many of 2x2 taps as there are, and what is left over at the edges."""
    pieces = {size: [] for size in _PLACES}
    for channel in range(channels):
        # An odd parity has taps -2..1, an even one -1..1.
        for parity in np.ndindex(2, 2):
            rows, columns = ([(-2, 2), (0, 2)] if odd else [(-1, 2), (1, 1)] for odd in parity)
            for row, height in rows:
                for column, width in columns:
                    pieces[height, width].append(_Piece(channel, parity, (row, column)))
    return pieces


def _planes(channels):
    """For each plane its piece of each size, or ``None``: 2x2 pieces beyond one a plane are cut further."""
    pieces = _cut(channels)
    count = -(-49 * channels // 9)
    excess = [pieces[2, 2].pop() for _ in range(max(0, len(pieces[2, 2]) - count))]
    for piece in excess:
        # Into halves, side by side or one above the other, and a half that finds no place into single taps.
        size, step = max((((2, 1), (0, 1)), ((1, 2), (1, 0))), key=lambda way: -len(pieces[way[0]]))
        for half in (piece, piece.moved(*step)):
            if len(pieces[size]) < count:
                pieces[size].append(half)
            else:
                pieces[1, 1] += [half, half.moved(*reversed(step))]
    count = max(map(len, pieces.values()))
    return [
        {size: held[plane] if plane < len(held) else None for size, held in pieces.items()}
        for plane in range(count)
    ]


def stem_planes(image):
    """The planes [P, H + 1, W + 1] of an image [C, H, W] with even sides, for a 7x7 kernel with 3 zeros all around."""
    channels, height, width = image.shape
    padded = np.pad(image, ((0, 0), (_BEFORE, _AFTER), (_BEFORE, _AFTER)))
    held = _planes(channels)
    planes = np.zeros((len(held), height + 2, width + 2), image.dtype)
    for plane, pieces in zip(planes, held, strict=True):
        for size, piece in pieces.items():
            if piece is not None:
                row, column = piece.first(_BEFORE)
                part = padded[piece.channel, row : row + height + 2 : 2, column : column + width + 2 : 2]
                plane[_PLACES[size][0] :: 2, _PLACES[size][1] :: 2] = part
    return planes[:, : height + 1, : width + 1]


def stem_taps(weights):
    """The kernels [K, P, 3, 3] for weights [K, C, 7, 7]."""
    outputs, channels = weights.shape[:2]
    held = _planes(channels)
    taps = np.zeros((outputs, len(held), 3, 3), weights.dtype)
    for plane, pieces in enumerate(held):
        for size, piece in pieces.items():
            if piece is None:
                continue
            (first_row, first_column), (row, column) = piece.first(3), _PLACES[size]
            for down, right in np.ndindex(*size):
                source = weights[:, piece.channel, first_row + 2 * down, first_column + 2 * right]
                taps[:, plane, row + 2 * down, column + 2 * right] = source
    return taps
