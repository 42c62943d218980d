import numpy as np
import pytest

from sw.network import Concatenation, IntegerNetwork, TensorInfo
from sw.pieces import View, find_pieces

from .networks import random_convolution

SOURCE = TensorInfo(channels=2, height=3, width=3, signed=False)


def network(*joined):
    """Convolutions "a" to "d" and what they are joined to."""
    random = np.random.default_rng(1)
    parts = [random_convolution(random, name=name, source=SOURCE, outputs=2, bases=1) for name in "abcd"]
    joined = [Concatenation(name=name, inputs=tuple(inputs)) for name, inputs in joined]
    return IntegerNetwork(name="test", input=SOURCE, input_scale=1.0, layers=(*parts, *joined))


def test_a_tensor_by_itself():
    pieces = find_pieces(network())
    assert pieces.parts == (("input",), ("a",), ("b",), ("c",), ("d",))
    assert pieces.views["c"] == View(piece=3, first=0, end=1)
    assert not pieces.shared("c")


@pytest.mark.parametrize(
    "joined",
    [
        [("x", "ab"), ("y", ["x", "c"]), ("z", ["y", "d"])],
        [("x", "ab"), ("y", "abc"), ("z", "abcd")],
        [("z", "abcd"), ("y", "abc"), ("x", "ab")],
    ],
    ids=["nested", "listed", "longest first"],
)
def test_a_growing_list_is_one_piece(joined):
    pieces = find_pieces(network(*joined))
    assert pieces.parts == (("input",), ("a", "b", "c", "d"))
    assert pieces.views["x"] == View(piece=1, first=0, end=2)
    assert pieces.views["y"] == View(piece=1, first=0, end=3)
    assert pieces.views["z"] == View(piece=1, first=0, end=4)
    assert pieces.views["d"] == View(piece=1, first=3, end=4)
    assert pieces.shared("x") and pieces.shared("d") and not pieces.shared("input")


def test_a_run_in_the_middle_and_pieces_in_the_order_of_writing():
    pieces = find_pieces(network(("x", ["d", "b", "input"]), ("y", ["b", "input"]), ("z", "ca")))
    assert pieces.parts == (("d", "b", "input"), ("c", "a"))
    assert pieces.views["y"] == View(piece=0, first=1, end=3)


@pytest.mark.parametrize(
    ("joined", "message"),
    [
        (
            [("x", "aba")],
            "layer x: expected every part of a concatenation once, got a twice; copy it with a 1x1",
        ),
        ([("x", "ab"), ("y", ["x", "a"])], "layer y: expected every part .* once, got a twice"),
        (
            [("x", "ab"), ("y", "ba")],
            "expected parts that lie side by side in every concatenation, got b among b, a and among a, b; concatenate",
        ),
        ([("x", "ab"), ("y", "bc")], "layer y: .* got b among b, c and among a, b;"),
        ([("x", "abc"), ("y", "ac")], "layer y: .* got a among a, c and among a, b, c;"),
        ([("x", "ab"), ("y", "cd"), ("z", "bc")], "layer z: .* got b among b, c and among a, b;"),
    ],
)
def test_refusals(joined, message):
    with pytest.raises(ValueError, match=message):
        find_pieces(network(*joined))
