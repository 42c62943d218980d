"""Which PE and row does what: the work of one convolution, spread over passes, PEs and rows.

The rows of a PE share one output channel. All chunks of one ``z`` (output channel, basis) stay in one row, one
after the other. The slowest PE of a pass sets its time, so channels of similar work share a pass.
"""

from dataclasses import dataclass

import numpy as np

from .records import CoefficientWord

__all__ = ["Schedule", "channel_words", "schedule_convolution"]

#: What a row without work walks: it still has to close every pixel.
IDLE = CoefficientWord(chunk=0, basis=0, map=0, negative=0, last=1)


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """The work of one convolution.

    Attributes
    ----------
    channels : tuple of tuple of (int or None)
        Output channel of each PE in each pass.
    lists : dict of (pe, row) to list of lists of CoefficientWord
        One list for each pass.
    work : tuple of tuple of int
        Steps that each PE needs for one pixel in each pass.
    words : int
        Words that the fullest row takes, headers included.
    """

    channels: tuple
    lists: dict
    work: tuple
    words: int


def channel_words(coefficients, chunk):
    """Coefficient words of one output channel, one list for each ``z`` that has any.

    Parameters
    ----------
    coefficients : array [C, M] of -1, 0, 1
    chunk : int
        N, channels of one chunk.
    """
    channels, bases = coefficients.shape
    padded = np.zeros((-(-channels // chunk) * chunk, bases), np.int64)
    padded[:channels] = coefficients
    planes = padded.reshape(-1, chunk, bases)
    found = []
    for basis in range(bases):
        filled = [number for number, plane in enumerate(planes[:, :, basis]) if plane.any()]
        words = []
        for number in filled:
            plane = planes[number, :, basis].tolist()
            nonzero = sum(1 << lane for lane, value in enumerate(plane) if value)
            negative = sum(1 << lane for lane, value in enumerate(plane) if value < 0)
            words.append(CoefficientWord(number, basis, nonzero, negative, int(number == filled[-1])))
        if words:
            found.append(words)
    return found


def _share(intermediates, rows):
    """Longest first, each to the row that has least: one list of words for each row."""
    lists = [[] for _ in range(rows)]
    for words in sorted(intermediates, key=len, reverse=True):
        min(lists, key=len).extend(words)
    return [words or [IDLE] for words in lists]


def _work(intermediates, lists):
    """Steps for one pixel: the MAC takes one ``z`` a step, a row one word."""
    return max(1, len(intermediates), *map(len, lists))


def schedule_convolution(coefficients, config):
    """Spread the ternary coefficients [K, C, M] of one layer over the machine.

    Returns
    -------
    Schedule
    """
    channels = []
    for number, plane in enumerate(coefficients):
        intermediates = channel_words(plane, config.chunk)
        lists = _share(intermediates, config.rows)
        channels.append((_work(intermediates, lists), number, lists))
    channels.sort(key=lambda channel: (-channel[0], channel[1]))

    taken = {(pe, row): [] for pe in range(config.pes) for row in range(config.rows)}
    filled = dict.fromkeys(taken, 0)
    numbers, work = [], []
    for first in range(0, len(channels), config.pes):
        group = channels[first : first + config.pes]
        group += [(0, None, [[IDLE]] * config.rows)] * (config.pes - len(group))
        pass_numbers, pass_work = [None] * config.pes, [0] * config.pes
        # The emptiest PE, and in it the emptiest row, takes the longest lists: the fullest memory sets the size.
        free = list(range(config.pes))
        for steps, number, lists in group:
            pe = min(free, key=lambda pe: sum(filled[pe, row] for row in range(config.rows)))
            free.remove(pe)
            pass_numbers[pe], pass_work[pe] = number, steps
            rows = sorted(range(config.rows), key=lambda row: filled[pe, row])
            for row, words in zip(rows, sorted(lists, key=len, reverse=True), strict=True):
                taken[pe, row].append(words)
                filled[pe, row] += 1 + len(words)
        numbers.append(tuple(pass_numbers))
        work.append(tuple(pass_work))
    return Schedule(channels=tuple(numbers), lists=taken, work=tuple(work), words=max(filled.values()))
