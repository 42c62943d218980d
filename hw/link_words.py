"""The words of the memories, and how a ``LOAD`` carries them."""

from amaranth.hdl import Shape
from amaranth.lib import data

from .config import ACTIVATION_BITS
from .formats import (
    LAYER_WORDS,
    Bank,
    basis_layout,
    coefficient_layout,
    dense_layout,
    header_layout,
    scale_word_layout,
)
from .protocol import Target

__all__ = ["LoadFormat", "write_layout"]


def _bits(layout):
    return Shape.cast(layout).width


def _bytes(bits):
    return -(-bits // 8)


def write_layout(config):
    """One memory word: ``data`` holds the word of the target in its low bits, zero above.

    ``index`` is the bank of ``ACTIVATION``, ``pe * rows + row`` of ``COEFFICIENT``, zero elsewhere.
    """
    layouts = (basis_layout, scale_word_layout, header_layout, coefficient_layout, dense_layout)
    width = max(16, *(_bits(layout(config)) for layout in layouts))
    return data.StructLayout({"target": Target, "index": 8, "address": 16, "data": width})


class LoadFormat:
    """Sizes of everything in the data of a ``LOAD``, and the words they mean.

    Parameters
    ----------
    config : Config
        Configuration.
    """

    def __init__(self, config):
        self.config = config

    @property
    def control_bytes(self):
        """Bytes of the control field of a coefficient record."""
        return _bytes(self.control_bits)

    @property
    def mask_bytes(self):
        """Bytes of a mask or map."""
        return _bytes(self.config.chunk)

    @property
    def control_bits(self):
        """Bits of the control field that mean something."""
        return self.config.chunk_bits + self.config.basis_bits + 1

    @property
    def fixed_bytes(self):
        """Bytes of a word, or of the part of a word that comes before its packed values, by target."""
        return {
            Target.PROGRAM: 2,
            Target.BASIS: _bytes(self.word_bits[Target.BASIS]),
            Target.SCALE: _bytes(self.word_bits[Target.SCALE]),
            Target.COEFFICIENT: self.control_bytes + self.mask_bytes,
            Target.ACTIVATION: self.mask_bytes,
            Target.TABLE: _bytes(self.word_bits[Target.TABLE]),
        }

    @property
    def word_bits(self):
        """Bits of a word, by target; of a list's first word for ``COEFFICIENT``."""
        return {
            Target.PROGRAM: 16,
            Target.BASIS: _bits(basis_layout(self.config)),
            Target.SCALE: _bits(scale_word_layout(self.config)),
            Target.COEFFICIENT: _bits(header_layout(self.config)),
            Target.ACTIVATION: _bits(dense_layout(self.config)),
            Target.TABLE: ACTIVATION_BITS,
        }

    @property
    def depths(self):
        """Words of each memory, as far as an address reaches, by target."""
        words = {
            Target.PROGRAM: self.config.layers * LAYER_WORDS,
            Target.BASIS: self.config.basis_words,
            Target.SCALE: self.config.scale_words,
            Target.COEFFICIENT: self.config.coefficient_words,
            Target.ACTIVATION: self.config.activation_words,
            Target.TABLE: self.config.table_words,
        }
        return {target: min(depth, 1 << 16) for target, depth in words.items()}

    @property
    def indices(self):
        """Memories of each target."""
        return {
            Target.PROGRAM: 1,
            Target.BASIS: 1,
            Target.SCALE: 1,
            Target.COEFFICIENT: min(self.config.pes * self.config.rows, 256),
            Target.ACTIVATION: len(Bank),
            Target.TABLE: min(self.config.tables, 1),
        }

    def words(self, target, content):
        """Words that a load's data start with, as integers, and whether the data end with the last of them.

        Parameters
        ----------
        target : Target
        content : bytes

        Returns
        -------
        words : list of int
        complete : bool
        """
        config = self.config
        words, position, records = [], 0, 0

        def take(count):
            nonlocal position
            if position + count > len(content):
                raise EOFError
            position += count
            return int.from_bytes(content[position - count : position], "little")

        def scatter(mask, values, bits):
            dense = 0
            for lane in range(config.chunk):
                if mask >> lane & 1:
                    dense |= (values & ((1 << bits) - 1)) << (lane * bits)
                    values >>= bits
            return dense

        try:
            while position < len(content) or records:
                if target == Target.COEFFICIENT and not records:
                    records = take(2)
                    words.append(records & ((1 << self.word_bits[target]) - 1))
                elif target == Target.COEFFICIENT:
                    control = take(self.control_bytes)
                    mask = take(self.mask_bytes) & ((1 << config.chunk) - 1)
                    signs = scatter(mask, take(_bytes(mask.bit_count())), 1)
                    control &= (1 << self.control_bits) - 1
                    words.append(control << (2 * config.chunk) | signs << config.chunk | mask)
                    records -= 1
                elif target == Target.ACTIVATION:
                    mask = take(self.mask_bytes) & ((1 << config.chunk) - 1)
                    words.append(scatter(mask, take(mask.bit_count()), ACTIVATION_BITS))
                else:
                    words.append(take(self.fixed_bytes[target]) & ((1 << self.word_bits[target]) - 1))
        except EOFError:
            return words, False
        return words, True
