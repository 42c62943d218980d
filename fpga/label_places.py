"""Places for short texts beside points of a plot, so that none covers another."""

import math

__all__ = ["place_labels"]

#: Directions that are tried, the best first, in turns.
_DIRECTIONS = (0.125, 0.375, 0.875, 0.625, 0.25, 0.75, 0.0, 0.5)
#: Steps outward that are tried, in units of the first.
_STEPS = 8


def place_labels(points, sizes, obstacles, gap):
    """Centre of a text for every point: the nearest free place around it.

    Parameters
    ----------
    points : list of (x, y)
        All lengths are in the same unit, such as pixels.
    sizes : list of (width, height)
        Of each text.
    obstacles : list of (x0, y0, x1, y1)
        Boxes that no text may cover.
    gap : float
        Between a point and its text.

    Returns
    -------
    list of (x, y)
        The last place tried where none is free.
    """
    taken, centres = list(obstacles), []
    for (x, y), (width, height) in zip(points, sizes, strict=True):
        for step, direction in ((step, way) for step in range(1, _STEPS + 1) for way in _DIRECTIONS):
            angle = direction * 2 * math.pi
            centre = (
                x + math.cos(angle) * (gap * step + width / 2),
                y + math.sin(angle) * (gap * step + height / 2),
            )
            box = _box(centre, width, height)
            if not any(_meet(box, other) for other in taken):
                break
        taken.append(box)
        centres.append(centre)
    return centres


def _box(centre, width, height):
    return (
        centre[0] - width / 2,
        centre[1] - height / 2,
        centre[0] + width / 2,
        centre[1] + height / 2,
    )


def _meet(one, other):
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
