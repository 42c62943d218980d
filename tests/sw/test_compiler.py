import dataclasses
import itertools
import re

import numpy as np
import pytest

from hw.config import PRESETS, Config
from hw.formats import LAYER_FIELDS, LAYER_WORDS, Operation
from hw.protocol import Target
from sim.reference import kernels, run
from sw.compiler import compile_network
from sw.network import AveragePool, Concatenation, Convolution, IntegerNetwork, MaxPool, TensorInfo
from sw.placement import lifetimes
from sw.records import decode_lists
from sw.schedule import IDLE, Feed, channel_efforts, channel_words, feed_passes, schedule_convolution
from sw.unpack import decode_program, unpack
from sw.window import Sharing, sharing_of

from .machine import execute
from .networks import random_convolution, random_input, random_network
from .schedules import schedule_layer, schedule_together

SEEDS = range(8)
TINY = Config.preset("tiny")

networks = pytest.mark.parametrize(
    ("preset", "seed"), [(preset, seed) for preset in PRESETS for seed in SEEDS], ids=str
)


def info(channels=4, height=6, width=6, signed=False):
    return TensorInfo(channels=channels, height=height, width=width, signed=signed)


def network(source, *layers):
    return IntegerNetwork(name="test", input=source, input_scale=0.5, layers=layers)


def convolution(source, outputs=4, bases=2, seed=0, **arguments):
    return random_convolution(
        np.random.default_rng(seed), source=source, outputs=outputs, bases=bases, **arguments
    )


def check_descriptors(seed, made, config):
    program = compile_network(made, config)
    tensor = random_input(seed, made)
    expected = run(made, tensor[None])[program.output_name][0]
    np.testing.assert_array_equal(execute(program, tensor), expected)


@networks
def test_descriptors_compute_the_network(preset, seed):
    check_descriptors(seed, random_network(seed, PRESETS[preset], size=5), PRESETS[preset])


@pytest.mark.parametrize(("pes", "requantisers"), [(1, 1), (3, 1), (4, 2), (6, 2), (8, 4), (12, 4)])
@pytest.mark.parametrize("seed", [2, 5, 6])
def test_descriptors_for_all_numbers_of_pes(seed, pes, requantisers):
    config = TINY.replace(pes=pes, requantisers=requantisers, coefficient_words=1024, scale_words=128)
    check_descriptors(seed, random_network(seed, config, size=5), config)


def test_random_networks_reach_everything():
    seen = set()
    for seed in range(60):
        for layer in random_network(seed, TINY).layers:
            seen.add(type(layer))
            if isinstance(layer, Convolution):
                seen |= {("stride", layer.stride), ("residual", layer.residual is not None)}
                seen |= {("kernel", layer.kernel), ("own", layer.own_bases), ("padded", any(layer.padding))}
    assert {Convolution, MaxPool, AveragePool, ("stride", 1), ("stride", 2)} <= seen
    assert {
        ("residual", True),
        ("kernel", (1, 1)),
        ("kernel", (3, 3)),
        ("own", True),
        ("padded", True),
        ("padded", False),
    } <= seen


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
        blocks = sharing_of(layer, config) is Sharing.BLOCKS
        if blocks:
            assert config.rows == config.classes, "every class is one row here"
            for lists in zip(*(schedule.lists.values()), strict=True):
                of_rows = [sorted(words) for words in lists]
                assert of_rows[:: config.rows] == of_rows[1 :: config.rows], "classes make the same"
        feed = feed_passes(layer.coefficients, config)
        rows = range(1 if blocks else config.rows)
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
    config = PRESETS[preset].replace(rows=1 + seed % 3)
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


@networks
def test_no_live_tensors_overlap_and_banks_differ(preset, seed):
    config = PRESETS[preset]
    made = random_network(seed, config, layers=6)
    places, alive = compile_network(made, config).tensors, lifetimes(made)
    for name, place in places.items():
        assert place.base >= 0 and place.base + place.words <= config.activation_words, name
    for one, other in itertools.combinations(places, 2):
        if alive[one].meets(alive[other]) and places[one].bank is places[other].bank:
            first, second = sorted((places[one], places[other]), key=lambda place: place.base)
            assert first.base + first.words <= second.base, (one, other)
    for layer in made.layers:
        names = {layer.input, layer.name, getattr(layer, "residual", None)} - {None}
        assert len({places[name].bank for name in names}) == len(names), layer.name


def test_tensors_share_a_bank_when_they_must():
    source = info(channels=4, height=8, width=8)
    add = [convolution(source, name="a"), convolution(source, name="b", input="a")]
    add += [convolution(source, name="c", input="b", residual="a"), convolution(source, name="d", input="c")]
    add += [convolution(source, name="e", input="d", residual="c")]
    add += [convolution(source, name="f", input="e", residual="input")]
    made = network(source, *add)
    program = compile_network(made, TINY)
    tensor = random_input(3, made)
    np.testing.assert_array_equal(execute(program, tensor), run(made, tensor[None])["f"][0])
    with pytest.raises(
        ValueError, match=r"layer c: expected room in three banks of 64 chunks .*all needed at once"
    ):
        compile_network(made, TINY.replace(activation_words=64))


@networks
def test_unpacked_network_is_the_same(preset, seed):
    made = random_network(seed, PRESETS[preset])
    program = compile_network(made, PRESETS[preset])
    back = unpack(program)
    assert [layer.name for layer in back.layers] == [layer.name for layer in made.layers]
    assert back.tensors() == made.tensors()
    assert back.input_scale == made.input_scale
    for layer, got in zip(made.layers, back.layers, strict=True):
        if not isinstance(layer, Convolution):
            assert vars(got) == vars(layer)
            continue
        for name in ("input", "stride", "shift", "low", "high", "residual", "residual_multiplier"):
            assert getattr(got, name) == getattr(layer, name), name
        for name in ("coefficients", "multiplier", "bias"):
            np.testing.assert_array_equal(getattr(got, name), getattr(layer, name), err_msg=name)
        height, width = layer.kernel
        rebuilt, expected = kernels(got), kernels(layer)
        np.testing.assert_array_equal(rebuilt[:, :, -height:, -width:], expected)
        assert np.abs(rebuilt).sum() == np.abs(expected).sum()
    images = np.stack([random_input(seed + at, made) for at in range(2)])
    np.testing.assert_array_equal(
        run(back, images)[program.output_name], run(made, images)[program.output_name]
    )


@networks
def test_same_bytes_twice(preset, seed):
    programs = [compile_network(random_network(seed, PRESETS[preset]), PRESETS[preset]) for _ in range(2)]
    assert programs[0] == programs[1]


def test_sections_carry_what_the_program_says():
    program = compile_network(random_network(1, TINY), TINY)
    assert decode_program(program.sections) == program.layers
    layers = [section for section in program.sections if section.target is Target.PROGRAM]
    assert [section.address for section in layers] == [at * LAYER_WORDS for at in range(len(program.layers))]
    assert {len(section.data) for section in layers} == {2 * len(LAYER_FIELDS)}
    assert program.bits == sum(program.section_bits(target) for target in Target)
    for section in program.sections:
        if section.target is Target.COEFFICIENT:
            assert section.index < TINY.pes * TINY.rows
            fields = next(
                fields
                for fields in program.layers
                if fields["operation"] == Operation.CONVOLUTION.value
                and fields["coefficient_base"] == section.address
            )
            assert len(decode_lists(section.data, TINY)) == fields["passes"]


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "expected"),
    [
        (
            (6, 5),
            (3, 3),
            1,
            (1, 1, 1, 1),
            {"pad_top": 1, "pad_left": 1, "line": 5, "drain": 6, "blocks": 0, "side_by_side": 0},
        ),
        (
            (6, 6),
            (3, 3),
            2,
            (0, 0, 1, 1),
            {"pad_top": 0, "pad_left": 0, "line": 4, "drain": 5, "blocks": 1, "lead_top": 1, "lead_left": 1},
        ),
        ((6, 6), (3, 3), 1, (0, 0, 0, 0), {"pad_top": 0, "pad_left": 0, "output_height": 4, "drain": 14}),
        (
            (3, 3),
            (1, 1),
            1,
            (0, 0, 0, 0),
            {"pad_top": 1, "pad_left": 1, "line": 4, "drain": 0, "width": 3, "side_by_side": 1},
        ),
        ((6, 6), (2, 1), 1, (1, 0, 0, 0), {"pad_top": 2, "pad_left": 2, "drain": 0}),
        ((6, 6), (1, 3), 1, (0, 1, 0, 1), {"pad_top": 2, "pad_left": 1, "drain": 1}),
        (
            (5, 7),
            (1, 1),
            2,
            (0, 0, 0, 0),
            {"height": 3, "width": 4, "stride": 1, "input_pixel": 4, "input_row": 28, "output_width": 4},
        ),
    ],
)
def test_window(size, kernel, stride, padding, expected):
    source = info(channels=6, height=size[0], width=size[1])
    layer = convolution(source, kernel=kernel, stride=stride, padding=padding)
    fields = compile_network(network(source, layer), TINY).layers[0]
    assert {name: fields[name] for name in expected} == expected
    assert (fields["input_chunks"], fields["input_lanes"]) == (2, 2)


def changed(layer, **changes):
    return dataclasses.replace(layer, **changes)


def dense(source, tap, outputs=1, bases=1):
    """A layer of all ones: every bound is easy to say."""
    return Convolution(
        name="layer",
        input="input",
        coefficients=np.ones((outputs, source.channels, bases), np.int8),
        bases=np.full((bases, 1, 1), tap, np.int8),
        stride=1,
        padding=(0, 0, 0, 0),
        multiplier=np.ones(outputs, np.int64),
        bias=np.zeros(outputs, np.int64),
        shift=1,
        low=0,
        high=255,
    )


def refusals():
    """(id, network, configuration, message)"""
    flat, wide = info(), info(channels=16)
    big = (1 << 39) - 1
    yield (
        "kernel",
        network(flat, convolution(flat, kernel=(5, 3))),
        TINY,
        r"layer layer: expected a kernel of at most 3x3 .* got 5x3; .*global average",
    )
    yield (
        "channels",
        network(info(17), convolution(info(17))),
        TINY,
        r"layer input: expected at most 16 channels .* got 17; take",
    )
    yield (
        "outputs",
        network(flat, convolution(flat, outputs=20)),
        TINY,
        r"layer layer: expected at most 16 channels .* got 20",
    )
    yield (
        "bases",
        network(flat, convolution(flat, bases=5)),
        TINY,
        r"layer layer: expected at most 4 bases .* got 5",
    )
    long = info(4, 2, 17)
    yield (
        "line",
        network(long, convolution(long)),
        TINY,
        r"layer layer: expected at most 16 positions .*\(line\), got 17",
    )
    yield (
        "bank",
        network(info(4, 16, 17), MaxPool(name="pool", input="input", window=(2, 2), stride=2)),
        TINY,
        r"layer input: expected a tensor of at most 256 chunks .* got 272",
    )
    small = TINY.replace(activation_words=64)
    yield (
        "pool line",
        network(long, MaxPool(name="pool", input="input", window=(2, 2), stride=2)),
        small,
        r"layer pool: .*\(line\), got 17",
    )
    layers = [
        changed(convolution(flat), name=f"l{at}", input=f"l{at - 1}" if at else "input") for at in range(3)
    ]
    yield "layers", network(flat, *layers), TINY.replace(layers=2), r"expected at most 2 layers .* got 3"
    yield (
        "basis words",
        network(flat, *layers),
        TINY.replace(basis_words=5),
        r"layer l2: expected at most 5 bases of all layers .* got 6",
    )
    yield (
        "scale words",
        network(flat, *layers),
        TINY.replace(scale_words=5),
        r"layer l2: expected at most 5 words of 2 requantisation entries of all layers \(scale_words\), got 6;",
    )
    average = AveragePool(
        name="average",
        input="input",
        window=(flat.height, flat.width),
        stride=1,
        multiplier=900,
        shift=15,
        low=0,
        high=255,
    )
    yield (
        "average scales",
        network(flat, average),
        TINY.replace(scale_words=3, requantisers=1),
        r"layer average: expected at most 3 words of 1 requantisation entries .* got 4",
    )
    yield (
        "coefficients",
        network(wide, convolution(wide, outputs=16, bases=4, zeros=0, empty=0)),
        TINY.replace(coefficient_words=64),
        r"layer layer: expected at most 64 words of coefficients .*, got \d+; .*make more coefficients zero",
    )
    yield (
        "z",
        network(wide, dense(wide, 1)),
        TINY.replace(z_bits=12),
        r"layer layer: expected every z \(z_bits\) to fit 12 bits, signed, got a range of 0..4080; widen",
    )
    yield (
        "accumulator",
        network(wide, dense(wide, 9)),
        TINY.replace(accumulator_bits=16),
        r"layer layer: expected every sum \(accumulator_bits\) to fit 16 bits, signed, got a range of 0..36720; widen",
    )
    pool = MaxPool(name="pool", input="input", window=(2, 2), stride=2, padding=(1, 0, 0, 0))
    yield "padded pool", network(flat, pool), TINY, r"layer pool: expected a square window without padding"
    strip = dataclasses.replace(average, window=(1, 2))
    yield (
        "average window",
        network(info(4, 4, 4), strip),
        TINY,
        r"layer average: expected the whole map of 4x4",
    )
    table = dataclasses.replace(convolution(flat), table=np.zeros(256, np.int64))
    yield "table", network(flat, table), TINY, r"layer layer: expected no table"
    joined = Concatenation(name="joined", inputs=("input", "input"))
    yield "concatenation", network(flat, joined), TINY, r"layer joined: expected no concatenation"
    yield (
        "average sum",
        network(info(4, 12, 12), dataclasses.replace(average, window=(12, 12))),
        TINY.replace(z_bits=15, accumulator_bits=15),
        r"layer average: expected every sum .* 0..36720; widen",
    )
    yield (
        "multiplier",
        network(flat, changed(dense(flat, 1), multiplier=np.array([300]))),
        TINY.replace(multiplier_bits=9),
        r"layer layer: expected multipliers .* 9 bits, signed, got a range of 300..300",
    )
    yield (
        "bias",
        network(flat, changed(dense(flat, 1), bias=np.array([-300]))),
        TINY.replace(bias_bits=9),
        r"layer layer: expected biases .* 9 bits, signed, got a range of -300..-300",
    )
    top = TINY.replace(bias_bits=40, accumulator_bits=40)
    heavy = changed(dense(flat, 127), bias=np.array([big]), multiplier=np.array([32767]))
    yield (
        "sum",
        network(flat, heavy),
        top.replace(bias_bits=40 - 8 + 1, multiplier_bits=16),
        r"layer layer: expected biases",
    )
    narrow = changed(heavy, bias=np.array([0]))
    yield (
        "sum of product",
        network(flat, narrow),
        TINY.replace(bias_bits=16),
        r"layer layer: expected the requantisation sum .* 24 bits",
    )
    yield (
        "residual is input",
        network(flat, convolution(flat, residual="input")),
        TINY,
        r"layer layer: expected input and residual in different banks, got input for both",
    )
    yield (
        "rows",
        network(flat, convolution(flat)),
        TINY.replace(pes=129, requantisers=1),
        r"configuration tiny: expected at most 256 rows in all PEs, .* got 129 \* 2",
    )
    short = info(4, 4, 4)
    widened = changed(convolution(short, kernel=(3, 3)), padding=(2, 2, 2, 2))
    yield (
        "padding",
        network(short, widened),
        TINY,
        r"layer layer: expected an output of at most 4x4 .* got 6x6",
    )


@pytest.mark.parametrize(
    ("made", "config", "message"), [pytest.param(*case[1:], id=case[0]) for case in refusals()]
)
def test_refusals_name_layer_limit_and_what_came(made, config, message):
    with pytest.raises(ValueError, match=message) as caught:
        compile_network(made, config)
    assert re.search(r"; \w+", str(caught.value)), "the message says what to do"


@pytest.mark.parametrize(
    ("signed", "tap", "fits", "refuses"),
    [
        # 16 channels: z is 0..4080 or -2048..2032, the sum is tap times that.
        (False, 8, {"z_bits": 13}, {"z_bits": 12}),
        (True, 8, {"z_bits": 12}, {"z_bits": 11}),
        (False, 8, {"accumulator_bits": 16}, {"z_bits": 15, "accumulator_bits": 15}),
        (True, 8, {"z_bits": 15, "accumulator_bits": 15}, {"z_bits": 14, "accumulator_bits": 14}),
        (True, -8, {"accumulator_bits": 16}, {"z_bits": 15, "accumulator_bits": 15}),
    ],
)
def test_bounds_are_exact(signed, tap, fits, refuses):
    source = info(16, signed=signed)
    compile_network(network(source, dense(source, tap)), TINY.replace(**fits))
    with pytest.raises(ValueError, match=[*refuses][-1]):
        compile_network(network(source, dense(source, tap)), TINY.replace(**refuses))


def test_partial_sums_may_wrap():
    source = info(1)
    layer = dense(source, 127, bases=2)
    layer = changed(layer, bases=np.array([[[127]], [[-127]]], np.int8))
    narrow = TINY.replace(z_bits=9, accumulator_bits=9)
    compile_network(network(source, layer), narrow)
    # One basis without the other does not fit, so the sum passes through values that wrap.
    with pytest.raises(ValueError, match="accumulator_bits"):
        compile_network(network(source, dense(source, 127)), narrow)


def test_four_tensors_that_must_all_be_apart_are_refused():
    source = info(height=2, width=2)
    add = [convolution(source, name="a"), convolution(source, name="b", input="a")]
    add += [convolution(source, name="c", input="b"), convolution(source, name="d", input="c", residual="a")]
    add += [convolution(source, name="e", input="d", residual="b")]
    with pytest.raises(ValueError, match=r"layer d: expected room in three banks .* in different ones, got"):
        compile_network(network(source, *add), TINY)


def test_unknown_layer_is_refused():
    class Softmax(MaxPool):
        pass

    with pytest.raises(ValueError, match=r"layer soft: expected one of Convolution, .* got Softmax"):
        network(info(), Softmax(name="soft", input="input", window=1, stride=1))
