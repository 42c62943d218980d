"""A recurrent network whose matrices are pruned, restored and shared as the weights of convolutions are.

Source: S. Hochreiter and J. Schmidhuber, "Long Short-Term Memory", 1997, with the forget gate of F. Gers et al., 2000. It is trained and compressed only: the
accelerator has no recurrence.
"""

import torch
from torch import nn
from torch.nn import functional

from ..layers import IDENTITY, ConvolutionLayer
from ..model import DenseConvolution
from ..network import INPUT

__all__ = ["RecurrentNetwork", "new_recurrent_network"]


class RecurrentNetwork(nn.Module):
    """Reads an image row by row with one layer of long short-term memory, and classifies by its last state.

    Parameters
    ----------
    pixels : sw.pixels.Pixels
    units : dict
        Modules whose ``kernel()`` is a matrix [K, C, 1, 1], by name: ``"rows"``, from a row of pixels to the four gates (input, forget,
        candidate, output), ``"state"``, from the state to the gates, and ``"classify"``, from the state to logits.
    """

    def __init__(self, pixels, units):
        super().__init__()
        self.pixels = pixels
        self._units = nn.ModuleDict(units)
        #: C, H and W by name, as for other networks; a recurrent matrix is used once for each row.
        self.shapes = {
            name: (unit.layer.outputs, 1 if name == "classify" else pixels.height, 1)
            for name, unit in units.items()
        }
        self.register_buffer("pixel_offset", torch.tensor(pixels.offset)[:, None, None], persistent=False)
        self.register_buffer("pixel_gain", torch.tensor(pixels.gain)[:, None, None], persistent=False)

    def unit(self, name):
        """The module of a matrix."""
        return self._units[name]

    def units(self):
        """Every matrix as a fully connected layer, and its module: ``[(ConvolutionLayer, module)]``."""
        return [(unit.layer, unit) for unit in self._units.values()]

    def replaced(self, units):
        """The same network in which ``units``, by name, stand for the present ones; these are shared."""
        made = RecurrentNetwork(self.pixels, dict(self._units.items()) | dict(units))
        return made.train(self.training)

    def forward(self, images):
        """Logits [n, classes] of images [n, C, H, W], float or uint8, pixels from 0 to 255."""
        images = (images - self.pixel_offset) * self.pixel_gain
        driven = self._gates("rows", images.transpose(1, 2).flatten(2))
        recurrent = self.unit("state").kernel().flatten(1)
        state = memory = driven.new_zeros(len(images), recurrent.shape[1])
        for step in driven.unbind(1):
            enter, keep, candidate, leave = functional.linear(state, recurrent).add(step).chunk(4, 1)
            memory = torch.sigmoid(keep) * memory + torch.sigmoid(enter) * torch.tanh(candidate)
            state = torch.sigmoid(leave) * torch.tanh(memory)
        return self._gates("classify", state)

    def _gates(self, name, numbers):
        unit = self.unit(name)
        return functional.linear(numbers, unit.kernel().flatten(1), unit.normalise.offset)


def new_recurrent_network(pixels, hidden, classes):
    """An untrained ``RecurrentNetwork`` of ``hidden`` states, from torch's global random state; gates begin to forget late (an offset of 1)."""
    sizes = {
        "rows": (pixels.channels * pixels.width, 4 * hidden),
        "state": (hidden, 4 * hidden),
        "classify": (hidden, classes),
    }
    units = {}
    for name, (inputs, outputs) in sizes.items():
        layer = ConvolutionLayer(
            name=name,
            input=INPUT,
            inputs=inputs,
            outputs=outputs,
            kernel=(1, 1),
            activation=IDENTITY,
            batch_norm=False,
        )
        unit = DenseConvolution(layer, torch.empty(layer.weight_shape).uniform_(-1, 1) * hidden**-0.5)
        # A gain would only double the weights; the state adds to gates that have an offset.
        unit.normalise.gain.requires_grad_(False)
        unit.normalise.offset.requires_grad_(name != "state")
        units[name] = unit
    with torch.no_grad():
        units["rows"].normalise.offset[hidden : 2 * hidden] = 1.0
    return RecurrentNetwork(pixels, units)
