"""Network files: what comes back, what is refused."""

import dataclasses
import json

import numpy as np
import pytest

from hw.config import Config
from sw.network import IntegerNetwork
from sw.network_file import (
    NetworkFileError,
    network_bytes,
    parse_network,
    read_network,
    write_network,
)
from sw.pixels import Pixels
from tests.sw.networks import random_network


def network(seed):
    made = random_network(seed, Config.preset("tiny"), layers=8, size=12)
    shape = made.input.shape
    signed = made.input.signed
    pixels = Pixels(
        channels=shape[0],
        height=shape[1],
        width=shape[2],
        offset=(float(signed),) * shape[0],
        gain=(0.25,) * shape[0],
    )
    return dataclasses.replace(made, pixels=pixels)


def same(one, other):
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other)
    if dataclasses.is_dataclass(one):
        fields = [field.name for field in dataclasses.fields(one)]
        return type(one) is type(other) and all(same(getattr(one, f), getattr(other, f)) for f in fields)
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and one == other


@pytest.mark.parametrize("seed", range(12))
def test_everything_comes_back(seed):
    made, report = network(seed), {"accuracy": 0.5, "phases": ["one"]}
    again, kept = parse_network(network_bytes(made, report))
    assert isinstance(again, IntegerNetwork) and same(made, again) and kept == report


def test_same_network_gives_the_same_bytes():
    assert network_bytes(network(3)) == network_bytes(network(3))
    assert network_bytes(network(3)) != network_bytes(network(4))


def test_file_is_written_whole(tmp_path):
    path = tmp_path / "net.farthing"
    write_network(path, network(1))
    assert [each.name for each in tmp_path.iterdir()] == ["net.farthing"]
    assert same(read_network(path)[0], network(1))


def _header(content, change):
    """``content`` with its JSON changed by ``change``."""
    length = int.from_bytes(content[:8], "little")
    outer = json.loads(content[8 : 8 + length])
    header = json.loads(outer["__metadata__"]["farthing"])
    change(header)
    outer["__metadata__"]["farthing"] = json.dumps(header)
    text = json.dumps(outer).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + content[8 + length :]


def _first_layer(name, value):
    return lambda header: header["layers"][0].update({name: value})


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda content: b"", "expected a network file of farthing, got something else"),
        (lambda content: b"FARTHING" + content, "expected a network file of farthing, got something else"),
        (
            lambda content: content[: len(content) // 2],
            "expected a network file of farthing, got something else",
        ),
        (
            lambda content: _header(content, lambda header: header.update(version=9)),
            "version 1, got version 9",
        ),
        (lambda content: _header(content, _first_layer("kind", "Lambda")), "got one in which 'Lambda'"),
        (lambda content: _header(content, _first_layer("input", "nowhere")), "got one in which layer"),
        (lambda content: _header(content, _first_layer("surprise", 1)), "surprise"),
        (lambda content: _header(content, lambda header: header.pop("layers")), "got one in which 'layers'"),
    ],
)
def test_damage_is_refused_in_one_line(tmp_path, damage, message):
    path = tmp_path / "bad.farthing"
    path.write_bytes(damage(network_bytes(network(1))))
    with pytest.raises(NetworkFileError, match=message) as caught:
        read_network(path)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)
