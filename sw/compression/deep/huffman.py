"""Canonical Huffman codes of a stream of small integers.

``bitarray`` builds the trees, codes and decodes, in C. ``dahuffman`` has no canonical codes: its table would have to hold every code, where
here the lengths are enough.
"""

from collections import Counter

import numpy as np
from bitarray import bitarray
from bitarray.util import canonical_decode, canonical_huffman, int2ba

__all__ = ["LENGTH_BITS", "coded_bits", "decode", "encode", "entropy"]

#: Of the length of a code: a stream of fewer than 2**32 symbols has none longer than 46 bits.
LENGTH_BITS = 6


def encode(symbols, alphabet):
    """A stream, coded by a code of its own.

    Parameters
    ----------
    symbols : array
        Integers from 0 to below ``alphabet``, [n].
    alphabet : int

    Returns
    -------
    lengths : array
        uint8 [alphabet]: of the code of each symbol in bits, 0 where a symbol does not occur. The code follows from it.
    bits : bitarray
    """
    lengths, bits = np.zeros(alphabet, np.uint8), bitarray(endian="big")
    numbers = Counter(np.asarray(symbols).tolist())
    if not numbers:
        return lengths, bits
    # The order of a dictionary decides between trees that are as good.
    tree, _, _ = canonical_huffman({symbol: numbers[symbol] for symbol in sorted(numbers)})
    for symbol, code in tree.items():
        lengths[symbol] = len(code)
    bits.encode(_codes(lengths), np.asarray(symbols).tolist())
    return lengths, bits


def decode(lengths, bits):
    """The symbols, uint8 [n], of what ``encode`` gave."""
    symbols = _order(lengths)
    if not symbols:
        return np.zeros(0, np.uint8)
    counts = np.bincount(lengths[symbols]).tolist()
    return np.array(list(canonical_decode(bits, counts, symbols)), np.uint8)


def _order(lengths):
    """Symbols that have a code, those of short codes first, of one length as they are numbered: each code is the one before and one more."""
    used = np.flatnonzero(lengths)
    return used[np.argsort(lengths[used], kind="stable")].tolist()


def _codes(lengths):
    codes, number, before = {}, -1, 0
    for symbol in _order(lengths):
        number = (number + 1) << (int(lengths[symbol]) - before)
        before = int(lengths[symbol])
        codes[symbol] = int2ba(number, before, endian="big")
    return codes


def coded_bits(symbols, alphabet):
    """Bits of a stream and of the table of its code, ``LENGTH_BITS`` for each symbol of the alphabet."""
    numbers = np.bincount(symbols, minlength=alphabet)
    lengths, _ = encode(symbols, alphabet)
    return int(numbers @ lengths), LENGTH_BITS * alphabet


def entropy(symbols):
    """Bits that no code of single symbols can go below."""
    numbers = np.bincount(symbols)
    numbers = numbers[numbers > 0]
    return float(-(numbers * np.log2(numbers / numbers.sum())).sum()) if len(numbers) else 0.0
