# amaranth: UnusedElaboratable=no
"""Frame serializer: the bytes of each value that count, lowest first, whatever the traffic."""

import random

import pytest

from hw.frame_serializer import FrameSerializer

from .streams import TRAFFIC, stream_run, stream_transform


@pytest.mark.parametrize("traffic", TRAFFIC)
@pytest.mark.parametrize("width", [1, 3, 16])
def test_bytes_lowest_first(width, traffic):
    seed = 261
    print(f"seed {seed}")
    generator = random.Random(seed)
    values = [
        {"bytes": [generator.randrange(256) for _ in range(width)], "count": generator.randint(1, width)}
        for _ in range(40)
    ]
    expected = [byte for value in values for byte in value["bytes"][: value["count"]]]
    got = stream_transform(
        FrameSerializer(width), values, outputs=len(expected), seed=seed, **TRAFFIC[traffic]
    )
    assert got == expected


def test_a_value_takes_a_cycle_more_than_its_bytes():
    values = [{"bytes": [1, 2, 3, 4], "count": count} for count in (4, 1, 2)]
    run = stream_run(FrameSerializer(4), values, outputs=7)
    first = run.accepted[0]
    assert [cycle - first for cycle in run.accepted] == [0, 5, 7]
    assert [cycle - first for cycle in run.emitted] == [1, 2, 3, 4, 6, 8, 9]


@pytest.mark.parametrize("width", [0, -1, "two"])
def test_a_width_that_is_none(width):
    with pytest.raises(ValueError, match=f"expected a width of at least one byte, got {width!r}"):
        FrameSerializer(width)
