"""Which PE and row does what: the work of one convolution, spread over passes, PEs and rows.

Slot ``pass * pes + pe`` of the output is made by that PE in that pass; ``sw.ordering`` says which channel lies there. The
rows of a PE share one output channel, as ``sw.window.Sharing`` says. All chunks of one ``z`` (output channel, basis) stay in
one row, one after the other.
"""

from dataclasses import dataclass

import numpy as np

from .records import CoefficientWord
from .window import Sharing

__all__ = ["Feed", "Schedule", "channel_efforts", "channel_words", "feed_passes", "schedule_convolution"]

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
        Steps that each PE needs for one position in each pass, 0 without a channel.
    words : int
        Words that the fullest row takes, headers included.
    """

    lists: dict
    work: tuple
    words: int


@dataclass(frozen=True, kw_only=True)
class Feed:
    """Chunks of a pixel that passes are fed: ``chunks`` from ``pass // repeat * step`` on."""

    chunks: int
    step: int
    repeat: int

    def first(self, number):
        """First chunk that pass ``number`` is fed."""
        return number // self.repeat * self.step


def feed_passes(coefficients, config):
    """``Feed`` of ternary coefficients [K, C, M], ``K`` and ``C`` in the order of slots.

    Where channels work for themselves, as in a depthwise convolution, a pass needs only the chunks that hold its own
    slots; otherwise every pass is fed all of them.
    """
    pes, chunk = config.pes, config.chunk
    outputs, channels, _ = coefficients.shape
    everything = Feed(chunks=-(-channels // chunk), step=0, repeat=1)
    if pes % chunk and chunk % pes:
        return everything
    own = Feed(chunks=max(1, pes // chunk), step=max(1, pes // chunk), repeat=max(1, chunk // pes))
    if own.chunks >= everything.chunks:
        return everything
    used = coefficients.any(axis=2)
    for number, first in enumerate(range(0, outputs, pes)):
        needed = np.flatnonzero(used[first : first + pes].any(axis=0)) // chunk - own.first(number)
        if len(needed) and (needed[0] < 0 or needed[-1] >= own.chunks):
            return everything
    return own


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


def channel_efforts(coefficients, config, sharing):
    """What each output channel of ternary coefficients [K, C, M] takes, however the channels are ordered.

    Returns
    -------
    steps : int array [K]
        For one position: the MAC takes one ``z`` a step, or one of every class, a row one word.
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
        lists, of_channel = _share(intermediates, config, sharing)
        steps.append(of_channel)
        words.append(sum(1 + len(entries) for entries in lists))
    return np.array(steps), np.array(words)


def _share(intermediates, config, sharing):
    """One list of words for each row, and the steps that they take for one position.

    Longest first, each ``z`` to the row that has least; in squares, every class of rows makes all of them, for its pixels.
    """
    classes = config.classes
    lists = [[] for _ in range(config.rows)]
    apart = [lists[number::classes] for number in range(classes)] if sharing is Sharing.SQUARES else [lists]
    made = {id(words): 0 for words in lists}
    for rows in apart:
        for words in sorted(intermediates, key=len, reverse=True):
            row = min(rows, key=len)
            row.extend(words)
            made[id(row)] += 1
    of_class = [sum(made[id(row)] for row in lists[number::classes]) for number in range(classes)]
    multiplied = sum(of_class) if sharing is Sharing.TOGETHER else max(of_class)
    steps = max(1, multiplied, *map(len, lists))
    if sharing is Sharing.SQUARES:
        steps *= 4 // classes
    return [words or [IDLE] for words in lists], steps


def _alike(config, sharing):
    """Rows that may have each other's lists: those of a class, all of them where classes mean nothing."""
    rows, classes = range(config.rows), config.classes
    if sharing is Sharing.TOGETHER or (sharing is Sharing.SIDE_BY_SIDE and classes == config.rows):
        return [rows]
    return [rows[number::classes] for number in range(classes)]


def schedule_convolution(coefficients, config, sharing, feed):
    """Spread the ternary coefficients [K, C, M] of one layer over the machine, ``K`` in the order of slots.

    ``feed`` says which chunks a pass is fed; words count from the first of them.

    Returns
    -------
    Schedule
    """
    taken = {(pe, row): [] for pe in range(config.pes) for row in range(config.rows)}
    filled = dict.fromkeys(taken, 0)
    work = []
    for number, first in enumerate(range(0, len(coefficients), config.pes)):
        steps = [0] * config.pes
        fed = slice(feed.first(number) * config.chunk, (feed.first(number) + feed.chunks) * config.chunk)
        for pe in range(config.pes):
            lists = [[IDLE]] * config.rows
            if first + pe < len(coefficients):
                intermediates = channel_words(coefficients[first + pe, fed], config.chunk)
                lists, steps[pe] = _share(intermediates, config, sharing)
            for rows in _alike(config, sharing):
                # The emptiest row takes the longest list: the fullest memory sets the size.
                emptiest = sorted(rows, key=lambda row: filled[pe, row])
                longest = sorted((lists[row] for row in rows), key=len, reverse=True)
                for row, words in zip(emptiest, longest, strict=True):
                    taken[pe, row].append(words)
                    filled[pe, row] += 1 + len(words)
        work.append(tuple(steps))
    return Schedule(lists=taken, work=tuple(work), words=max(filled.values()))
