"""The serial machine as a whole, behind its host link: every tensor is the reference's, every cycle the model's."""

import numpy as np
import pytest

from sim import reference
from sim.cycle_model import layer_cycles
from sim.network import simulate
from sw.compiler import compile_network
from tests.sw.networks import random_input, random_network

from .test_random_layers import SERIAL, with_pools


def run(config, network, images, work_dir):
    program = compile_network(network, config)
    result = simulate(program, network, images, config=config, work_dir=work_dir)
    assert result.passed
    assert layer_cycles(program, reference.run(network, images)).tolist() == result.layer_cycles.tolist()
    assert result.cycles.tolist() == result.layer_cycles.sum(axis=1).tolist()


@pytest.mark.parametrize("seed", range(2))
def test_random_networks(seed, tmp_path):
    network = with_pools(random_network(seed, SERIAL, layers=9), np.random.default_rng(seed))
    images = np.stack([random_input(number, network, zeros=0.5) for number in (seed, seed + 10)])
    run(SERIAL, network, images, tmp_path)
