"""Where tensors lie: nothing that is needed is overwritten, no bank is asked for more than it gives."""

import itertools

import numpy as np
import pytest

from hw.config import PRESETS, Config
from sw.network import INPUT, Concatenation, Convolution, IntegerNetwork, MaxPool, TensorInfo, inputs_of
from sw.ordering import HOLE, choose_orders
from sw.pieces import find_pieces
from sw.placement import Lifetime, lifetimes, place_tensors

from .networks import random_convolution, random_placed_network

TINY = Config.preset("tiny")
SOURCE = TensorInfo(channels=4, height=4, width=4, signed=False)

networks = pytest.mark.parametrize(
    ("preset", "seed"), [(preset, seed) for preset in PRESETS for seed in range(12)], ids=str
)


def convolution(name, input, channels=4, outputs=4, size=4, residual=None):
    source = TensorInfo(channels=channels, height=size, width=size, signed=False)
    return random_convolution(
        np.random.default_rng(1),
        name=name,
        input=input,
        source=source,
        outputs=outputs,
        bases=1,
        residual=residual,
    )


def network(*layers):
    return IntegerNetwork(name="test", input=SOURCE, input_scale=1.0, layers=layers)


def placed(made, config=TINY):
    return place_tensors(made, config, choose_orders(made, config))


def lanes(place, chunk):
    """Every (bank, address, lane) that a tensor has, holes included, as its placement says."""
    found = set()
    for row, column, at in itertools.product(
        range(place.height), range(place.width), range(len(place.order))
    ):
        word, lane = divmod(place.slot + at, chunk)
        assert word < place.chunks
        found.add((place.bank, place.base + row * place.row + column * place.pixel + word, lane))
    assert len(found) == place.height * place.width * len(place.order)
    return found


def words(found):
    return {(bank, address) for bank, address, _ in found}


@networks
def test_nothing_that_is_needed_is_overwritten(preset, seed):
    config = PRESETS[preset]
    made = random_placed_network(seed, config, layers=8)
    places, alive, pieces = placed(made, config), lifetimes(made), find_pieces(made)
    found = {name: lanes(place, config.chunk) for name, place in places.items()}
    for name, place in places.items():
        assert all(0 <= address < config.activation_words for _, address, _ in found[name]), name
        assert place.slot % config.requantisers == 0 and place.slot < config.chunk
        assert sorted(channel for channel in place.order if channel != HOLE) == list(range(place.channels))
    joined = {layer.name for layer in made.layers if isinstance(layer, Concatenation)}
    for one, other in itertools.combinations(sorted(set(places) - joined), 2):
        if pieces.views[one].piece == pieces.views[other].piece:
            assert not found[one] & found[other], (one, other)
        elif alive[one].meets(alive[other]):
            assert not words(found[one]) & words(found[other]), (one, other)


@networks
def test_a_concatenation_lies_where_its_parts_lie(preset, seed):
    config = PRESETS[preset]
    made = random_placed_network(seed, config, layers=8)
    places = placed(made, config)
    for layer in made.layers:
        if isinstance(layer, Concatenation):
            parts = [lanes(places[name], config.chunk) for name in layer.inputs]
            assert lanes(places[layer.name], config.chunk) == set().union(*parts)
            assert sum(map(len, parts)) == len(set().union(*parts))


@networks
def test_no_bank_is_asked_for_more_than_it_gives(preset, seed):
    config = PRESETS[preset]
    made = random_placed_network(seed, config, layers=8)
    places, pieces = placed(made, config), find_pieces(made)
    for layer in made.layers:
        reads = inputs_of(layer)
        if isinstance(layer, Concatenation):
            continue
        assert len({places[name].bank for name in reads}) == len(reads), "a bank is read once at a time"
        for name in reads:
            assert places[name].slot == 0, "what is read begins with a chunk"
            same = pieces.views[name].piece == pieces.views[layer.name].piece
            assert same or places[name].bank is not places[layer.name].bank
        if isinstance(layer, Convolution) and layer.residual is not None:
            one, other = places[layer.residual], places[layer.name]
            assert (one.pixel, one.row, one.slot, one.order) == (
                other.pixel,
                other.row,
                other.slot,
                other.order,
            )
        if not isinstance(layer, Convolution):
            one, other = places[layer.input], places[layer.name]
            assert (one.slot, other.slot) == (0, 0) and one.order == other.order, "whole chunks are copied"
            for name, place in ((layer.input, one), (layer.name, other)):
                following = [
                    other
                    for other, each in places.items()
                    if each.base == place.base + place.chunks - 1
                    and each.slot
                    and pieces.views[other].piece == pieces.views[name].piece
                ]
                assert not following, "nothing else in its last chunk"


@networks
def test_same_places_twice(preset, seed):
    config = PRESETS[preset]
    made = [random_placed_network(seed, config, layers=6) for _ in range(2)]
    assert placed(made[0], config) == placed(made[1], config)


def test_a_dense_block_lies_in_one_bank():
    made = network(
        convolution("a", INPUT, 4, 3),
        Concatenation(name="ia", inputs=(INPUT, "a")),
        convolution("b", "ia", 7, 5),
        Concatenation(name="iab", inputs=("ia", "b")),
        convolution("c", "iab", 12, 2),
    )
    places = placed(made)
    whole = places["iab"]
    assert {places[name].bank for name in (INPUT, "a", "ia", "b", "iab")} == {whole.bank}
    assert whole.pixel == 4 and whole.row == 16 and whole.words == 64
    assert (places[INPUT].base, places[INPUT].chunks, places[INPUT].pixel) == (whole.base, 1, 4)
    assert (places["ia"].base, places["ia"].chunks) == (whole.base, 2)
    assert (places["b"].base, places["b"].slot, places["b"].chunks) == (whole.base + 2, 0, 2)
    assert places["c"].bank is not whole.bank


def test_a_part_begins_in_the_middle_of_a_chunk():
    made = network(
        convolution("a", INPUT, 4, 5),
        convolution("b", INPUT, 4, 4),
        Concatenation(name="ab", inputs=("a", "b")),
    )
    part = placed(made)["b"]
    assert (part.slot, part.chunks, part.slots) == (2, 2, 6)
    assert part.base == placed(made)["a"].base + 1


def test_lifetimes():
    made = network(
        convolution("a", INPUT),
        convolution("b", "a"),
        Concatenation(name="ab", inputs=("a", "b")),
        convolution("c", INPUT),
        convolution("d", "ab", 8),
        convolution("e", "d"),
    )
    expected = {INPUT: (-1, 3), "a": (0, 4), "b": (1, 4), "ab": (0, 4), "c": (3, 3), "d": (4, 5), "e": (5, 6)}
    assert lifetimes(made) == {name: Lifetime(first=at[0], last=at[1]) for name, at in expected.items()}


def test_the_input_keeps_its_words_where_there_is_room():
    chain = [convolution("a", INPUT)] + [
        convolution(name, before) for before, name in itertools.pairwise("abcdef")
    ]
    made = network(*chain)
    places = placed(made)
    others = [words(lanes(place, 4)) for name, place in places.items() if name != INPUT]
    assert not words(lanes(places[INPUT], 4)) & set().union(*others)


def test_the_input_gives_up_its_words_where_there_is_none():
    """Three banks of one tensor each hold a chain with a residual only if the input's bank is used again."""
    made = network(
        convolution("a", INPUT),
        convolution("b", "a"),
        convolution("c", "b", residual="a"),
        convolution("d", "c"),
    )
    tight = TINY.replace(activation_words=16)
    places = placed(made, tight)
    assert [places[name].words for name in places] == [16] * 5
    assert len({places[name].bank for name in ("a", "b", "c")}) == 3
    assert any(places[name].bank is places[INPUT].bank for name in "bcd")


def test_a_residual_of_another_pitch_widens_what_it_is_added_to():
    made = network(
        convolution("a", INPUT),
        convolution("b", INPUT),
        Concatenation(name="ab", inputs=("a", "b")),
        convolution("c", INPUT),
        convolution("d", "c", residual="b"),
        convolution("e", "ab", 8),
    )
    places = placed(made)
    assert places["b"].pixel == places["d"].pixel == 2 and places["d"].chunks == 1


@pytest.mark.parametrize(
    ("layers", "config", "message"),
    [
        (
            (convolution("a", INPUT), convolution("b", "a", residual="a")),
            TINY,
            "layer b: expected input and residual in different banks, got a for both; add a copy",
        ),
        (
            (
                convolution("a", INPUT),
                convolution("b", INPUT),
                Concatenation(name="ab", inputs=("a", "b")),
                convolution("c", "b", residual="a"),
            ),
            TINY,
            "layer c: expected input and residual in different banks, got b and a of one concatenation for both",
        ),
        (
            (
                convolution("a", INPUT),
                convolution("b", "a"),
                Concatenation(name="iab", inputs=(INPUT, "a", "b")),
            ),
            TINY.replace(activation_words=32),
            r"layer b: expected a tensor of at most 32 chunks \(activation_words\), got 48 with all it is concatenated",
        ),
        (
            (
                convolution("a", INPUT, 4, 7),
                MaxPool(name="pool", input="a", window=(1, 1), stride=1),
                convolution("b", INPUT, 4, 5),
                Concatenation(name="ab", inputs=("b", "pool")),
            ),
            TINY.replace(channels=12),
            r"layer ab: expected at most 12 channels \(channels\), got 16 slots of ab with those that are left free",
        ),
    ],
    ids=["one tensor", "one concatenation", "words", "slots"],
)
def test_refusals(layers, config, message):
    with pytest.raises(ValueError, match=message):
        placed(network(*layers), config)
