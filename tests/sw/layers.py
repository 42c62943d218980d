"""Small networks for tests of the compiler, and the check of one."""

import dataclasses

import numpy as np
import pytest

from hw.config import PRESETS, Config
from sim.reference import run
from sw.compiler import compile_network
from sw.network import Convolution, IntegerNetwork, TensorInfo

from .machine import execute
from .networks import random_convolution, random_input

__all__ = [
    "SEEDS",
    "TINY",
    "changed",
    "check_descriptors",
    "convolution",
    "dense",
    "info",
    "network",
    "networks",
    "with_tables",
]

SEEDS = range(8)
TINY = Config.preset("tiny")

#: Runs a test for every preset and seed.
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


def with_tables(config):
    """The configuration with two activation tables, if it can have any."""
    return config if config.serial else config.replace(tables=2)


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


def check_descriptors(seed, made, config):
    """Compile, execute the descriptors, compare with the reference; returns the program."""
    program = compile_network(made, config)
    tensor = random_input(seed, made)
    expected = run(made, tensor[None])[program.output_name][0]
    np.testing.assert_array_equal(execute(program, tensor), expected)
    return program
