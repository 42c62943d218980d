"""Which pooling is read in a scan, in how many steps, and what its words mean."""

import pytest

from hw.config import Config
from sim.reference import run
from sw.compiler import compile_network
from sw.network import MaxPool
from sw.pooling import pool_windows
from sw.unpack import unpack

from .layers import info, network
from .machine import execute
from .networks import random_input

TINY = Config.preset("tiny").replace(activation_words=1024)


def pooled(window, stride, padding=(0, 0, 0, 0), *, size=(9, 9), channels=5, config=TINY):
    """The steps of one layer, which does what it should."""
    layer = MaxPool(name="pool", input="input", window=window, stride=stride, padding=padding)
    whole = network(info(channels, *size), layer)
    program = compile_network(whole, config)
    image = random_input(1, whole)
    assert (execute(program, image) == run(whole, image[None])["pool"][0]).all()
    assert unpack(program).tensors() == whole.tensors()
    for fields in program.layers:
        # What reaches beyond the map in all windows is left out.
        reach = tuple(
            min(each) for each in zip(window, (size[0] + padding[0], size[1] + padding[1]), strict=True)
        )
        assert pool_windows(fields)[:2] == (reach, stride)
    assert pool_windows(program.layers[0])[2] == padding[:2]
    return program.layers


@pytest.mark.parametrize(
    ("window", "stride", "scan"),
    [
        ((3, 3), 2, 1),
        ((2, 2), 1, 1),
        ((5, 4), 3, 1),
        ((2, 3), 2, 1),
        ((4, 2), 2, 1),
        # Side by side, apart, three at one place.
        ((2, 2), 2, 0),
        ((1, 3), 2, 0),
        ((3, 3), 1, 0),
        ((2, 3), 1, 0),
    ],
)
def test_windows_that_overlap_are_read_in_a_scan(window, stride, scan):
    assert [fields["scan"] for fields in pooled(window, stride, (1, 0, 0, 0) if scan else (0,) * 4)] == [scan]


def test_without_a_line_every_window_is_read_by_itself():
    assert [fields["scan"] for fields in pooled((3, 3), 2, config=TINY.replace(pool_columns=0))] == [0]


def test_a_row_of_few_places_comes_too_soon():
    assert [fields["scan"] for fields in pooled((3, 3), 2, (1, 1, 1, 1), size=(9, 3))] == [0]
    assert [fields["scan"] for fields in pooled((3, 3), 2, (0, 1, 2, 1), size=(1, 4))] == [0]
    assert [fields["scan"] for fields in pooled((3, 3), 2, (1, 1, 1, 1), size=(2, 4))] == [1]


def test_a_wide_output_is_cut_into_equal_parts():
    steps = pooled((3, 3), 2, (1, 1, 1, 1), size=(3, 38))
    assert [fields["output_width"] for fields in steps] == [6, 6, 7]
    assert [fields["map_width"] // fields["input_pixel"] + 1 for fields in steps] == [12, 13, 15]
    assert len(pooled((2, 2), 1, size=(3, 10))) == 2
