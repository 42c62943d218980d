"""Which PE and row does what: the work of one convolution, spread over passes, PEs and rows.

Slot ``pass * pes + pe`` of the output is made by that PE in that pass; ``sw.ordering`` says which channel lies there. The
rows of a PE share one output channel. All chunks of one ``z`` (output channel, basis) stay in one row, one after the other.
"""

from dataclasses import dataclass

import numpy as np

from .records import CoefficientWord

__all__ = ["Schedule", "channel_efforts", "channel_words", "schedule_convolution"]

#: What a row without work walks: it still has to close every pixel.
IDLE = CoefficientWord(chunk=0, basis=0, map=0, negative=0, last=1)


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """The work of one convolution.

    Attributes
    ----------
    lists : dict of (pe, row) to list of lists of CoefficientWord
        One list for each pass.
    work : tuple of tuple of int
        Steps that each PE needs for one pixel in each pass, 0 without a channel.
    words : int
        Words that the fullest row takes, headers included.
    """

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


def channel_efforts(coefficients, config):
    """What each output channel of ternary coefficients [K, C, M] takes, however the channels are ordered.

    Returns
    -------
    steps : int array [K]
        For one pixel: the MAC takes one ``z`` a step, a row one word.
    words : int array [K]
        In the memories of all rows of its PE, headers included.
    """
    outputs, channels, bases = coefficients.shape
    chunks = -(-channels // config.chunk)
    padded = np.zeros((outputs, chunks * config.chunk, bases), bool)
    padded[:, :channels] = coefficients != 0
    lengths = padded.reshape(outputs, chunks, config.chunk, bases).any(axis=2).sum(axis=1)
    steps, words = [], []
    for of_channel in lengths.tolist():
        intermediates = [[None] * length for length in of_channel if length]
        lists = _share(intermediates, config.rows)
        steps.append(_steps(intermediates, lists))
        words.append(sum(1 + len(entries) for entries in lists))
    return np.array(steps), np.array(words)


def _share(intermediates, rows):
    """Longest first, each to the row that has least: one list of words for each row."""
    lists = [[] for _ in range(rows)]
    for words in sorted(intermediates, key=len, reverse=True):
        min(lists, key=len).extend(words)
    return [words or [IDLE] for words in lists]


def _steps(intermediates, lists):
    return max(1, len(intermediates), *map(len, lists))


def schedule_convolution(coefficients, config):
    """Spread the ternary coefficients [K, C, M] of one layer over the machine, ``K`` in the order of slots.

    Returns
    -------
    Schedule
    """
    taken = {(pe, row): [] for pe in range(config.pes) for row in range(config.rows)}
    filled = dict.fromkeys(taken, 0)
    work = []
    for first in range(0, len(coefficients), config.pes):
        steps = [0] * config.pes
        for pe in range(config.pes):
            lists = [[IDLE]] * config.rows
            if first + pe < len(coefficients):
                intermediates = channel_words(coefficients[first + pe], config.chunk)
                lists = _share(intermediates, config.rows)
                steps[pe] = _steps(intermediates, lists)
            # The emptiest row takes the longest list: the fullest memory sets the size.
            rows = sorted(range(config.rows), key=lambda row: filled[pe, row])
            for row, words in zip(rows, sorted(lists, key=len, reverse=True), strict=True):
                taken[pe, row].append(words)
                filled[pe, row] += 1 + len(words)
        work.append(tuple(steps))
    return Schedule(lists=taken, work=tuple(work), words=max(filled.values()))
