"""Words of the device's memories as the bytes that ``hw.protocol`` sends, and back."""

from typing import NamedTuple

from hw.formats import LAYER_FIELDS, Layer, scale_word_layout
from hw.protocol import Target

__all__ = [
    "CoefficientWord",
    "Scale",
    "decode_layer",
    "decode_lists",
    "decode_scales",
    "encode_layer",
    "encode_list",
    "encode_scales",
    "records",
    "scale_bytes",
]


class CoefficientWord(NamedTuple):
    """Ternary coefficients of one chunk for one ``z``; fields as in ``hw.formats.coefficient_layout``."""

    chunk: int
    basis: int
    map: int
    negative: int
    last: int


class Scale(NamedTuple):
    """Requantisation of one slot; fields as in ``hw.formats.scale_layout``."""

    multiplier: int
    bias: int
    enable: int


#: What a slot without a channel gets.
NO_SCALE = Scale(multiplier=0, bias=0, enable=0)
LAYER_BYTES = 2 * len(LAYER_FIELDS)


def _bytes_for(bits):
    return -(-bits // 8)


def encode_layer(fields):
    """Words of one layer's descriptor, without the unused words after it."""
    return Layer.const(fields).as_bits().to_bytes(LAYER_BYTES, "little")


def decode_layer(data):
    """Fields of one layer; ``ValueError`` if the length is not that of a descriptor."""
    if len(data) != LAYER_BYTES:
        raise ValueError(f"expected a layer of {LAYER_BYTES} bytes, got {len(data)}")
    constant = Layer.from_bits(int.from_bytes(data, "little"))
    return {name: constant[name] for name in LAYER_FIELDS}


def scale_bytes(config):
    """Bytes of one word: ``requantisers`` requantisation entries."""
    return _bytes_for(scale_word_layout(config).size)


def encode_scales(scales, config):
    """Words of entries, a list of ``Scale`` that fills them, each word padded to whole bytes."""
    layout, size, count = scale_word_layout(config), scale_bytes(config), config.requantisers
    if len(scales) % count:
        raise ValueError(f"expected entries in words of {count}, got {len(scales)}")
    words = [scales[at : at + count] for at in range(0, len(scales), count)]
    return b"".join(
        layout.const([scale._asdict() for scale in word]).as_bits().to_bytes(size, "little") for word in words
    )


def decode_scales(data, config):
    """All entries in ``data``, a list of ``Scale``; ``requantisers`` of them are one word of memory."""
    layout, size = scale_word_layout(config), scale_bytes(config)
    if len(data) % size:
        raise ValueError(f"expected words of {size} bytes, got {len(data)} bytes")
    words = [int.from_bytes(data[at : at + size], "little") for at in range(0, len(data), size)]
    if any(word >> layout.size for word in words):
        raise ValueError("expected zeros in the padding of a word of requantisation entries")
    return [
        Scale(*(entry[name] for name in Scale._fields)) for word in words for entry in layout.from_bits(word)
    ]


def encode_list(words, config):
    """One list of coefficient words with its count in front."""
    control_bytes = _bytes_for(config.chunk_bits + config.basis_bits + 1)
    out = bytearray(len(words).to_bytes(2, "little"))
    for word in words:
        control = (
            word.chunk
            | word.basis << config.chunk_bits
            | word.last << (config.chunk_bits + config.basis_bits)
        )
        out += control.to_bytes(control_bytes, "little")
        out += word.map.to_bytes(_bytes_for(config.chunk), "little")
        lanes = [lane for lane in range(config.chunk) if word.map >> lane & 1]
        signs = sum((word.negative >> lane & 1) << at for at, lane in enumerate(lanes))
        out += signs.to_bytes(_bytes_for(len(lanes)), "little")
    return bytes(out)


def decode_lists(data, config):
    """All lists in ``data`` as ``(words, size in bytes)``; ``ValueError`` if they are not well formed."""
    lists, at = [], 0

    def take(count):
        nonlocal at
        if at + count > len(data):
            raise ValueError(f"expected {at + count} bytes of coefficients, got {len(data)}")
        at += count
        return int.from_bytes(data[at - count : at], "little")

    while at < len(data):
        start, words = at, []
        for _ in range(take(2)):
            control = take(_bytes_for(config.chunk_bits + config.basis_bits + 1))
            chunk = control & (1 << config.chunk_bits) - 1
            basis = control >> config.chunk_bits & (1 << config.basis_bits) - 1
            last = control >> (config.chunk_bits + config.basis_bits)
            nonzero = take(_bytes_for(config.chunk))
            lanes = [lane for lane in range(config.chunk) if nonzero >> lane & 1]
            signs = take(_bytes_for(len(lanes)))
            if last > 1 or nonzero >> config.chunk or signs >> len(lanes):
                raise ValueError("expected zeros in the padding of a coefficient word")
            negative = sum((signs >> at & 1) << lane for at, lane in enumerate(lanes))
            words.append(CoefficientWord(chunk, basis, nonzero, negative, last))
        lists.append((words, at - start))
    return lists


def records(section, config):
    """``(words, bytes)`` of each piece of a section that may not be cut, in order."""
    if section.target is Target.COEFFICIENT:
        return [(1 + len(words), size) for words, size in decode_lists(section.data, config)]
    sizes = {Target.PROGRAM: 2, Target.BASIS: config.taps, Target.SCALE: scale_bytes(config), Target.TABLE: 1}
    size = sizes[section.target]
    if len(section.data) % size:
        raise ValueError(f"expected words of {size} bytes, got {len(section.data)} bytes")
    return [(1, size)] * (len(section.data) // size)
