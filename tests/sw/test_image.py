import dataclasses
import hashlib
import json
import os
import struct

import numpy as np
import pytest

from hw.config import PRESETS, Config
from sw.compiler import compile_network
from sw.image import IMAGE_VERSION, MAGIC, ImageError, image_bytes, parse_image, read_image, write_image
from sw.network import Convolution, IntegerNetwork, MaxPool, TensorInfo
from sw.pixels import pixels_of

from .layers import with_tables
from .networks import random_network

START = struct.Struct("<8sHIQ")


def small_program():
    info = TensorInfo(channels=1, height=2, width=2, signed=False)
    layer = Convolution(
        name="only",
        input="input",
        coefficients=np.array([[[1]], [[-1]]], np.int8),
        bases=np.array([[[3]]], np.int8),
        stride=1,
        padding=(0, 0, 0, 0),
        multiplier=np.array([1, 2]),
        bias=np.array([-3, 4]),
        shift=4,
        low=0,
        high=255,
    )
    network = IntegerNetwork(name="small", input=info, input_scale=0.1, layers=(layer,))
    return compile_network(network, Config.preset("tiny"))


def sealed(header, data=None, content=None):
    """An image with this header: all is right but what the header says."""
    if data is None:
        header_length = START.unpack_from(content)[2]
        data = content[START.size + header_length : -32]
    length = START.size + len(header) + len(data) + 32
    start = START.pack(MAGIC, IMAGE_VERSION, len(header), length) + header + data
    return start + hashlib.sha256(start).digest()


@pytest.mark.parametrize(
    ("preset", "seed"), [(preset, seed) for preset in PRESETS for seed in range(4)], ids=str
)
def test_written_and_read(preset, seed, tmp_path):
    config = with_tables(PRESETS[preset])
    program = compile_network(random_network(seed, config), config)
    path = tmp_path / "network.farthing"
    write_image(path, program)
    assert read_image(path) == program
    assert os.listdir(tmp_path) == ["network.farthing"]
    again = compile_network(random_network(seed, config), config)
    assert image_bytes(again) == path.read_bytes()


def test_pixels_are_kept(tmp_path):
    pixels = pixels_of(1, 2, 2, mean=[0.3], std=[0.2])
    program = dataclasses.replace(small_program(), pixels=pixels)
    write_image(tmp_path / "x", program)
    assert read_image(tmp_path / "x").pixels == pixels
    other = dataclasses.replace(program, pixels=pixels_of(1, 2, 3))
    with pytest.raises(ImageError, match=r"expected pixels of shape \(1, 2, 2\), got \(1, 2, 3\)"):
        parse_image(image_bytes(other))


def test_every_flipped_bit_is_noticed():
    content = image_bytes(small_program())
    for at in range(len(content)):
        damaged = bytearray(content)
        damaged[at] ^= 1 << at % 8
        with pytest.raises(ImageError) as caught:
            parse_image(bytes(damaged))
        assert "\n" not in str(caught.value)


def test_every_truncation_is_noticed():
    content = image_bytes(small_program())
    for length in range(1, len(content)):
        with pytest.raises(ImageError, match=f"truncated: expected .* bytes, got {length}$"):
            parse_image(content[:length])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: b"", "not a farthing image: expected it to start with b'FARTHING', got b''"),
        (lambda content: b"PK" + content[2:], "not a farthing image"),
        (
            lambda content: content[:8] + b"\x03" + content[9:],
            "made by a newer version: expected format 2, got 3",
        ),
        (lambda content: content[:8] + b"\x00" + content[9:], "made by an unknown version"),
        (lambda content: content + b"\x00", "too long: expected [0-9]+ bytes"),
        (lambda content: content[:-40] + b"\x55" + content[-39:], "checksum mismatch: the file is damaged"),
    ],
)
def test_messages(change, message, tmp_path):
    path = tmp_path / "bad.farthing"
    path.write_bytes(change(image_bytes(small_program())))
    with pytest.raises(ImageError, match=rf"bad\.farthing: {message}"):
        read_image(path)


def header_of(content):
    return json.loads(content[START.size : START.size + START.unpack_from(content)[2]])


def headers():
    """Well sealed images whose headers are wrong, by what is wrong."""
    content = image_bytes(small_program())

    def cases(value, path):
        """Every value of the header replaced, every key removed."""
        if isinstance(value, dict | list):
            for key in list(value) if isinstance(value, dict) else range(len(value)):
                yield from cases(value[key], [*path, key])
        for other in (None, "wrong", -1, 1 << 70, [], {}):
            yield path, other

    for path, other in cases(header_of(content), []):
        header = header_of(content)
        if not path:
            header = other
        else:
            place = header
            for key in path[:-1]:
                place = place[key]
            place[path[-1]] = other
        yield path, other, sealed(json.dumps(header).encode(), content=content)


def test_wrong_headers_raise_nothing_else():
    refused = 0
    for path, other, content in headers():
        try:
            parse_image(content)
        except ImageError as error:
            assert str(error).startswith("malformed header: "), (path, other)
            refused += 1
    assert refused > 400


@pytest.mark.parametrize("header", [b"", b"{", b"\xff\xfe", b"[" * 100000, b"{}", b"null"])
def test_no_header_at_all(header):
    with pytest.raises(ImageError, match=r"^malformed header: "):
        parse_image(sealed(header, content=image_bytes(small_program())))


@pytest.mark.parametrize(
    ("order", "message"),
    [
        ([0, 0], r"tensor only: expected each of 2 channels once, got \(0, 0\)"),
        ([1, 0, 2], r"tensor only: expected the channels of 2 slots, got \(1, 0, 2\)"),
        ([], r"tensor only: expected the channels of 2 slots, got \(\)"),
        ([0, "1"], "expected a number from -1 on, got '1'"),
        ([0, -2], "expected a number from -1 on, got -2"),
        ([0, -1], r"expected tensors as the layers make them, got .*'only': \(2, 2, 2\)"),
    ],
)
def test_wrong_order_of_channels(order, message):
    content = image_bytes(small_program())
    header = header_of(content)
    header["tensors"]["only"]["order"] = order
    with pytest.raises(ImageError, match=f"^malformed header: ValueError: {message}"):
        parse_image(sealed(json.dumps(header).encode(), content=content))


@pytest.mark.parametrize("numbers", [[1], [-1], ["0"], [0, 0]])
def test_wrong_layers_of_steps(numbers):
    content = image_bytes(small_program())
    header = header_of(content)
    header["step_layers"] = numbers
    with pytest.raises(ImageError, match=r"^malformed header: "):
        parse_image(sealed(json.dumps(header).encode(), content=content))


def test_tied_tensors_must_keep_their_order():
    info = TensorInfo(channels=3, height=2, width=2, signed=False)
    pool = MaxPool(name="pool", input="input", window=(2, 2), stride=2)
    network = IntegerNetwork(name="tied", input=info, input_scale=0.1, layers=(pool,))
    content = image_bytes(compile_network(network, Config.preset("tiny")))
    header = header_of(content)
    header["tensors"]["pool"]["order"] = [1, 0, 2]
    with pytest.raises(ImageError, match=r"tensor pool: expected the order of input, got \(1, 0, 2\)"):
        parse_image(sealed(json.dumps(header).encode(), content=content))


def test_damaged_sections_under_a_good_checksum():
    content = image_bytes(small_program())
    start = START.size + START.unpack_from(content)[2]
    header, data = content[START.size : start], content[start:-32]
    for at in range(len(data)):
        damaged = bytearray(data)
        damaged[at] ^= 0xFF
        try:
            parse_image(sealed(header, bytes(damaged)))
        except ImageError as error:
            assert str(error).startswith("malformed header: ")


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "network.farthing"
    program = small_program()
    write_image(path, program)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="JSON"):
        write_image(path, dataclasses.replace(program, input_scale=float("nan")))
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["network.farthing"]
