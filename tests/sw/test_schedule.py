"""The work of a convolution, spread over passes, PEs and rows."""

import itertools

import numpy as np

from hw.config import PRESETS
from sw.network import Convolution
from sw.schedule import IDLE, Feed, channel_efforts, channel_words, feed_passes, schedule_convolution
from sw.window import Sharing, sharing_of

from .layers import TINY, networks
from .networks import random_network
from .schedules import schedule_layer, schedule_together


@networks
def test_every_coefficient_word_is_listed_once_in_one_row(preset, seed):
    config = PRESETS[preset]
    for layer in random_network(seed, config).layers:
        if not isinstance(layer, Convolution):
            continue
        schedule = schedule_layer(layer, config)
        passes = len(schedule.work)
        assert passes == -(-len(layer.coefficients) // config.pes)
        rebuilt = np.zeros_like(layer.coefficients)
        homes, listed = {}, set()
        squares = sharing_of(layer, config) is Sharing.SQUARES
        if squares:
            assert config.rows == config.classes, "every class is one row here"
            for lists in zip(*(schedule.lists.values()), strict=True):
                of_rows = [sorted(words) for words in lists]
                for row in range(1, config.rows):
                    assert of_rows[:: config.rows] == of_rows[row :: config.rows], "classes make the same"
        feed = feed_passes(layer.coefficients, config)
        rows = range(1 if squares else config.rows)
        for number, pe, row in itertools.product(range(passes), range(config.pes), rows):
            words = schedule.lists[pe, row][number]
            assert words, "every row has a word in every pass"
            assert words[-1].last == 1
            if words == [IDLE]:
                continue
            k = number * config.pes + pe
            for at, word in enumerate(words):
                assert word.map and not word.negative & ~word.map
                assert (k, word.basis, word.chunk) not in listed
                listed.add((k, word.basis, word.chunk))
                assert homes.setdefault((k, word.basis), (pe, row)) == (pe, row)
                following = words[at + 1].basis if at + 1 < len(words) else None
                assert word.last == (following != word.basis), "last closes a z, and only its end"
                for lane in range(config.chunk):
                    if word.map >> lane & 1:
                        sign = -1 if word.negative >> lane & 1 else 1
                        channel = (feed.first(number) + word.chunk) * config.chunk + lane
                        rebuilt[k, channel, word.basis] = sign
        np.testing.assert_array_equal(rebuilt, layer.coefficients)
        assert all(len(lists) == passes for lists in schedule.lists.values())
        filled = {at: sum(1 + len(words) for words in lists) for at, lists in schedule.lists.items()}
        assert schedule.words == max(filled.values())


@networks
def test_efforts_are_those_of_the_schedule(preset, seed):
    config = PRESETS[preset]
    if not config.serial:
        config = config.replace(rows=1 + seed % 3)
    for layer in random_network(seed, PRESETS[preset]).layers:
        if isinstance(layer, Convolution):
            steps, words = channel_efforts(layer.coefficients, config, sharing_of(layer, config))
            schedule = schedule_layer(layer, config)
            slots = [steps for units in schedule.work for steps in units]
            assert slots == [*steps.tolist(), *[0] * (len(slots) - len(steps))]
            everything = Feed(chunks=-(-layer.coefficients.shape[1] // config.chunk), step=0, repeat=1)
            alone = [
                schedule_convolution(plane[None], config, sharing_of(layer, config), everything)
                for plane in layer.coefficients
            ]
            listed = [sum(1 + len(each.lists[0, row][0]) for row in range(config.rows)) for each in alone]
            assert words.tolist() == listed


def test_slots_are_made_pass_by_pass():
    coefficients = np.zeros((5, 4, 4), np.int8)
    for k, filled in enumerate([1, 4, 2, 4, 3]):
        coefficients[k, 0, :filled] = 1
    schedule = schedule_together(coefficients, TINY.replace(pes=2, rows=1))
    assert schedule.work == ((1, 4), (2, 4), (3, 0))


def test_longest_first_balances_rows():
    coefficients = np.zeros((1, 16, 4), np.int8)
    for basis, filled in enumerate([4, 3, 2, 1]):
        coefficients[0, : 4 * filled, basis] = -1
    schedule = schedule_together(coefficients, TINY.replace(pes=1, requantisers=1, rows=2))
    assert sorted(len(schedule.lists[0, row][0]) for row in range(2)) == [5, 5]
    assert schedule.work == ((5,),)


def test_empty_planes_make_no_words():
    assert channel_words(np.zeros((7, 3), np.int8), 4) == []
    plane = np.zeros((10, 2), np.int8)
    plane[9, 1] = -1
    assert channel_words(plane, 4) == [[(2, 1, 0b10, 0b10, 1)]]
