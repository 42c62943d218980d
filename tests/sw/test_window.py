"""How convolutions are fed, whole and in tiles."""

import pytest

from sw.compiler import compile_network

from .layers import TINY, convolution, info, network


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "expected"),
    [
        (
            (6, 5),
            (3, 3),
            1,
            (1, 1, 1, 1),
            {"pad_top": 1, "pad_left": 1, "line": 5, "drain": 6, "squares": 0, "side_by_side": 0},
        ),
        (
            (6, 6),
            (3, 3),
            2,
            (0, 0, 1, 1),
            {
                "pad_top": 0,
                "pad_left": 0,
                "line": 4,
                "drain": 5,
                "squares": 1,
                "last_upper": 1,
                "last_left": 1,
            },
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
            {"height": 3, "width": 4, "input_pixel": 4, "input_row": 28, "output_width": 4},
        ),
    ],
)
def test_window(size, kernel, stride, padding, expected):
    source = info(channels=6, height=size[0], width=size[1])
    layer = convolution(source, kernel=kernel, stride=stride, padding=padding)
    fields = compile_network(network(source, layer), TINY).layers[0]
    assert {name: fields[name] for name in expected} == expected
    assert (fields["input_chunks"], fields["input_lanes"]) == (2, 2)
