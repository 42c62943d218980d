"""What the cycle model feeds to a layer is what the feeder's model reads from memory."""

import numpy as np
import pytest

from hw.config import Config
from hw.feeder import Feeder
from hw.formats import Bank, Operation
from sim import reference
from sim.banks import ActivationBanks
from sim.holes import hole_values
from sw.compiler import compile_network
from sw.network import INPUT
from tests.sw.networks import random_input, random_network

TINY = Config.preset("tiny")


@pytest.mark.parametrize("seed", range(6))
def test_fed_chunks(seed):
    print(f"seed {seed}")
    network = random_network(seed, TINY, layers=5)
    images = np.stack([random_input(image, network) for image in range(2)])
    program, tensors = compile_network(network, TINY), reference.run(network, images)
    banks, holes = ActivationBanks(TINY), hole_values(program)
    memory = np.zeros((2, len(Bank), TINY.activation_words, TINY.chunk), np.uint8)

    def store(name):
        place = program.tensors[name]
        banks.store(place, tensors[name], holes[name])
        for at, channel in enumerate(place.order):
            word, lane = divmod(place.slot + at, TINY.chunk)
            for row, column in np.ndindex(place.height, place.width):
                address = place.base + row * place.row + column * place.pixel + word
                values = tensors[name][:, channel, row, column] if channel >= 0 else holes[name][at]
                memory[:, place.bank.value, address, lane] = values & 0xFF

    store(INPUT)
    for number, name in enumerate(program.layer_names):
        for step in program.steps_of(number):
            layer = program.layers[step]
            if Operation(layer["operation"]) is not Operation.CONVOLUTION:
                continue
            extra = (layer["passes"] - 1) // layer["input_repeat"] * layer["input_pass"]
            wide = layer | {"passes": 1, "input_chunks": layer["input_chunks"] + extra}
            values, masks = banks.fed(layer, with_masks=True)
            for image in range(2):
                words = Feeder.model(memory[image, layer["input_bank"]], wide)
                real = words.astype(np.int8) if layer["input_signed"] else words
                assert values[..., image].reshape(-1, TINY.chunk).tolist() == real.tolist()
                assert masks[..., image].reshape(-1).tolist() == ((words != 0) @ (1 << np.arange(4))).tolist()
        store(name)
