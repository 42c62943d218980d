import numpy as np
import pytest

from sw import sparsemap

SIZES = [2, 4, 8, 16, 64]
shapes = pytest.mark.parametrize(
    "shape", [(1, 1, 1), (3, 4, 5), (16, 2, 3), (17, 3, 2), (130, 1, 2)], ids=str
)
sizes = pytest.mark.parametrize("size", SIZES)


def random_tensor(shape, signed, seed, zeros=0.5):
    random = np.random.default_rng(seed)
    tensor = random.integers(-128 if signed else 0, 128 if signed else 256, shape)
    return np.where(random.random(shape) < zeros, 0, tensor)


@shapes
@sizes
@pytest.mark.parametrize("signed", [False, True], ids=["unsigned", "signed"])
def test_tensor_to_link_and_back(shape, size, signed):
    tensor = random_tensor(shape, signed, seed=size)
    encoded = sparsemap.to_bytes(*sparsemap.encode(sparsemap.split_chunks(tensor, size)))
    assert len(encoded) == -(-shape[0] // size) * shape[1] * shape[2]
    chunks = sparsemap.decode(*sparsemap.from_bytes(b"".join(encoded), size))
    np.testing.assert_array_equal(sparsemap.join_chunks(chunks, shape, signed), tensor)


@sizes
@pytest.mark.parametrize("zeros", [0.0, 0.5, 1.0])
def test_form_of_a_chunk(size, zeros):
    for row in sparsemap.split_chunks(random_tensor((size, 3, 3), True, 7, zeros), size):
        (encoded,) = sparsemap.to_bytes(*sparsemap.encode(row[None]))
        expected = sum(1 << lane for lane, value in enumerate(row) if value).to_bytes(-(-size // 8), "little")
        assert encoded == expected + bytes(value for value in row.tolist() if value)


def test_known_chunk():
    mask, values = sparsemap.encode([[0, 7, 0, 255]])
    assert (mask.tolist(), values.tolist()) == ([[0b1010]], [[7, 255, 0, 0]])
    assert sparsemap.to_bytes(mask, values) == [bytes([0b1010, 7, 255])]


def test_chunks_lie_pixel_by_pixel():
    tensor = np.arange(3 * 2 * 2).reshape(3, 2, 2)
    assert sparsemap.split_chunks(tensor, 2)[:4].tolist() == [[0, 4], [8, 0], [1, 5], [9, 0]]


def test_lanes_above_the_last_channel_are_ignored():
    chunks = np.full((4, 4), 0xFF, np.uint8)
    np.testing.assert_array_equal(sparsemap.join_chunks(chunks, (3, 2, 2), True), np.full((3, 2, 2), -1))


@pytest.mark.parametrize("data", [b"\x03\x01", b"\x10", b"\xff\x01\x02\x03\x04\x05\x06\x07\x08", b"\x00\x01"])
def test_damaged_bytes_are_refused(data):
    with pytest.raises(ValueError, match=f"expected whole chunks of 4 channels, got {len(data)} bytes"):
        sparsemap.from_bytes(data, 4)


def test_wrong_shape_is_refused():
    with pytest.raises(ValueError, match=r"expected whole chunks of a 5x1x1 tensor, got \(1, 4\)"):
        sparsemap.join_chunks(np.zeros((1, 4), np.uint8), (5, 1, 1), False)
