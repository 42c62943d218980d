"""Random networks of every kind of layer, trained enough to have statistics."""

import torch

from sw.compression.plan import plan_layers
from sw.compression.ternary import ternary_network
from sw.layers import IDENTITY, RELU, Activation, AverageLayer, ConvolutionLayer
from sw.model import new_network
from sw.network import INPUT, Concatenation, MaxPool
from sw.pixels import Pixels

AROUND = (1, 1, 1, 1)
PLAIN = Pixels(channels=2, height=12, width=12, offset=(0.0, 0.0), gain=(1 / 255, 1 / 255))
NORMALISED = Pixels(channels=2, height=12, width=12, offset=(120.0, 110.0), gain=(0.017, 0.018))

EVERY_KIND = (
    ConvolutionLayer(name="first", input=INPUT, inputs=2, outputs=8, padding=AROUND),
    MaxPool(name="pool", input="first", window=(3, 3), stride=2, padding=AROUND),
    ConvolutionLayer(name="down", input="pool", inputs=8, outputs=12, stride=2, padding=(0, 0, 1, 1)),
    ConvolutionLayer(
        name="shortcut", input="pool", inputs=8, outputs=12, kernel=(1, 1), stride=2, activation=IDENTITY
    ),
    ConvolutionLayer(
        name="add", input="down", inputs=12, outputs=12, padding=AROUND, residual="shortcut", groups=2
    ),
    ConvolutionLayer(
        name="depth",
        input="add",
        inputs=12,
        outputs=12,
        padding=AROUND,
        groups=12,
        activation=Activation(low=0.0, high=6.0),
    ),
    ConvolutionLayer(
        name="scale",
        input="add",
        inputs=12,
        outputs=12,
        kernel=(1, 1),
        groups=12,
        fixed=True,
        activation=RELU,
    ),
    Concatenation(name="both", inputs=("depth", "scale")),
    ConvolutionLayer(
        name="swish",
        input="both",
        inputs=24,
        outputs=10,
        padding=AROUND,
        activation=Activation(function="hard_swish"),
    ),
    AverageLayer(name="average", input="swish"),
    ConvolutionLayer(
        name="last",
        input="average",
        inputs=10,
        outputs=5,
        kernel=(1, 1),
        activation=IDENTITY,
        batch_norm=False,
    ),
)


def images(count=16, pixels=PLAIN, seed=8):
    """Random pixels [count, C, H, W], float."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, *pixels.shape), generator=generator).float()


def settled(network, pixels):
    """``network`` after its batch norms have seen images, for inference."""
    for layer, unit in network.units():
        if layer.fixed:
            unit.weight.fill_(1.0)
    network.train()
    with torch.no_grad():
        for _ in range(20):
            network(images(pixels=pixels))
    return network.eval()


def dense(layers=EVERY_KIND, pixels=PLAIN):
    """A network of ordinary convolutions."""
    torch.manual_seed(8)
    return settled(new_network(pixels, layers), pixels)


def ternary(layers=EVERY_KIND, pixels=PLAIN, **plan):
    """A network of ternary convolutions."""
    network = dense(layers, pixels)
    return settled(ternary_network(network, plan_layers(network, **plan)), pixels)
