"""A 7x7 convolution of stride 2 as the same sum of 3x3 kernels of stride 2.

A 3x3 kernel of stride 2 meets pixels of even row and column with 2x2 of its taps, the others with 2x1, 1x2 and one tap. A 7x7 kernel
of stride 2 is four kernels of 4x4, 4x3, 3x4 and 3x3 taps over the pixels of each parity, which are cut into such pieces. Six planes
hold them: each is woven of four sub-images, moved so that every piece meets its pixels. 54 taps do the work of 49.
"""

import numpy as np

__all__ = ["PLANES", "stem_planes", "stem_taps"]

#: Planes that each channel becomes.
PLANES = 6
#: Pieces by (rows, columns): parity of the pixels they meet in the plane, and the taps of the 3x3 kernel.
_PLACES = {(2, 2): (0, 0), (2, 1): (0, 1), (1, 2): (1, 0), (1, 1): (1, 1)}
#: By (rows, columns): parity of row and column in the image and the first offset, in pixels of that parity.
_PIECES = {
    (2, 2): [((1, 1), (row, column)) for row in (-2, 0) for column in (-2, 0)]
    + [((1, 0), (row, -1)) for row in (-2, 0)],
    (2, 1): [((1, 0), (row, 1)) for row in (-2, 0)] + [((0, 0), (-1, column)) for column in (-1, 0, 1)],
    (1, 2): [((0, 1), (row, column)) for row in (-1, 0, 1) for column in (-2, 0)],
    (1, 1): [((0, 0), (1, column)) for column in (-1, 0, 1)],
}


def stem_planes(image):
    """The planes [C * 6, H + 1, W + 1] of an image [C, H, W] with even sides, for a 7x7 kernel with 3 zeros all around."""
    channels, height, width = image.shape
    padded = np.pad(image, ((0, 0), (4, 6), (4, 6)))
    planes = np.zeros((channels, PLANES, height + 2, width + 2), image.dtype)
    for size, pieces in _PIECES.items():
        rows, columns = _PLACES[size]
        for plane, (parity, offset) in enumerate(pieces):
            first = [4 + 2 * moved + odd for moved, odd in zip(offset, parity, strict=True)]
            part = padded[:, first[0] : first[0] + height + 2 : 2, first[1] : first[1] + width + 2 : 2]
            planes[:, plane, rows::2, columns::2] = part
    return planes.reshape(channels * PLANES, height + 2, width + 2)[:, : height + 1, : width + 1]


def stem_taps(weights):
    """The kernels [K, C * 6, 3, 3] for weights [K, C, 7, 7]."""
    outputs, channels = weights.shape[:2]
    taps = np.zeros((outputs, channels, PLANES, 3, 3), weights.dtype)
    for size, pieces in _PIECES.items():
        rows, columns = _PLACES[size]
        for plane, (parity, offset) in enumerate(pieces):
            for row, column in np.ndindex(*size):
                source = [
                    3 + 2 * (moved + at) + odd
                    for moved, at, odd in zip(offset, (row, column), parity, strict=True)
                ]
                taps[:, :, plane, rows + 2 * row, columns + 2 * column] = weights[:, :, *source]
    return taps.reshape(outputs, channels * PLANES, 3, 3)
