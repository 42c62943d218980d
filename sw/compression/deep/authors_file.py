"""The file that the authors of Deep Compression publish networks in: codebooks, biases, codes and gaps, without Huffman coding.

First comes, for every layer, how many codes are stored (uint32); then, layer after layer, the codebook (float32, of which the first entry
is 0), the biases (float32), the codes, and the gaps before them in 4 bits; all of it little-endian, and codes and gaps packed from the
low bits of a byte up. Names and shapes are not in it.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...files import replace_file
from .relative import from_relative, to_relative

__all__ = ["FileLayer", "LayerShape", "file_bytes", "parse_file", "read_file", "write_file"]

#: Of a gap.
GAP_BITS = 4
#: Of a code that the format has.
_CODE_BITS = (4, 8)
_FLOAT, _COUNT = np.dtype("<f4"), np.dtype("<u4")


@dataclass(frozen=True, kw_only=True)
class LayerShape:
    """What a reader must know of a layer.

    Raises
    ------
    ValueError
        If there is no such width.
    """

    name: str
    #: K, C / groups, R and S; a fully connected layer has K and C.
    weights: tuple[int, ...]
    #: Of a code: the authors' networks have 8 for convolutions, 4 for fully connected layers.
    bits: int = 8

    def __post_init__(self):
        if self.bits not in _CODE_BITS:
            raise ValueError(f"layer {self.name}: expected codes of 4 or 8 bits, got {self.bits}")


@dataclass(frozen=True, kw_only=True, eq=False)
class FileLayer:
    """A layer in such a file."""

    shape: LayerShape
    #: float32 [2**bits]; the first one is 0.
    codebook: np.ndarray
    #: float32 [K].
    bias: np.ndarray
    #: uint8, of the shape of the weights: entries of the codebook, 0 for no weight.
    codes: np.ndarray

    @property
    def weights(self):
        """float32."""
        return self.codebook[self.codes]


def parse_file(content, shapes):
    """Layers of a file's content.

    Parameters
    ----------
    content : bytes
    shapes : sequence of LayerShape
        In the order of the file.

    Returns
    -------
    list of FileLayer

    Raises
    ------
    ValueError
        If the content does not have the length that it says, or a place lies outside of its layer.
    """
    reader = _Reader(content)
    counts = reader.numbers(_COUNT, len(shapes))
    layers = []
    for shape, count in zip(shapes, counts.tolist(), strict=True):
        codebook = reader.numbers(_FLOAT, 1 << shape.bits)
        bias = reader.numbers(_FLOAT, shape.weights[0])
        stored = _unpacked(reader.numbers(np.uint8, _length(count, shape.bits)), shape.bits, count)
        gaps = _unpacked(reader.numbers(np.uint8, _length(count, GAP_BITS)), GAP_BITS, count)
        try:
            codes = from_relative(stored, gaps, int(np.prod(shape.weights)))
        except ValueError as error:
            raise ValueError(f"layer {shape.name}: {error}; give the shapes of this network") from None
        layers.append(
            FileLayer(shape=shape, codebook=codebook, bias=bias, codes=codes.reshape(shape.weights))
        )
    reader.end()
    return layers


def file_bytes(layers):
    """The content of a file with ``layers``; the same layers give the same bytes.

    Raises
    ------
    ValueError
        If an array of a layer does not fit its shape, or its codebook does not begin with 0.
    """
    counts, parts = [], []
    for layer in layers:
        shape = layer.shape
        wanted = {"codebook": (1 << shape.bits,), "bias": shape.weights[:1], "codes": shape.weights}
        for name, extents in wanted.items():
            if getattr(layer, name).shape != extents:
                raise ValueError(
                    f"layer {shape.name}: expected {name} {list(extents)}, got {list(getattr(layer, name).shape)}"
                )
        if layer.codebook[0] != 0:
            raise ValueError(
                f"layer {shape.name}: expected a codebook that begins with 0, got {layer.codebook[0]}"
            )
        stored, gaps = to_relative(layer.codes.reshape(-1), GAP_BITS)
        counts.append(len(stored))
        parts += [layer.codebook.astype(_FLOAT).tobytes(), layer.bias.astype(_FLOAT).tobytes()]
        parts += [_packed(stored, shape.bits), _packed(gaps, GAP_BITS)]
    return np.array(counts, _COUNT).tobytes() + b"".join(parts)


def read_file(path, shapes):
    """As ``parse_file``, of a file, whose name is in every message."""
    try:
        return parse_file(Path(path).read_bytes(), shapes)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def write_file(path, layers):
    """Write ``layers`` to a file; an error leaves what was there before."""
    replace_file(path, file_bytes(layers))


class _Reader:
    def __init__(self, content):
        self._content, self._place = content, 0

    def numbers(self, dtype, count):
        length = np.dtype(dtype).itemsize * count
        self._place += length
        if self._place > len(self._content):
            raise ValueError(
                f"expected at least {self._place} bytes, got {len(self._content)}; give the layers of this network"
            )
        return np.frombuffer(self._content, dtype, count, self._place - length)

    def end(self):
        if self._place != len(self._content):
            raise ValueError(
                f"expected {self._place} bytes, got {len(self._content)}; give the layers of this network"
            )


def _length(count, bits):
    """Bytes of ``count`` numbers."""
    return -(-count * bits // 8)


def _unpacked(content, bits, count):
    if bits == 8:
        return content
    return np.stack((content & 15, content >> 4), 1).reshape(-1)[:count]


def _packed(numbers, bits):
    if bits == 8:
        return numbers.astype(np.uint8).tobytes()
    padded = np.append(numbers, np.zeros(len(numbers) % 2, numbers.dtype)).astype(np.uint8).reshape(-1, 2)
    return (padded[:, 0] | padded[:, 1] << 4).tobytes()
