import numpy as np
import pytest

from hw.config import PRESETS, Config
from sim.reference import run
from sw.compiler import compile_network
from sw.network import INPUT, AveragePool, Concatenation, Convolution, IntegerNetwork, MaxPool, TensorInfo
from sw.ordering import HOLE, choose_orders, reorder, restore, tied_to

from .networks import random_convolution, random_input, random_network, random_placed_network
from .schedules import schedule_layer

SEEDS = range(8)
TINY = Config.preset("tiny")
SOURCE = TensorInfo(channels=4, height=4, width=4, signed=False)

networks = pytest.mark.parametrize(
    ("preset", "seed"), [(preset, seed) for preset in PRESETS for seed in SEEDS], ids=str
)


def network(*layers, source=SOURCE):
    return IntegerNetwork(name="test", input=source, input_scale=0.5, layers=layers)


def convolution(name, input, filled, source=SOURCE, residual=None):
    """A convolution whose output channel ``k`` has coefficients for its first ``filled[k]`` bases."""
    layer = random_convolution(
        np.random.default_rng(3),
        name=name,
        input=input,
        source=source,
        outputs=len(filled),
        bases=4,
        residual=residual,
    )
    layer.coefficients[:] = 0
    for channel, count in enumerate(filled):
        layer.coefficients[channel, 0, :count] = 1
    return layer


def passes(order, pes=2):
    return [set(order[first : first + pes]) for first in range(0, len(order), pes)]


def steps(layer, config):
    return sum(max(units) for units in schedule_layer(layer, config).work)


def random_orders(made, seed):
    """Orders that nobody would choose, some with holes; tied tensors keep theirs."""
    random, orders, tensors = np.random.default_rng(seed), {}, made.tensors()
    for name, info in tensors.items():
        layer = next((layer for layer in made.layers if layer.name == name), None)
        tie = layer and tied_to(layer)
        if isinstance(layer, Concatenation):
            before = np.cumsum([0, *(tensors[part].channels for part in layer.inputs)]).tolist()
            parts = zip(layer.inputs, before, strict=False)
            orders[name] = tuple(
                slot if slot == HOLE else slot + first for part, first in parts for slot in orders[part]
            )
        elif tie:
            orders[name] = orders[tie]
        else:
            order = random.permutation(info.channels).tolist()
            for _ in range(int(random.integers(0, 3))):
                order.insert(int(random.integers(len(order) + 1)), HOLE)
            orders[name] = tuple(order)
    return orders


def same(one, other):
    assert one.tensors() == other.tensors()
    for left, right in zip(one.layers, other.layers, strict=True):
        assert vars(left).keys() == vars(right).keys()
        for name, value in vars(left).items():
            np.testing.assert_array_equal(getattr(right, name), value, err_msg=f"{left.name}.{name}")


def test_channels_of_similar_work_share_a_pass():
    made = network(convolution("layer", INPUT, [1, 4, 2, 4, 1, 2]))
    orders = choose_orders(made, TINY)
    assert orders[INPUT] == (0, 1, 2, 3)
    assert passes(orders["layer"]) == [{1, 3}, {2, 5}, {0, 4}]
    assert compile_network(made, TINY).schedule[0].work == ((4, 4), (2, 2), (1, 1))


def test_the_emptiest_pe_takes_the_longest_list():
    orders = choose_orders(network(convolution("layer", INPUT, [4, 2, 3, 1])), TINY.replace(rows=1))
    assert orders["layer"] == (0, 2, 3, 1)


def test_slots_without_a_channel_come_last():
    config = TINY.replace(pes=4, rows=1)
    orders = choose_orders(network(convolution("layer", INPUT, [1, 4, 2, 4, 1, 3])), config)
    assert passes(orders["layer"], 4) == [{1, 3, 5, 2}, {0, 4}]


def test_pooling_keeps_the_order_of_its_input():
    made = network(
        convolution("a", INPUT, [1, 4, 2, 4, 1, 2]),
        MaxPool(name="pool", input="a", window=(2, 2), stride=2),
        AveragePool(
            name="average",
            input="pool",
            window=(2, 2),
            stride=1,
            multiplier=8192,
            shift=15,
            low=0,
            high=255,
        ),
    )
    orders = choose_orders(made, TINY)
    assert orders["a"] == orders["pool"] == orders["average"] != tuple(range(6))


def test_added_tensors_have_the_order_of_their_summed_work():
    wide = TensorInfo(channels=6, height=4, width=4, signed=False)
    made = network(
        convolution("a", INPUT, [4, 1, 1, 1, 4, 1]),
        convolution("b", "a", [1, 1, 2, 2, 3, 3], wide),
        convolution("c", "b", [1, 1, 4, 1, 4, 1], wide, residual="a"),
        convolution("d", "c", [1, 4, 1, 4, 1, 1], wide),
    )
    orders = choose_orders(made, TINY)
    assert orders["a"] == orders["c"]
    assert passes(orders["a"])[0] == {0, 4}, "of the sums 5, 2, 5, 2, 8, 2"
    assert passes(orders["b"]) == [{4, 5}, {2, 3}, {0, 1}]
    assert passes(orders["d"])[0] == {1, 3}


def test_the_order_of_least_steps_is_taken():
    """Sums of 5, 5, 5, 5, 4, 4 would put channels of 1 and 4 steps into one pass, of both convolutions."""
    wide = TensorInfo(channels=6, height=4, width=4, signed=False)
    made = network(
        convolution("a", INPUT, [1, 4, 1, 4, 2, 2]),
        convolution("b", "a", [1, 1, 1, 1, 1, 1], wide),
        convolution("c", "b", [4, 1, 4, 1, 2, 2], wide, residual="a"),
    )
    assert passes(choose_orders(made, TINY)["a"]) == [{1, 3}, {4, 5}, {0, 2}]


def test_tensors_added_to_the_input_keep_its_order():
    made = network(
        convolution("a", INPUT, [1, 4, 2, 4]),
        convolution("b", "a", [1, 4, 2, 4], residual=INPUT),
        convolution("c", "b", [1, 4, 1, 4], residual="b"),
    )
    orders = choose_orders(made, TINY)
    assert orders[INPUT] == orders["b"] == orders["c"] == (0, 1, 2, 3)
    assert orders["a"] != (0, 1, 2, 3)


@networks
def test_no_layer_waits_longer_than_in_the_order_it_came(preset, seed):
    config = PRESETS[preset]
    # Parts of a concatenation have holes, and an order that others have to follow.
    made = random_network(seed, config, kinds=("clamp", "depthwise", "windows"))
    orders = choose_orders(made, config)
    tied = {getattr(layer, "residual", None) for layer in made.layers}
    for layer in made.layers:
        if isinstance(layer, Convolution) and layer.residual is None and layer.name not in tied:
            unsorted = orders | {layer.name: tuple(range(len(layer.coefficients)))}
            unsorted = {name: unsorted[_home(made, name)] for name in orders}
            before, after = (
                next(each for each in reorder(made, chosen).layers if each.name == layer.name)
                for chosen in (unsorted, orders)
            )
            assert steps(after, config) <= steps(before, config), layer.name


def _home(made, name):
    """The tensor whose order ``name`` has."""
    for layer in reversed(made.layers):
        if layer.name == name:
            name = tied_to(layer) or name
    return name


@networks
def test_the_function_is_the_same(preset, seed):
    made = random_placed_network(seed, PRESETS[preset], layers=6)
    images = np.stack([random_input(seed, made)])
    expected = run(made, images)
    for orders in (choose_orders(made, PRESETS[preset]), random_orders(made, seed)):
        filled = {name: np.array(order) != HOLE for name, order in orders.items()}
        channels = {name: np.array(order)[filled[name]] for name, order in orders.items()}
        image = np.zeros((1, len(orders[INPUT]), *images.shape[2:]), np.int64)
        image[:, filled[INPUT]] = images[:, channels[INPUT]]
        slots = run(reorder(made, orders), image)
        for name in orders:
            got = slots[name][:, filled[name]]
            np.testing.assert_array_equal(got, expected[name][:, channels[name]], err_msg=name)


@networks
def test_reordering_is_undone_and_done_once(preset, seed):
    made = random_placed_network(seed, PRESETS[preset], layers=6)
    for orders in (choose_orders(made, PRESETS[preset]), random_orders(made, seed)):
        slots = reorder(made, orders)
        same(restore(slots, orders), made)
        same(reorder(slots, {name: tuple(range(len(order))) for name, order in orders.items()}), slots)


def test_random_networks_have_holes():
    found = [choose_orders(random_placed_network(seed, TINY, layers=6), TINY) for seed in SEEDS]
    assert sum(any(HOLE in order for order in orders.values()) for orders in found) >= 4


def dense(*layers):
    """A growing list: "a" of 3, "b" of 5 and "c" of 2 channels, with what follows it."""
    wide = TensorInfo(channels=8, height=4, width=4, signed=False)
    return network(
        convolution("a", INPUT, [1, 2, 3]),
        convolution("b", "a", [1, 1, 1, 1, 1], TensorInfo(channels=3, height=4, width=4, signed=False)),
        Concatenation(name="ab", inputs=("a", "b")),
        convolution("c", "ab", [1, 1], wide),
        Concatenation(name="abc", inputs=("ab", "c")),
        *layers,
    )


def slots(orders, *names):
    return [[slot for slot, channel in enumerate(orders[name]) if channel != HOLE] for name in names]


def test_parts_fill_words_of_requantisers():
    orders = choose_orders(dense(), TINY)
    assert [len(orders[name]) for name in ("a", "b", "ab", "c", "abc")] == [4, 6, 10, 2, 12]
    assert slots(orders, "ab", "abc") == [[0, 1, 2, 4, 5, 6, 7, 8], [0, 1, 2, 4, 5, 6, 7, 8, 10, 11]]
    assert orders["ab"][:4] == orders["a"] and orders["abc"][:10] == orders["ab"]
    assert orders["ab"][4:] == tuple(HOLE if slot == HOLE else slot + 3 for slot in orders["b"])
    single = choose_orders(dense(), TINY.replace(requantisers=1))
    assert all(HOLE not in order for order in single.values())


def test_what_is_read_by_itself_begins_with_a_chunk():
    orders = choose_orders(
        dense(convolution("d", "c", [1, 1], TensorInfo(channels=2, height=4, width=4, signed=False))), TINY
    )
    assert [len(orders[name]) for name in ("a", "b", "c")] == [4, 8, 2]


def test_what_is_added_begins_with_a_chunk():
    like = TensorInfo(channels=5, height=4, width=4, signed=False)
    made = dense(
        convolution("d", "c", [1] * 5, TensorInfo(channels=2, height=4, width=4, signed=False)),
        convolution("e", "d", [1] * 5, like, residual="b"),
        Concatenation(name="abce", inputs=("abc", "e")),
    )
    orders = choose_orders(made, TINY)
    assert orders["b"] == orders["e"]
    assert [len(orders[name]) for name in ("a", "b", "c", "d", "e")] == [4, 8, 4, 5, 8]


def test_what_is_pooled_has_whole_chunks():
    pools = [
        MaxPool(name="pool", input="ab", window=(2, 2), stride=2),
        MaxPool(name="other", input="abc", window=(2, 2), stride=2),
        Concatenation(name="both", inputs=("other", "pool")),
    ]
    orders = choose_orders(dense(*pools), TINY)
    assert orders["pool"] == orders["ab"] and orders["other"] == orders["abc"]
    assert [len(orders[name]) for name in ("a", "b", "ab", "c", "abc")] == [4, 8, 12, 4, 16]
    first = choose_orders(dense(*pools[:1]), TINY)
    assert [len(first[name]) for name in ("a", "b", "ab", "c", "abc")] == [4, 8, 12, 2, 14]


def test_what_is_added_to_a_concatenation_passes_on_its_whole_chunks():
    wide, like = (TensorInfo(channels=count, height=4, width=4, signed=False) for count in (10, 8))
    made = dense(
        convolution("d", "abc", [1] * 8, wide),
        convolution("e", "d", [1] * 8, like, residual="ab"),
        Concatenation(name="de", inputs=("e", "d")),
        MaxPool(name="pool", input="e", window=(2, 2), stride=2),
    )
    orders = choose_orders(made, TINY)
    assert orders["e"] == orders["ab"] == orders["pool"] and len(orders["e"]) == 12
    assert [len(orders[name]) for name in ("a", "b", "c")] == [4, 8, 2]


def test_the_input_as_a_part_has_whole_chunks():
    source = TensorInfo(channels=3, height=4, width=4, signed=False)
    made = network(
        convolution("a", INPUT, [1, 2, 3, 4, 5], source),
        Concatenation(name="both", inputs=("a", INPUT)),
        source=source,
    )
    orders = choose_orders(made, TINY)
    assert orders[INPUT] == (0, 1, 2, HOLE) and len(orders["a"]) == 8
    assert orders["both"][8:] == (5, 6, 7, HOLE)


def test_depthwise_reads_the_slot_that_it_makes():
    wide = TensorInfo(channels=6, height=4, width=4, signed=False)
    depthwise = random_convolution(
        np.random.default_rng(5),
        name="b",
        input="a",
        source=wide,
        outputs=6,
        bases=1,
        own=True,
        depthwise=True,
    )
    made = network(
        convolution("a", INPUT, [1, 4, 2, 4, 1, 2]), depthwise, convolution("c", "b", [1, 4, 2], wide)
    )
    orders = choose_orders(made, TINY)
    assert orders["a"] == orders["b"] != tuple(range(6))
    found = reorder(made, orders).layers[1]
    assert found.groups == 6 and found.depthwise
    loose = random_orders(made, 3) | {"b": tuple(range(6))}
    with pytest.raises(ValueError, match="tensor b: expected the order of a"):
        reorder(made, loose)


@pytest.mark.parametrize("preset", PRESETS)
def test_a_network_in_its_order_gains_nothing_more(preset):
    config, chains = PRESETS[preset], 0
    for seed in SEEDS:
        made = random_network(seed, config)
        # Where tensors are added, the work depends on orders that are chosen later.
        if all(getattr(layer, "residual", None) is None for layer in made.layers):
            chains += 1
            first = compile_network(made, config)
            again = compile_network(reorder(made, choose_orders(made, config)), config)
            assert [layer.steps for layer in again.schedule] == [layer.steps for layer in first.schedule]
    assert chains


@networks
def test_same_orders_twice(preset, seed):
    made = [random_network(seed, PRESETS[preset]) for _ in range(2)]
    assert choose_orders(made[0], PRESETS[preset]) == choose_orders(made[1], PRESETS[preset])


def test_wrong_orders_are_refused():
    made = network(
        convolution("a", INPUT, [1, 2, 3]), MaxPool(name="pool", input="a", window=(2, 2), stride=2)
    )
    good = {INPUT: (1, 0, 2, 3), "a": (2, 0, 1), "pool": (2, 0, 1)}
    reorder(made, good)
    for wrong in ((0, 1), (0, 1, 1), (0, 1, 3), (0, 1, 2, 3)):
        with pytest.raises(ValueError, match=r"tensor a: expected each of 3 channels once, got \(0, 1"):
            reorder(made, good | {"a": wrong})
    with pytest.raises(ValueError, match=r"tensor pool: expected the order of a, got \(0, 1, 2\)"):
        reorder(made, good | {"pool": (0, 1, 2)})
    with pytest.raises(ValueError, match=r"tensor a: expected each of 3 channels once, got \(0, 1, 1\)"):
        restore(made, good | {"a": (0, 1, 1)})
    made = dense()
    good = choose_orders(made, TINY)
    with pytest.raises(
        ValueError,
        match=r"tensor ab: expected the orders of its parts, \(.*\), got \(0, 1, 2, 3, 4, 5, 6, 7\)",
    ):
        reorder(made, good | {"ab": tuple(range(8))})
    made = network(convolution("a", INPUT, [1, 2, 3]))
    good = {INPUT: (1, 0, 2, 3)}
    with pytest.raises(ValueError, match=r"tensor a: expected the channels of 3 slots, got \(0, 1\)"):
        restore(made, good | {"a": (0, 1)})
