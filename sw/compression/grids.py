"""The 8-bit grid of every tensor: its sign and its scale, calibrated on images and trained on.

Tensors that must share a grid do: what a maximum reads and makes, and what is concatenated.
"""

import torch
from torch import nn

from ..layers import AverageLayer, ConvolutionLayer
from ..network import INPUT, Concatenation, MaxPool

__all__ = ["Grid", "best_scale", "calibrate", "sample"]

#: Functions that are never negative.
_POSITIVE = ("hard_sigmoid", "sigmoid", "softplus")
_CANDIDATES = 40
_SAMPLES = 1 << 17


class Grid(nn.Module):
    """Integers ``low..high``, each ``scale`` in real numbers; the logarithm of the scale is trained.

    Parameters
    ----------
    scale : float
    signed : bool
        Of 8 bits, -128..127 or 0..255.
    bits : int
    """

    def __init__(self, scale, signed, bits=8):
        super().__init__()
        self.signed = signed
        self.low, self.high = _range(signed, bits)
        self.exponent = nn.Parameter(torch.tensor(float(scale), dtype=torch.float64).log2().float())

    @property
    def scale(self):
        """Real value of one unit, a scalar tensor."""
        return torch.exp2(self.exponent)

    def clamp(self, activation):
        """Least and greatest integer that ``activation`` lets pass."""
        scale = float(self.scale.detach())
        ends = (max(self.low, activation.low / scale), min(self.high, activation.high / scale))
        return tuple(int(torch.floor(torch.tensor(end, dtype=torch.float64) + 0.5)) for end in ends)


def best_scale(values, low, high):
    """Scale of an integer grid ``low``..``high`` that represents ``values`` with the least squared error.

    Raises
    ------
    ValueError
        If all values are zero: there is nothing to choose a scale by.
    """
    values = sample(values)
    peak = max(float(values.max()) / high, float(values.min()) / low if low else 0.0)
    if peak <= 0:
        raise ValueError("expected activations other than zero to calibrate on, got none")
    candidates = [peak * step / _CANDIDATES for step in range(_CANDIDATES // 4, _CANDIDATES + 1)]
    return min(
        candidates,
        key=lambda scale: float(
            (torch.floor(values / scale + 0.5).clamp(low, high) * scale - values).square().sum()
        ),
    )


def sample(values):
    """Some of a tensor's ``values``, float64 [n], evenly taken."""
    values = values.detach().flatten().double()
    return values[:: max(1, values.numel() // _SAMPLES)]


def _range(signed, bits):
    return (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)


@torch.no_grad()
def calibrate(network, images, *, bits=8, choose=best_scale):
    """A ``Grid`` for every tensor of ``network``, from its activations on training ``images`` [n, C, H, W].

    Grids have ``bits``, and the scale that ``choose(values, low, high)`` gives. Logits have 8 bits and
    keep their whole range: only their order matters, and the largest decides it. What an activation function other
    than a clamp is applied to has a signed grid of its own, under the name of the layer and ``".sum"``.

    Raises
    ------
    ValueError
        If a tensor is zero on all images.
    """
    network.eval()
    tensors = network.tensors(images)
    grids = {}
    for names in _joined(network.layers):
        signed = any(_signed(network, name) for name in names)
        if INPUT in names:
            if signed != network.pixels.signed:
                raise ValueError(
                    f"expected tensors of one sign to be joined with the image, got {', '.join(names)}"
                )
            grid = Grid(network.pixels.scale, signed)
            grid.exponent.requires_grad_(False)
        else:
            last = network.layers[-1].name
            width = 8 if last in names else bits
            grid = _calibrated(names, signed, [tensors[name] for name in names], last, width, choose)
        grids |= dict.fromkeys(names, grid)
    for layer, unit in network.units():
        if layer.activation.function is not None:
            sources = [tensors[layer.input], *([tensors[layer.residual]] if layer.residual else [])]
            name = f"{layer.name}.sum"
            grids[name] = _calibrated([name], True, [unit.sums(*sources)], None, 8, best_scale)
    return grids


def _calibrated(names, signed, tensors, last, bits, choose):
    low, high = _range(signed, bits)
    values = torch.cat([tensor.flatten() for tensor in tensors])
    try:
        if last in names:
            scale = float(values.abs().max()) / high
            if not scale:
                raise ValueError("expected logits other than zero to calibrate on, got none")
        else:
            scale = choose(values, low, high)
    except ValueError as error:
        raise ValueError(f"layer {names[0]}: {error}") from None
    return Grid(scale, signed, bits)


def _joined(layers):
    """Names of all tensors, in groups that share a grid, each in the order they are made."""
    group = {INPUT: [INPUT]}
    for layer in layers:
        group[layer.name] = own = [layer.name]
        sources = layer.inputs if isinstance(layer, Concatenation) else ()
        for name in (layer.input,) if isinstance(layer, MaxPool) else sources:
            if group[name] is not own:
                own = sorted({*group[name], *own}, key=[INPUT, *(known.name for known in layers)].index)
                group |= dict.fromkeys(own, own)
    return list({id(names): names for names in group.values()}.values())


def _signed(network, name):
    """Whether the tensor ``name`` may be negative."""
    if name == INPUT:
        return network.pixels.signed
    layer = next(layer for layer in network.layers if layer.name == name)
    if isinstance(layer, ConvolutionLayer):
        activation = layer.activation
        if activation.function is not None:
            return activation.function not in _POSITIVE
        return activation.low < 0
    if isinstance(layer, Concatenation):
        return any(_signed(network, part) for part in layer.inputs)
    assert isinstance(layer, MaxPool | AverageLayer)
    return _signed(network, layer.input)
