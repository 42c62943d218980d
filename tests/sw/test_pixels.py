"""Pixels in real numbers and as the integers that the accelerator reads."""

import numpy as np
import pytest

from sw.pixels import Pixels, pixels_of

PLAIN = Pixels(channels=1, height=2, width=3, offset=(0.0,), gain=(0.5,))
MEANS, DEVIATIONS = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
PHOTOGRAPHS = Pixels(
    channels=3,
    height=4,
    width=5,
    offset=tuple(255 * mean for mean in MEANS),
    gain=tuple(1 / (255 * deviation) for deviation in DEVIATIONS),
)


def test_plain_pixels_are_their_own_integers():
    images = np.arange(6, dtype=np.uint8).reshape(1, 1, 2, 3) + np.uint8(250 - 5)
    assert not PLAIN.signed and PLAIN.scale == 0.5
    assert np.array_equal(PLAIN.integers(images), images.astype(np.int64))


def test_integers_of_normalised_pixels_are_within_half_a_unit():
    images = np.random.default_rng(1).integers(0, 256, (10, 3, 4, 5)).astype(np.uint8)
    integers = PHOTOGRAPHS.integers(images)
    mean, deviation = (np.array(part)[:, None, None] for part in (MEANS, DEVIATIONS))
    real = (images / 255 - mean) / deviation
    assert PHOTOGRAPHS.signed
    assert np.abs(integers * PHOTOGRAPHS.scale - real).max() <= PHOTOGRAPHS.scale / 2 * (1 + 1e-9)


def test_whole_range_of_pixels_fits_and_is_used():
    ends = PHOTOGRAPHS.integers(_ends())
    assert ends.min() >= -128 and ends.max() == 127


def _ends():
    images = np.zeros((2, 3, 4, 5), np.uint8)
    images[1] = 255
    return images


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"height": 0}, "expected 3 channels, offsets and gains of a 0x5 image, got 3 offsets and 3 gains"),
        ({"offset": (0.0,)}, "got 1 offsets and 3 gains"),
        ({"gain": (1.0, 0.0, 1.0)}, "expected gains above 0"),
    ],
)
def test_impossible_pixels_are_refused(changes, message):
    values = {"channels": 3, "height": 4, "width": 5, "offset": (0.0,) * 3, "gain": (1.0,) * 3}
    with pytest.raises(ValueError, match=message):
        Pixels(**(values | changes))


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (
            np.zeros((1, 3, 5, 5), np.uint8),
            r"expected images \[n, 3, 4, 5\] of uint8, got \[1, 3, 5, 5\] of uint8",
        ),
        (np.zeros((1, 3, 4, 5)), "got .* of float64"),
    ],
)
def test_other_images_are_refused(images, message):
    with pytest.raises(ValueError, match=message):
        PHOTOGRAPHS.integers(images)


def test_pixels_as_torchvision_normalises_them():
    pixels = pixels_of(3, 4, 5, mean=(0.1, 0.2, 0.3), std=0.5)
    assert pixels == pixels_of(3, 4, 5, mean=[0.1, 0.2, 0.3], std=[0.5])
    images = np.random.default_rng(3).integers(0, 256, (2, 3, 4, 5))
    expected = (images / 255 - np.array([0.1, 0.2, 0.3])[:, None, None]) / 0.5
    offset, gain = (np.array(part)[:, None, None] for part in (pixels.offset, pixels.gain))
    assert np.allclose((images - offset) * gain, expected)
    assert pixels_of(1, 4, 5) == Pixels(channels=1, height=4, width=5, offset=(0.0,), gain=(1 / 255,))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mean": (0.1, 0.2)}, "expected one mean, or 3, one for each channel, got 2"),
        ({"std": (0.1, 0.0, 0.2)}, "expected std above 0"),
    ],
)
def test_statistics_that_do_not_fit(options, message):
    with pytest.raises(ValueError, match=message):
        pixels_of(3, 4, 5, **options)
