"""Steps and layers of a program."""

import dataclasses

import numpy as np

from hw.config import Config
from sw.compiler import compile_network
from sw.network import inputs_of

from .networks import random_network

TINY = Config.preset("tiny")


def test_steps_add_up_to_layers():
    program = compile_network(random_network(0, TINY, layers=2), TINY)
    program = dataclasses.replace(program, layer_names=("a", "b", "c"), step_layers=(0, 0, 2))
    assert [program.steps_of(number) for number in range(3)] == [range(2), range(2, 2), range(2, 3)]
    assert program.layer_sums([1, 2, 4]).tolist() == [3, 0, 4]
    assert program.layer_sums(np.array([[1, 2, 4], [8, 16, 32]])).tolist() == [[3, 0, 4], [24, 0, 32]]


def test_inputs_of_layers():
    for seed in range(8):
        made = random_network(seed, TINY)
        program = compile_network(made, TINY)
        for layer, inputs in zip(made.layers, program.layer_inputs, strict=True):
            assert inputs == inputs_of(layer)
