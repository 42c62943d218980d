"""Descriptors and memories compute the network."""

import numpy as np
import pytest

from hw.config import PRESETS
from hw.formats import LAYER_FIELDS, LAYER_WORDS, Operation
from hw.protocol import Target
from sw.compiler import compile_network
from sw.image import image_bytes, parse_image
from sw.network import AveragePool, Concatenation, Convolution, MaxPool, inputs_of
from sw.records import decode_lists
from sw.unpack import decode_program, unpack

from .layers import (
    TINY,
    changed,
    check_descriptors,
    convolution,
    info,
    network,
    networks,
    with_tables,
)
from .networks import random_network


@networks
def test_descriptors_compute_the_network(preset, seed):
    config = with_tables(PRESETS[preset])
    check_descriptors(seed, random_network(seed, config, layers=6, size=5), config)


@pytest.mark.parametrize(("pes", "requantisers"), [(1, 1), (3, 1), (4, 2), (6, 2), (8, 4), (12, 4)])
@pytest.mark.parametrize("seed", [2, 5, 6])
def test_descriptors_for_all_numbers_of_pes(seed, pes, requantisers):
    config = TINY.replace(pes=pes, requantisers=requantisers, coefficient_words=1024, scale_words=128)
    check_descriptors(seed, random_network(seed, config, size=5), config)


def test_random_networks_reach_everything():
    seen = set()
    config = TINY.replace(tables=2)
    for seed in range(60):
        for layer in random_network(seed, config).layers:
            seen.add(type(layer))
            if isinstance(layer, Convolution):
                seen |= {("stride", layer.stride), ("residual", layer.residual is not None)}
                seen |= {("kernel", layer.kernel), ("own", layer.own_bases), ("padded", any(layer.padding))}
                seen |= {("depthwise", layer.depthwise), ("table", layer.table is not None)}
    assert {Convolution, MaxPool, AveragePool, Concatenation, ("stride", 1), ("stride", 2)} <= seen
    assert {("depthwise", True), ("table", True)} <= seen
    assert {
        ("residual", True),
        ("kernel", (1, 1)),
        ("kernel", (3, 3)),
        ("own", True),
        ("padded", True),
        ("padded", False),
    } <= seen


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


def test_tensors_share_a_bank_when_they_must():
    source = info(channels=4, height=8, width=8)
    add = [convolution(source, name="a"), convolution(source, name="b", input="a")]
    add += [convolution(source, name="c", input="b", residual="a"), convolution(source, name="d", input="c")]
    add += [convolution(source, name="e", input="d", residual="c")]
    add += [convolution(source, name="f", input="e", residual="input")]
    check_descriptors(3, network(source, *add), TINY)


@pytest.mark.parametrize(
    ("window", "stride", "padding"),
    [
        ((2, 2), 2, (0, 0, 0, 0)),
        ((3, 2), 1, (2, 1, 0, 1)),
        ((3, 3), 2, (1, 1, 1, 1)),
        ((1, 5), 3, (0, 4, 0, 4)),
        ((9, 8), 7, (7, 7, 8, 6)),
    ],
)
@pytest.mark.parametrize("signed", [False, True])
def test_windows(window, stride, padding, signed):
    source = info(6, 9, 11, signed)
    pool = MaxPool(name="pool", input="input", window=window, stride=stride, padding=padding)
    average = {"shift": 12, "multiplier": (1 << 12) // (window[0] * window[1]), "low": 0, "high": 200}
    mean = AveragePool(name="mean", input="input", window=window, stride=stride, **average)
    for layer in (pool, mean):
        program = check_descriptors(4, network(source, layer), TINY.replace(layers=1))
        assert unpack(program).tensors() == network(source, layer).tensors()


def test_equal_tables_are_stored_once():
    source, entries = info(), np.random.default_rng(1).integers(-128, 128, (2, 256))
    layers = [
        changed(convolution(source, name=name), table=entries[at], table_signed=True)
        for name, at in (("a", 0), ("b", 1), ("c", 0))
    ]
    layers = [layers[0], *(changed(layer, input="a") for layer in layers[1:]), convolution(source, name="d")]
    # A residual and other results of a table are read as signed.
    layers[-1] = changed(layers[-1], input="b", residual="c", residual_multiplier=500)
    program = check_descriptors(2, network(source, *layers), TINY.replace(tables=2))
    assert [fields["table"] for fields in program.layers] == [1, 2, 1, 0]
    assert program.section_bits(Target.TABLE) == 2 * 256 * 8
    assert parse_image(image_bytes(program)) == program
    back = unpack(program).layers
    for layer, got in zip(layers[:3], back[:3], strict=True):
        np.testing.assert_array_equal(got.table, layer.table)
        assert got.table_signed
    assert back[3].table is None


def test_the_next_input_may_be_loaded_after_the_last_reader():
    source = info(height=8, width=8)
    first, second = convolution(source, name="first"), convolution(source, name="second", input="first")
    third = convolution(source, name="third", input="second", residual="input")
    # In tiles, and with an input that is added later on.
    program = compile_network(network(source, first, second), TINY.replace(line=6))
    assert [fields["input_free"] for fields in program.layers] == [0] * 4 + [1] * 4
    program = compile_network(network(source, first, second, third), TINY)
    assert [fields["input_free"] for fields in program.layers] == [0, 0, 0]


@networks
def test_nothing_touches_an_input_that_is_free(preset, seed):
    made = random_network(seed, PRESETS[preset], layers=6)
    program = compile_network(made, PRESETS[preset])
    home = program.tensors["input"]
    for number, layer in enumerate(made.layers):
        touched = [program.tensors[name] for name in (*inputs_of(layer), layer.name)]
        for step in program.steps_of(number):
            if program.layers[step]["input_free"]:
                assert not any(place.meets(home) for place in touched)
