"""The file of the authors of Deep Compression: a small one, and theirs of SqueezeNet."""

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest

from sw.compression.deep.authors_file import (
    FileLayer,
    LayerShape,
    file_bytes,
    parse_file,
    read_file,
    write_file,
)
from sw.zoo.squeezenet import CONVOLUTIONS

SHAPES = (
    LayerShape(name="convolution", weights=(6, 3, 3, 3)),
    LayerShape(name="connected", weights=(5, 61), bits=4),
    LayerShape(name="empty", weights=(2, 40), bits=4),
)


def layers():
    random = np.random.default_rng(3)
    made = []
    for shape, share in zip(SHAPES, (0.5, 0.95, 1.0), strict=True):
        codebook = np.append(0, np.sort(random.normal(size=(1 << shape.bits) - 1))).astype(np.float32)
        codes = random.integers(1, 1 << shape.bits, shape.weights) * (random.random(shape.weights) > share)
        made.append(
            FileLayer(
                shape=shape,
                codebook=codebook,
                bias=random.normal(size=shape.weights[0]).astype(np.float32),
                codes=codes.astype(np.uint8),
            )
        )
    return made


def test_layers_come_back(tmp_path):
    path, written = tmp_path / "small.net", layers()
    write_file(path, written)
    for before, after in zip(written, read_file(path, SHAPES), strict=True):
        for name in ("codebook", "bias", "codes", "weights"):
            assert np.array_equal(getattr(before, name), getattr(after, name)), name
    assert file_bytes(read_file(path, SHAPES)) == path.read_bytes()


def test_bytes_are_those_of_the_format():
    shape = LayerShape(name="one", weights=(1, 24), bits=4)
    codes = np.zeros((1, 24), np.uint8)
    codes[0, [2, 20]] = 3, 9
    layer = FileLayer(
        shape=shape, codebook=np.arange(16, dtype=np.float32), bias=np.ones(1, np.float32), codes=codes
    )
    content = file_bytes([layer])
    # Three codes, 3, filler, 9, behind gaps of 2, 15 and 1; low halves of bytes first.
    assert content[:4] == b"\3\0\0\0" and content[-4:] == bytes([0x03, 0x09, 0xF2, 0x01])
    assert len(content) == 4 + 16 * 4 + 4 + 2 + 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content[:-1], r"small\.net: expected at least \d+ bytes, got \d+"),
        (lambda content: content + b"\0", r"small\.net: expected \d+ bytes, got \d+"),
        (lambda content: content[:3], "expected at least 12 bytes, got 3; give the layers"),
        (lambda content: b"\xff" + content[1:], "expected"),
    ],
)
def test_damaged_files_are_refused(tmp_path, change, message):
    path = tmp_path / "small.net"
    path.write_bytes(change(file_bytes(layers())))
    with pytest.raises(ValueError, match=message):
        read_file(path, SHAPES)


def test_wrong_shapes_are_refused():
    content = file_bytes(layers()[:1])
    with pytest.raises(ValueError, match="layer convolution: expected codes at 108 places, got one at place"):
        parse_file(content, [dataclasses.replace(SHAPES[0], weights=(6, 2, 3, 3))])
    with pytest.raises(ValueError, match="expected codes of 4 or 8 bits, got 5"):
        LayerShape(name="five", weights=(1,), bits=5)


def test_layers_that_do_not_fit_are_refused():
    first = layers()[0]
    for changes, message in (
        ({"bias": first.bias[1:]}, r"layer convolution: expected bias \[6\], got \[5\]"),
        ({"codebook": first.codebook + 1}, "expected a codebook that begins with 0, got 1"),
    ):
        with pytest.raises(ValueError, match=message):
            file_bytes([dataclasses.replace(first, **changes)])


def test_the_authors_squeezenet_comes_back_to_the_byte():
    folder = os.environ.get("FARTHING_DATA")
    path = Path(folder or "", "deep-compressed-squeezenet.net")
    if not folder or not path.exists():
        pytest.skip("needs deep-compressed-squeezenet.net in the folder FARTHING_DATA")
    shapes = [LayerShape(name=name, weights=weights) for name, weights in CONVOLUTIONS]
    read = read_file(path, shapes)
    assert len(read) == 26
    assert sum(layer.codes.size for layer in read) == 1_244_448
    assert sum(np.count_nonzero(layer.weights) for layer in read) == 415_921
    assert file_bytes(read) == path.read_bytes()
