"""Fills the memories of a device: bases, requantisation entries, coefficients, activation tables."""

import numpy as np

from hw.formats import LAYER_WORDS
from hw.protocol import MAXIMUM_PAYLOAD, Target

from .program import Section
from .records import NO_SCALE, Scale, encode_layer, encode_list, encode_scales
from .window import Sharing

__all__ = ["Memories", "limit"]

#: Bytes before the data of a ``LOAD``: target, index, address.
_LOAD_HEADER = 4


def limit(got, most, what, advice="take a configuration with a larger one"):
    """Raise ``ValueError`` that says what to do if there is more than ``most`` of something."""
    if got > most:
        raise ValueError(f"expected at most {most} {what}, got {got}; {advice}")


class Memories:
    """Takes what the layers need, one after the other; each ``add`` gives the fields of a layer that say where it lies."""

    def __init__(self, config):
        self._config = config
        self._bases = []
        self._scales = []
        self._lists = []
        self._coefficient_words = 0
        #: Bytes of each table, in order.
        self._tables = []

    def add_bases(self, layer, sharing):
        """Kernels go to the bottom right of the taps: what lies before them is padding.

        Where multipliers are shared side by side, a 1x1 kernel goes to a tap of every class.
        Bases of their own come slot after slot, and every PE of every pass has some.
        """
        config, (count, kernel_height, kernel_width) = self._config, layer.bases.shape[-3:]
        limit(count, config.bases, "bases in a layer (bases)")
        base = len(self._bases)
        bases = layer.bases.reshape(-1, kernel_height, kernel_width)
        slots = -(-len(layer.coefficients) // config.pes) * config.pes if layer.own_bases else 1
        taps = np.zeros((slots * count, config.kernel_height, config.kernel_width), np.int8)
        taps[: len(bases), config.kernel_height - kernel_height :, config.kernel_width - kernel_width :] = (
            bases
        )
        if sharing is Sharing.SIDE_BY_SIDE:
            taps[: len(bases), -1 if config.classes == 2 else -2 :, -2:] = bases
        self._bases += list(taps)
        limit(len(self._bases), config.basis_words, "bases of all layers (basis_words)")
        return {"basis_base": base, "basis_count": count, "basis_own": int(layer.own_bases)}

    def add_scales(self, multipliers, biases, slots):
        """One entry a slot; ``slots`` of all passes fill their words."""
        config = self._config
        base = len(self._scales) // config.requantisers
        scales = [Scale(*entry, 1) for entry in zip(multipliers, biases, strict=True)]
        self._scales += [*scales, *[NO_SCALE] * (slots - len(scales))]
        limit(
            len(self._scales) // config.requantisers,
            config.scale_words,
            f"words of {config.requantisers} requantisation entries of all layers (scale_words)",
        )
        return {"scale_base": base}

    def add_coefficients(self, schedule):
        """The lists of every row, those of all passes together."""
        config, base = self._config, self._coefficient_words
        self._coefficient_words += schedule.words
        limit(
            self._coefficient_words,
            config.coefficient_words,
            "words of coefficients in a row, of all layers (coefficient_words)",
            "take a configuration with a larger one, or make more coefficients zero",
        )
        for (pe, row), lists in schedule.lists.items():
            encoded = [encode_list(words, config) for words in lists]
            limit(max(map(len, encoded)) + _LOAD_HEADER, MAXIMUM_PAYLOAD, "bytes in one list of coefficients")
            self._lists.append((Target.COEFFICIENT, pe * config.rows + row, base, b"".join(encoded)))
        return {"coefficient_base": base}

    def add_table(self, table):
        """256 entries for all requantisers; layers of equal tables share one. ``None`` takes nothing."""
        if table is None:
            return {"table": 0}
        if not self._config.tables:
            raise ValueError(
                "expected no activation table, as the configuration has none (tables), got one; "
                "take a configuration with tables, or ReLU"
            )
        entries = bytes(np.asarray(table).astype(np.uint8))
        if entries not in self._tables:
            self._tables.append(entries)
            limit(
                len(self._tables),
                self._config.tables,
                "different activation tables (tables)",
                "take a configuration with more tables, or the same activation function in more layers",
            )
        return {"table": 1 + self._tables.index(entries)}

    def sections(self, steps):
        """Everything that was added, and the descriptors ``steps``, as a tuple of ``Section``."""
        sections = [
            (Target.PROGRAM, 0, number * LAYER_WORDS, encode_layer(fields))
            for number, fields in enumerate(steps)
        ]
        if self._bases:
            sections.append((Target.BASIS, 0, 0, b"".join(basis.tobytes() for basis in self._bases)))
        if self._scales:
            sections.append((Target.SCALE, 0, 0, encode_scales(self._scales, self._config)))
        if self._tables:
            sections.append((Target.TABLE, 0, 0, b"".join(self._tables)))
        sections += self._lists
        return tuple(
            Section(target=target, index=index, address=address, data=data)
            for target, index, address, data in sections
        )
