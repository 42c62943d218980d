"""Activation memory in numpy: tensors where the program places them, and what of it is fed to a layer."""

import numpy as np

from hw.feeder import Feeder
from hw.formats import Bank

__all__ = ["ActivationBanks"]


class ActivationBanks:
    """The three banks of one image, empty at first, with the tensors that a run has stored so far."""

    def __init__(self, config):
        self._words = np.zeros((len(Bank), config.activation_words, config.chunk), np.uint8)

    def store(self, place, tensor, holes):
        """Write a tensor [C, H, W] in the network's order of channels, as its ``Placement`` says.

        ``holes`` has the values of its slots without a channel, as ``sim.holes.hole_values`` gives them.
        """
        rows, columns = (
            np.arange(place.height) * place.row,
            np.arange(place.width) * place.pixel,
        )
        pixels = place.base + rows[:, None] + columns
        chunk = self._words.shape[2]
        for at, channel in enumerate(place.order):
            slot = place.slot + at
            values = (tensor[channel] if channel >= 0 else holes[at]) & 0xFF
            self._words[place.bank.value, pixels + slot // chunk, slot % chunk] = values

    def fed(self, layer):
        """Chunks [pixels of a pass, chunks, N] that the passes of a descriptor are fed, int32, all those of any pass."""
        chunks = layer["input_chunks"] + (layer["passes"] - 1) // layer["input_repeat"] * layer["input_pass"]
        all_chunks = layer | {"passes": 1, "input_chunks": chunks}
        fed = Feeder.model(self._words[layer["input_bank"]], all_chunks).reshape(
            -1, chunks, self._words.shape[2]
        )
        return (fed.astype(np.int8) if layer["input_signed"] else fed).astype(np.int32)
