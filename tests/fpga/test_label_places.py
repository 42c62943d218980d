"""Labels cover neither one another nor anything else."""

import random

import pytest

from fpga.label_places import place_labels

SIZE = (20, 8)


def boxes(centres, size=SIZE):
    return [(x - size[0] / 2, y - size[1] / 2, x + size[0] / 2, y + size[1] / 2) for x, y in centres]


def meet(one, other):
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


@pytest.mark.parametrize("seed", range(20))
def test_labels_of_crowded_points_are_apart(seed):
    chance = random.Random(seed)
    points = [(chance.uniform(0, 150), chance.uniform(0, 150)) for _ in range(25)]
    marks = boxes(points, (4, 4))
    placed = boxes(place_labels(points, [SIZE] * len(points), marks, 4))
    for number, box in enumerate(placed):
        assert not any(meet(box, other) for other in placed[:number] + marks)


def test_a_lonely_label_stands_close():
    ((x, y),) = place_labels([(50, 50)], [SIZE], [], 4)
    assert abs(x - 50) <= 4 + SIZE[0] / 2 and abs(y - 50) <= 4 + SIZE[1] / 2


def test_the_last_place_is_taken_where_none_is_free():
    everywhere = (-1000, -1000, 1000, 1000)
    assert len(place_labels([(0, 0)], [SIZE], [everywhere], 4)) == 1
