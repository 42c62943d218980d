"""Where numbers stand: which selections of channels, steps and padding are recognised, and which are none."""

import numpy as np
import pytest

from sw.importing.places import LOWEST, ZERO, Selection, find_axes, find_selection, straight

SHAPE = (4, 6, 5)


@pytest.mark.parametrize("seed", range(40))
def test_random_selections_are_found(seed):
    random = np.random.default_rng(seed)
    shape = tuple(int(extent) for extent in random.integers(1, 7, 3))
    channels = tuple(int(channel) for channel in random.integers(-1, shape[0], random.integers(1, 6)))
    if set(channels) == {ZERO}:
        channels = (0,)
    step = int(random.integers(1, 4))
    padding = tuple(int(amount) for amount in random.integers(0, 3, 4))
    top, left, bottom, right = padding
    places = np.full((len(channels), *shape[1:]), ZERO)
    for index, channel in enumerate(channels):
        if channel != ZERO:
            places[index] = straight(shape)[channel]
    places = np.pad(places[:, ::step, ::step], ((0, 0), (top, bottom), (left, right)), constant_values=ZERO)
    found = find_selection(places, shape)
    assert (found.channels, found.padding, found.fill) == (channels, padding, ZERO)
    # Several steps may take the same.
    assert np.array_equal(
        straight(shape)[:, :: found.step, :: found.step], straight(shape)[:, ::step, ::step]
    )


def test_padding_with_the_lowest():
    places = np.pad(straight(SHAPE), ((0, 0), (1, 0), (0, 2)), constant_values=LOWEST)
    assert find_selection(places, SHAPE) == Selection(
        channels=(0, 1, 2, 3), step=1, padding=(1, 0, 0, 2), fill=LOWEST
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda places: places[:, 1:],
        lambda places: places[:, :-1],
        lambda places: places[:, ::-1],
        lambda places: places[:, ::2],
        lambda places: places.transpose(0, 2, 1),
        lambda places: np.pad(np.pad(places, 1, constant_values=ZERO), 1, constant_values=LOWEST),
        lambda places: np.full_like(places, ZERO),
        lambda places: np.pad(places, ((1, 0), (0, 0), (0, 0)), constant_values=LOWEST),
        lambda places: np.where(places == 7, ZERO, places),
        lambda places: np.concatenate((places[:1], places[:1, ::-1])),
        # One row backwards, which neither rows nor columns alone show.
        lambda places: np.concatenate((places[:, :1, ::-1], places[:, 1:]), 1),
    ],
)
def test_what_is_no_selection(change):
    assert find_selection(change(straight(SHAPE)), SHAPE) is None


def test_axes():
    for order in ((0, 1, 2), (1, 2, 0), (2, 1, 0)):
        assert find_axes(straight(SHAPE).transpose(order), SHAPE) == order
    assert find_axes(straight(SHAPE)[::-1], SHAPE) is None
