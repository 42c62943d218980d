"""Places of the numbers that are not zero, each as the zeros since the one before (section 2 of the paper)."""

import numpy as np

__all__ = ["from_relative", "to_relative"]


def to_relative(codes, bits):
    """What is stored of ``codes``, most of which are 0.

    A gap counts the zeros since the code stored before. Where it would not fit ``bits`` bits, a filler is stored: the code 0 after the
    longest gap. Zeros behind the last code are not stored.

    Parameters
    ----------
    codes : array
        Unsigned integers [n], 0 for no weight.
    bits : int
        Of a gap, from 1 to 8.

    Returns
    -------
    codes : array
        Those stored, of the same dtype [m].
    gaps : array
        uint8 [m].
    """
    longest = (1 << bits) - 1
    places = np.flatnonzero(codes)
    zeros = np.diff(places, prepend=-1) - 1
    fillers, rest = np.divmod(zeros, longest + 1)
    ends = np.cumsum(fillers + 1) - 1
    count = int(ends[-1]) + 1 if len(ends) else 0
    stored, gaps = np.zeros(count, codes.dtype), np.full(count, longest, np.uint8)
    stored[ends], gaps[ends] = codes[places], rest
    return stored, gaps


def from_relative(stored, gaps, count):
    """The ``count`` codes that ``to_relative`` was given.

    Raises
    ------
    ValueError
        If they end beyond ``count``.
    """
    places = np.cumsum(gaps.astype(np.int64) + 1) - 1
    if len(places) and places[-1] >= count:
        raise ValueError(f"expected codes at {count} places, got one at place {places[-1] + 1}")
    codes = np.zeros(count, stored.dtype)
    codes[places] = stored
    return codes
