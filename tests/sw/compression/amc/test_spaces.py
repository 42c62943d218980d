"""Spaces: that the work they count of a policy is that of the network that the policy gives, and which numbers go."""

import random

import pytest
import torch

from sw.complexity import layer_complexity, network_complexity, total
from sw.compression.amc.spaces import ChannelSpace, coefficient_space, weight_space
from sw.compression.decomposed import decompose_network
from sw.compression.magnitude import MagnitudeSettings, prune_least
from sw.compression.masked import prunable_units
from sw.compression.plan import plan_layers
from sw.work import FLOAT32, INTEGERS
from tests.sw.compression.networks import dense, images, ternary


def decomposed():
    network = dense()
    return decompose_network(network, plan_layers(network, bases=3))


def policies(space, count=12):
    """Random ones, and both ends."""
    drawn = random.Random(3)
    every = list(zip(space.gone, space.counts, strict=True))
    yield space.gone
    yield tuple(most - 1 for most in space.counts)
    for _ in range(count):
        yield tuple(drawn.randint(gone, most - 1) for gone, most in every)


def counted(work):
    return work.adds, work.multiply_adds, work.parameters, work.bits


@pytest.mark.parametrize(
    ("make", "space_of", "widths"),
    [
        (dense, weight_space, FLOAT32),
        (decomposed, coefficient_space, FLOAT32),
        (ternary, coefficient_space, INTEGERS),
    ],
)
def test_work_is_that_of_the_network(make, space_of, widths):
    space = space_of(make())
    for removed in policies(space):
        made = space.network(removed)
        assert counted(space.work(removed)) == counted(total(network_complexity(made, widths)))
        with torch.no_grad():
            assert torch.equal(made(images()), space.candidate(removed)(images()))


def test_work_without_channels_is_that_of_the_network():
    network = dense()
    space = ChannelSpace(network)
    assert [layer.name for layer in space.layers] == ["first", "swish"]
    assert space.work(space.gone) == total(network_complexity(network), "dense")
    for removed in policies(space):
        made = space.network(removed)
        left = [made.unit(layer.name).layer.outputs for layer in space.layers]
        assert left == [count - gone for count, gone in zip(space.counts, removed, strict=True)]
        assert space.work(removed) == total(layer_complexity(made.pixels, made.layers), "dense")


def test_channels_pass_depthwise_layers_and_concatenations():
    """Of a chain the depthwise layer shrinks with what it reads; work is still that of the network."""
    from sw.layers import IDENTITY, ConvolutionLayer
    from sw.network import INPUT, Concatenation

    layers = (
        ConvolutionLayer(name="one", input=INPUT, inputs=2, outputs=6, padding=(1, 1, 1, 1)),
        ConvolutionLayer(name="depth", input="one", inputs=6, outputs=6, padding=(1, 1, 1, 1), groups=6),
        ConvolutionLayer(name="two", input=INPUT, inputs=2, outputs=4, padding=(1, 1, 1, 1)),
        Concatenation(name="both", inputs=("depth", "two")),
        ConvolutionLayer(
            name="last", input="both", inputs=10, outputs=3, kernel=(12, 12), activation=IDENTITY
        ),
    )
    space = ChannelSpace(dense(layers))
    assert space.counts == (6, 4)
    for removed in ((0, 0), (2, 0), (0, 3), (5, 3)):
        made = space.network(removed)
        assert made.unit("depth").layer.outputs == 6 - removed[0]
        assert space.work(removed) == total(layer_complexity(made.pixels, made.layers), "dense")


def test_the_least_numbers_go_and_masks_stay():
    network = prune_least(dense(), MagnitudeSettings(sparsity=0.4))
    space = weight_space(network)
    assert space.gone == tuple(round(0.4 * count) for count in space.counts)
    removed = tuple(round(0.7 * count) for count in space.counts)
    made = space.network(removed)
    for (layer, unit), gone in zip(prunable_units(made), removed, strict=True):
        before = network.unit(layer.name)
        assert int((~unit.kept).sum()) == gone and not (unit.kept & ~before.kept).any()
        assert before.weight.abs()[~unit.kept].max() <= before.weight.abs()[unit.kept].min()
        assert torch.equal(unit.weight, unit.kernel())
    # Policies do not build on each other.
    assert space.work(space.gone) == weight_space(network).work(space.gone)
    with pytest.raises(ValueError, match="expected a layer with coefficients, got none; decompose"):
        coefficient_space(dense())
