"""Layers that are larger than the machine, cut into tiles."""

import numpy as np
import pytest

from sim.reference import kernels
from sw.compiler import compile_network
from sw.unpack import unpack

from .layers import TINY, changed, check_descriptors, convolution, info, network
from .networks import random_convolution

#: Short lines, but memory enough.
SHORT = TINY.replace(line=6, activation_words=1024, kernel_height=5, kernel_width=5, layers=128)


def rectangles(program, number):
    """(first row, end, first column, end) of what each step of a layer makes."""
    place = program.tensors[program.layer_names[number]]
    found = []
    for step in program.steps_of(number):
        fields = program.layers[step]
        row, rest = divmod(fields["output_base"] - place.base, place.row)
        column = rest // place.pixel
        found.append((row, row + fields["output_height"], column, column + fields["output_width"]))
    return found


def random_layer(seed, config):
    """A network of one convolution, its padding anything, with or without a tensor that is added."""
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    height, width = map(int, rng.integers(1, 16, 2))
    source = info(int(rng.integers(1, 7)), height, width, signed=bool(rng.integers(2)))
    extents = [int(rng.integers(1, most + 1)) for most in (config.kernel_height, config.kernel_width)]
    padding = [int(rng.integers(0, extents[at % 2])) for at in range(4)]
    for at, size in enumerate((height, width)):
        # A map that is smaller than the kernel needs some.
        if size + padding[at] + padding[at + 2] < extents[at]:
            padding[at] = padding[at + 2] = extents[at] - 1
    layer = random_convolution(
        rng,
        source=source,
        outputs=int(rng.integers(1, 6)),
        bases=2,
        kernel=tuple(extents),
        stride=int(rng.integers(1, 3)),
        padding=tuple(padding),
        own=bool(rng.integers(2)),
    )
    made = network(source, layer)
    if rng.integers(2):
        # Something of the output's shape: the same layer again.
        layer = changed(layer, name="sum", residual="layer", residual_multiplier=1000)
        made = network(source, made.layers[0], layer)
    return made


@pytest.mark.parametrize("rows", [1, 2, 4])
@pytest.mark.parametrize("seed", range(24))
def test_random_layers(seed, rows):
    config = SHORT.replace(rows=rows)
    made = random_layer(seed, config)
    program = check_descriptors(seed, made, config)
    for number, layer in enumerate(made.layers):
        written = np.zeros(program.tensors[layer.name].shape[1:], int)
        for top, bottom, left, right in rectangles(program, number):
            written[top:bottom, left:right] += 1
        assert (written == 1).all(), "every output is made once"
    back = unpack(program)
    assert back.tensors() == made.tensors()
    for layer, got in zip(made.layers, back.layers, strict=True):
        height, width = layer.kernel
        np.testing.assert_array_equal(kernels(got)[:, :, -height:, -width:], kernels(layer))
        assert (got.stride, got.residual) == (layer.stride, layer.residual)


def test_random_layers_are_cut_in_all_ways():
    seen = set()
    for seed in range(40):
        program = compile_network(random_layer(seed, SHORT), SHORT)
        found = rectangles(program, 0)
        seen.add((len({ends[:2] for ends in found}) > 1, len({ends[2:] for ends in found}) > 1))
    assert seen == {(False, False), (False, True), (True, False), (True, True)}


@pytest.mark.parametrize(
    ("size", "kernel", "padding", "expected"),
    [
        # Nine columns are fed for seven outputs within the map, and eight for seven at its edge.
        ((4, 16), (1, 3), (0, 1, 0, 1), [(0, 4, 0, 5), (0, 4, 5, 10), (0, 4, 10, 16)]),
        ((4, 13), (1, 1), (0, 0, 0, 0), [(0, 4, 0, 6), (0, 4, 6, 13)]),
        ((9, 4), (3, 1), (1, 0, 1, 0), [(0, 4, 0, 4), (4, 9, 0, 4)]),
        ((8, 8), (1, 1), (0, 0, 0, 0), [(0, 8, 0, 8)]),
        # More results than positions: the upper half comes from the upper half of the map.
        ((4, 4), (3, 3), (2, 2, 2, 2), [(0, 3, 0, 3), (0, 3, 3, 6), (3, 6, 0, 3), (3, 6, 3, 6)]),
    ],
)
def test_few_and_equal_tiles(size, kernel, padding, expected):
    config = TINY.replace(line=8, rows=1)
    source = info(3, *size)
    program = compile_network(network(source, convolution(source, kernel=kernel, padding=padding)), config)
    assert rectangles(program, 0) == expected


def test_tiles_share_memories():
    source = info(3, 12, 12)
    config = TINY.replace(line=8)
    whole = compile_network(network(source, convolution(source)), TINY)
    cut = compile_network(network(source, convolution(source)), config)
    assert (len(whole.layers), len(cut.layers)) == (1, 4)
    shared = (
        "coefficient_base",
        "basis_base",
        "scale_base",
        "input_row",
        "input_pixel",
        "output_row",
        "passes",
    )
    assert len({tuple(fields[name] for name in shared) for fields in cut.layers}) == 1
    assert [section for section in cut.sections if section.target.name != "PROGRAM"] == [
        section for section in whole.sections if section.target.name != "PROGRAM"
    ]
    assert cut.schedule == whole.schedule
