"""Pixel closer: no value is lost, no pixel is joined with another, and zeros stay only where a pixel has nothing else."""

import numpy as np
import pytest

from hw.closing import PixelCloser
from hw.config import Config
from hw.formats import z_layout

from .streams import TRAFFIC, payloads, stream_run, stream_transform

CONFIG = Config.preset("tiny")


def random_z(seed, pixels):
    """What a row makes for ``pixels`` pixels: non-zeros, and a zero only where it ends a pixel."""
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(pixels):
        values = rng.integers(1, 500, int(rng.integers(0, 4))) * rng.choice([-1, 1])
        zero_last = len(values) == 0 or rng.random() < 0.5
        values = [*values.tolist(), 0] if zero_last else values.tolist()
        for index, value in enumerate(values):
            rows.append(
                (value, int(value != 0), int(rng.integers(CONFIG.bases)), int(index == len(values) - 1))
            )
    names = ("z", "nonzero", "basis", "end")
    return {name: np.array(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}


def pixels_of(rows):
    """Non-zeros with their basis, pixel by pixel, and how many zeros came with each pixel."""
    pixels, current, zeros = [], [], 0
    for row in rows:
        if row["nonzero"]:
            current.append((row["z"], row["basis"]))
        else:
            zeros += 1
        if row["end"]:
            pixels.append((current, zeros))
            current, zeros = [], 0
    assert not current and not zeros
    return pixels


@pytest.mark.parametrize("traffic", TRAFFIC)
def test_closes_pixels(traffic):
    z = random_z(81, 80)
    sent = payloads(z_layout(CONFIG), z)
    expected = payloads(z_layout(CONFIG), PixelCloser.model(z))
    assert len(expected) < len(sent)
    got = stream_transform(PixelCloser(CONFIG), sent, outputs=len(expected), seed=82, **TRAFFIC[traffic])
    assert got == expected
    before, after = pixels_of(sent), pixels_of(got)
    assert [values for values, _ in before] == [values for values, _ in after]
    assert all(zeros == (0 if values else 1) for values, zeros in after)


def test_throughput_is_one_a_cycle():
    z = random_z(83, 60)
    sent = payloads(z_layout(CONFIG), z)
    run = stream_run(PixelCloser(CONFIG), sent, outputs=len(PixelCloser.model(z)["z"]))
    assert run.accepted == list(range(run.accepted[0], run.accepted[0] + len(sent)))
