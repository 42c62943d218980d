"""Shrinking: the network computes what it did, and has lost what it should have lost."""

import copy
import dataclasses

import pytest
import torch

from sw.compression import channels, shrinking
from sw.compression.decomposed import DecomposedConvolution
from sw.compression.plan import LayerPlan
from sw.compression.shrinking import UnevenConstant, shrink
from sw.compression.ternary import ternary_network
from sw.layers import IDENTITY, RELU, AverageLayer, ConvolutionLayer
from sw.model import Affine, DenseConvolution, Network
from sw.network import INPUT, Concatenation, MaxPool
from sw.pixels import Pixels

from .redundant_networks import any_numbers, copy_layer, images_of, random_network, selection

PIXELS = Pixels(channels=1, height=6, width=6, offset=(10.0,), gain=(0.1,))
#: Padding that keeps the size of a map under a 3x3 kernel.
SAME = (1, 1, 1, 1)


def convolution(name, source, inputs, outputs, **more):
    """A layer and its unit, without zeros; batch norm unless told otherwise."""
    layer = ConvolutionLayer(name=name, input=source, inputs=inputs, outputs=outputs, **more)
    return layer, any_numbers(DenseConvolution(layer))


def build(*parts, pixels=PIXELS):
    """Network of (layer, unit) and layers without one, float64, in inference."""
    layers = [part[0] if isinstance(part, tuple) else part for part in parts]
    units = {part[0].name: part[1] for part in parts if isinstance(part, tuple)}
    return Network(pixels, layers, units).double().eval()


def silence(network, name, channels, value):
    """Make output channels of a convolution the constant ``value`` (before its activation)."""
    unit = network.unit(name)
    with torch.no_grad():
        unit.weight[channels] = 0
        if isinstance(unit.normalise, Affine):
            unit.normalise.offset[channels] = value
        else:
            unit.normalise.bias[channels] = value
            unit.normalise.running_mean[channels] = 0


def ignore(network, name, channels):
    """Make a convolution read nothing of input channels."""
    with torch.no_grad():
        network.unit(name).weight[:, channels] = 0


def check(network, removed, kept_constants=()):
    """Shrink, compare logits and what is gone, and that nothing is left to do; returns the smaller network."""
    before = copy.deepcopy(network.state_dict())
    result = shrink(network)
    images = images_of(network)
    torch.testing.assert_close(result.network(images), network(images), rtol=1e-9, atol=1e-9)
    assert result.removed == removed
    found = [(kept.tensor, kept.channel, kept.reader) for kept in result.kept_constants]
    assert found == list(kept_constants)
    assert all(torch.equal(numbers, before[name]) for name, numbers in network.state_dict().items())
    assert shrink(result.network).removed == {}
    return result.network


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(1)


def chain(kernel=(3, 3), padding=SAME, count=3, **more):
    """Convolutions ``a``, ``b``, ... of 4 channels."""
    parts, source, channels = [], INPUT, 1
    for name in "abcdef"[:count]:
        parts.append(convolution(name, source, channels, 4, kernel=kernel, padding=padding, **more))
        source, channels = name, 4
    return build(*parts)


def test_a_channel_that_nobody_reads_goes():
    network = chain()
    ignore(network, "b", [1, 3])
    smaller = check(network, {"a": 2})
    assert smaller.shapes["a"] == (2, 6, 6)
    assert torch.equal(smaller.unit("b").weight, network.unit("b").weight[:, [0, 2]])


def test_nothing_goes_where_everything_is_used():
    check(chain(), {})


def test_a_channel_of_zeros_goes_from_a_padded_convolution():
    network = chain()
    silence(network, "a", [0], -1.0)
    check(network, {"a": 1})


def test_a_constant_stays_that_a_padded_convolution_reads():
    network = chain()
    silence(network, "a", [2], 0.5)
    check(network, {}, [("a", 2, "b")])
    assert shrink(network).kept_constants == [UnevenConstant(tensor="a", channel=2, value=0.5, reader="b")]


@pytest.mark.parametrize("batch_norm", [True, False])
def test_an_uneven_constant_may_leave_its_mean(batch_norm):
    network = chain(batch_norm=batch_norm, activation=IDENTITY, count=2)
    silence(network, "a", [2], 0.5)
    result = shrink(network, exact=False)
    assert result.removed == {"a": 1} and result.kept_constants == []
    assert result.averaged_constants == [UnevenConstant(tensor="a", channel=2, value=0.5, reader="b")]
    images = images_of(network)
    before, after = (each.tensors(images)["b"] for each in (network, result.network))
    torch.testing.assert_close(after.mean((2, 3)), before.mean((2, 3)), rtol=1e-9, atol=1e-9)
    assert (after - before).abs().max() > 1e-3
    # All pixels away from the border are wrong by the same.
    wrong = (after - before)[:, :, 1:-1, 1:-1]
    torch.testing.assert_close(wrong, wrong[:1, :, :1, :1].expand_as(wrong), rtol=1e-9, atol=1e-9)


def test_an_uneven_constant_stays_where_it_is_joined_to_what_is_needed():
    network = residual_network()
    silence(network, "a", [1], 0.5)
    result = shrink(network, exact=False)
    assert result.removed == {} and result.averaged_constants == []
    assert [kept.channel for kept in result.kept_constants] == [1]


@pytest.mark.parametrize("seed", range(20))
def test_shrinking_that_is_not_exact_removes_no_less(seed):
    network = random_network(seed)
    exact, free = shrink(network), shrink(network, exact=False)
    assert sum(free.removed.values()) >= sum(exact.removed.values())
    assert exact.averaged_constants == []
    if not free.averaged_constants:
        images = images_of(network)
        torch.testing.assert_close(free.network(images), network(images), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("batch_norm", [True, False])
def test_a_constant_moves_into_a_convolution_without_padding(batch_norm):
    network = chain(padding=(0, 0, 0, 0), count=2, batch_norm=batch_norm)
    silence(network, "a", [2], 0.5)
    check(network, {"a": 1})


def test_a_constant_moves_where_only_weights_inside_of_the_map_meet_it():
    network = chain(count=2)
    silence(network, "a", [2], 0.5)
    with torch.no_grad():
        centre = network.unit("b").weight[:, 2, 1, 1].clone()
        network.unit("b").weight[:, 2] = 0
        network.unit("b").weight[:, 2, 1, 1] = centre
    check(network, {"a": 1})


def test_a_constant_moves_into_a_padded_convolution_of_a_single_pixel():
    pixels = Pixels(channels=1, height=1, width=1, offset=(10.0,), gain=(0.1,))
    network = build(
        convolution("a", INPUT, 1, 4, padding=SAME), convolution("b", "a", 4, 4, padding=SAME), pixels=pixels
    )
    silence(network, "a", [2], 0.5)
    check(network, {"a": 1})


def test_a_gain_of_zero_makes_a_constant():
    network = chain(padding=(0, 0, 0, 0), count=2)
    with torch.no_grad():
        network.unit("a").normalise.weight[1] = 0
    check(network, {"a": 1})


def test_a_constant_of_constants_takes_several_layers_along():
    """Channel 0 of c reads channel 0 of b alone, which reads channel 0 of a alone, which is a constant."""
    network = chain(padding=(0, 0, 0, 0), count=2)
    network = build(
        *((layer, unit) for layer, unit in network.units()),
        convolution("c", "b", 4, 4, kernel=(1, 1)),
        convolution("d", "c", 4, 4, kernel=(1, 1)),
    )
    silence(network, "a", [0], 0.5)
    with torch.no_grad():
        network.unit("b").weight[0, 1:] = 0
        network.unit("c").weight[0, 1:] = 0
    smaller = check(network, {"a": 1, "b": 1, "c": 1})
    assert smaller.unit("d").layer.inputs == 3


def test_what_only_a_useless_channel_reads_is_useless():
    """Nobody reads channel 0 of d, which alone reads channel 0 of c, which alone reads channel 0 of b ..."""
    network = chain(count=5)
    for name in "bcd":
        with torch.no_grad():
            network.unit(name).weight[1:, 0] = 0
    ignore(network, "e", [0])
    check(network, {"a": 1, "b": 1, "c": 1, "d": 1})


def test_a_layer_keeps_one_channel():
    network = chain()
    for name in "ab":
        silence(network, name, [0, 1, 2, 3], -1.0)
    smaller = check(network, {"a": 3, "b": 3})
    assert smaller.shapes["a"][0] == smaller.shapes["b"][0] == 1


def test_a_layer_of_useful_constants_keeps_one_channel():
    network = chain(kernel=(2, 2), padding=(0, 0, 0, 0))
    silence(network, "b", [0, 1, 2, 3], 0.7)
    check(network, {"a": 3, "b": 3})


def test_the_last_layer_keeps_its_outputs():
    network = chain()
    silence(network, "c", [0, 1], 0.0)
    check(network, {})


def test_pixels_stay():
    network = build(
        convolution("a", INPUT, 2, 4),
        convolution("b", "a", 4, 4),
        pixels=Pixels(channels=2, height=6, width=6, offset=(10.0, 0.0), gain=(0.1, 1.0)),
    )
    ignore(network, "a", [0])
    smaller = check(network, {})
    assert smaller.unit("a").layer.inputs == 2


def residual_network():
    """a -> b -> c + a -> d, all of 4 channels."""
    return build(
        convolution("a", INPUT, 1, 4, padding=SAME),
        convolution("b", "a", 4, 4, padding=SAME),
        convolution("c", "b", 4, 4, padding=SAME, residual="a"),
        convolution("d", "c", 4, 4, padding=(0, 0, 0, 0)),
    )


def test_a_residual_sum_keeps_a_channel_that_one_side_needs():
    network = residual_network()
    silence(network, "c", [0], 0.0)
    silence(network, "a", [1], -1.0)
    ignore(network, "b", [2])
    check(network, {})


def test_a_residual_sum_loses_a_channel_that_nobody_reads():
    network = residual_network()
    ignore(network, "b", [2])
    ignore(network, "d", [2])
    check(network, {"a": 1, "c": 1})


def test_a_residual_sum_loses_a_channel_that_is_constant_on_both_sides():
    network = residual_network()
    silence(network, "a", [1], 0.5)
    silence(network, "c", [1], 0.25)
    ignore(network, "b", [1])
    check(network, {"a": 1, "c": 1})


def test_a_sum_of_constants_stays_where_one_of_them_cannot_move():
    network = residual_network()
    silence(network, "a", [1], 0.5)
    silence(network, "c", [1], 0.25)
    check(network, {}, [("a", 1, "b")])


def test_a_shortcut_without_weights_is_renumbered():
    """Channels 0 and 1 of the sum come from zeros beside the shortcut, 2 and 3 from a."""
    network = build(
        convolution("a", INPUT, 1, 4, padding=SAME),
        selection("shortcut", "a", 4, 8),
        convolution("b", "a", 4, 8, stride=2, padding=SAME, residual="shortcut"),
        convolution("c", "b", 8, 4, padding=(0, 0, 0, 0)),
    )
    silence(network, "b", [0], 0.5)
    ignore(network, "c", [2, 7])
    ignore(network, "b", [0])
    smaller = check(network, {"a": 1, "shortcut": 3, "b": 3})
    assert smaller.unit("shortcut").weight[:, :, 0, 0].tolist() == [
        [0, 0, 0],
        [1, 0, 0],
        [0, 1, 0],
        [0, 0, 1],
        [0, 0, 0],
    ]


def test_concatenation_shifts_channels():
    network = build(
        convolution("a", INPUT, 1, 4, padding=SAME),
        convolution("b", INPUT, 1, 4, padding=SAME),
        Concatenation(name="both", inputs=("a", "b", "a")),
        convolution("c", "both", 12, 4, padding=(0, 0, 0, 0)),
    )
    silence(network, "b", [3], 0.5)
    ignore(network, "c", [0, 8, 1])
    smaller = check(network, {"a": 1, "b": 1})
    assert smaller.unit("c").layer.inputs == 9
    expected = network.unit("c").weight[:, [1, 2, 3, 4, 5, 6, 9, 10, 11]]
    assert torch.equal(smaller.unit("c").weight, expected)


def test_pooling_passes_constants_and_needs_on():
    network = build(
        convolution("a", INPUT, 1, 4, padding=SAME),
        MaxPool(name="maximum", input="a", window=(3, 3), stride=2, padding=SAME),
        AverageLayer(name="mean", input="maximum", window=(2, 2), stride=1),
        convolution("b", "mean", 4, 4, kernel=(1, 1)),
    )
    silence(network, "a", [0], 0.5)
    ignore(network, "b", [3])
    smaller = check(network, {"a": 2})
    assert smaller.shapes["mean"][0] == 2


def test_depthwise_channels_go_with_their_inputs():
    network = build(
        convolution("a", INPUT, 1, 4, padding=SAME),
        convolution("b", "a", 4, 4, padding=SAME, groups=4),
        convolution("c", "b", 4, 4, kernel=(1, 1)),
    )
    silence(network, "b", [1], 0.5)
    ignore(network, "c", [3])
    smaller = check(network, {"a": 2, "b": 2})
    assert smaller.unit("b").layer.depthwise


def test_groups_go_as_a_whole():
    network = build(
        convolution("a", INPUT, 1, 6, padding=SAME),
        convolution("b", "a", 6, 6, kernel=(1, 1), groups=3),
        convolution("c", "b", 6, 4, kernel=(1, 1)),
    )
    # One channel of the first group, all of the second.
    ignore(network, "c", [0, 2])
    silence(network, "b", [3], 0.5)
    smaller = check(network, {"a": 2, "b": 2})
    assert smaller.unit("b").layer.groups == 2


def test_the_last_group_is_a_plain_convolution():
    network = build(
        convolution("a", INPUT, 1, 6, padding=SAME),
        convolution("b", "a", 6, 6, kernel=(1, 1), groups=2),
        convolution("c", "b", 6, 4, padding=SAME),
    )
    silence(network, "a", [4], 0.5)
    silence(network, "b", [5], 0.5)
    ignore(network, "c", [0, 1, 2, 3])
    with torch.no_grad():
        network.unit("b").weight[4:, 2] = 0
    smaller = check(network, {"a": 5, "b": 4}, [("b", 5, "c")])
    assert smaller.unit("b").layer.groups == 1


def test_copies_go_with_what_they_copy():
    network = build(
        convolution("a", INPUT, 1, 4, padding=SAME),
        copy_layer("b", "a", 4, activation=RELU),
        convolution("c", "b", 4, 4, kernel=(1, 1)),
    )
    ignore(network, "c", [1])
    assert check(network, {"a": 1, "b": 1}).unit("b").layer.groups == 3


def decomposed_network():
    layer = ConvolutionLayer(name="b", input="a", inputs=4, outputs=4, padding=SAME)
    unit = DecomposedConvolution(layer, torch.randn(4, 4, 3), torch.randn(3, 3, 3), None)
    return build(
        convolution("a", INPUT, 1, 4, padding=SAME),
        (layer, any_numbers(unit)),
        convolution("c", "b", 4, 4, kernel=(1, 1), activation=IDENTITY),
    )


def test_a_basis_that_no_coefficient_uses_goes():
    network = decomposed_network()
    unit = network.unit("b")
    unit.kept[..., 1] = False
    result = shrink(network)
    assert result.removed_bases == {"b": 1} and result.removed == {}
    small = result.network.unit("b")
    assert torch.equal(small.bases, unit.bases[[0, 2]])
    assert torch.equal(small.coefficients, unit.coefficients[..., [0, 2]])
    assert small.kept.shape == small.coefficients.shape
    check(network, {})


def test_a_basis_goes_with_the_last_channel_that_uses_it():
    network = decomposed_network()
    network.unit("b").coefficients.data[1:, :, 2] = 0
    ignore(network, "c", [0])
    assert shrink(network).removed_bases == {"b": 1}
    check(network, {"b": 1})


def test_one_basis_stays():
    network = decomposed_network()
    network.unit("b").coefficients.data[:] = 0
    result = shrink(network)
    assert len(result.network.unit("b").bases) == 1
    assert result.removed_bases == {"b": 2}


def test_a_ternary_layer_keeps_the_thresholds_of_its_bases():
    network = decomposed_network()
    plans = {"a": LayerPlan(), "b": LayerPlan(bases=3, kept=3), "c": LayerPlan(bases=2, kept=2)}
    network = ternary_network(network, plans).double().eval()
    unit = network.unit("b")
    unit.kept[..., 0] = False
    unit.kept[2] = False
    silence(network, "a", [1], -1.0)
    result = shrink(network)
    small = result.network.unit("b")
    assert result.removed_bases == {"b": 1} and result.removed["a"] == 1
    assert torch.equal(small.threshold, unit.threshold[[0, 2, 3], 1:])
    images = images_of(network)
    torch.testing.assert_close(result.network(images), network(images), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("seed", range(60))
def test_random_networks_compute_the_same(seed):
    network = random_network(seed)
    result = shrink(network)
    images = images_of(network)
    torch.testing.assert_close(result.network(images), network(images), rtol=1e-8, atol=1e-8)
    again = shrink(result.network)
    assert again.removed == {} and again.removed_bases == {}


def test_random_networks_lose_channels_of_every_kind_of_layer():
    lost, kept = set(), 0
    for seed in range(60):
        network = random_network(seed)
        result = shrink(network)
        kept += len(result.kept_constants)
        for layer, _ in network.units():
            if layer.name in result.removed:
                grouped = "depthwise" if layer.depthwise else "grouped" if layer.groups > 1 else "plain"
                lost.add((grouped, layer.fixed, layer.residual is not None))
    assert {("plain", False, False), ("plain", False, True), ("plain", True, False)} <= lost
    assert {("depthwise", False, False), ("depthwise", True, True), ("grouped", False, False)} <= lost
    assert kept > 20


def _apart(network):
    """As if no channel was joined to another."""
    counts = [shape[0] for shape in network.shapes.values()]
    return dict(zip(network.shapes, torch.arange(sum(counts)).split(counts), strict=True))


@pytest.mark.parametrize(
    "module, name, wrong",
    [
        (shrinking, "_add", lambda normalise, sums: None),
        (shrinking, "joined_channels", _apart),
        (channels, "_inside", lambda extent, steps, taps, *_: torch.ones(steps, taps, dtype=torch.bool)),
    ],
)
def test_the_comparison_can_fail(monkeypatch, module, name, wrong):
    monkeypatch.setattr(module, name, wrong)
    failed = 0
    for seed in range(20):
        network = random_network(seed)
        images = images_of(network)
        try:
            torch.testing.assert_close(shrink(network).network(images), network(images), rtol=1e-8, atol=1e-8)
        except (AssertionError, RuntimeError, ValueError):
            failed += 1
    assert failed > 3


def test_what_is_left_can_be_trained():
    network = residual_network()
    silence(network, "b", [1], -1.0)
    smaller = shrink(network.train()).network
    assert smaller.training
    optimiser = torch.optim.SGD(smaller.parameters(), lr=0.1)
    before = copy.deepcopy(smaller.state_dict())
    smaller(images_of(smaller)).square().mean().backward()
    optimiser.step()
    changed = {
        name for name, numbers in smaller.state_dict().items() if not torch.equal(numbers, before[name])
    }
    assert {name for name, _ in smaller.named_parameters()} <= changed
    assert any("running_mean" in name for name in changed)


def test_parameters_that_are_frozen_stay_frozen():
    network = decomposed_network()
    network.unit("b").bases.requires_grad_(False)
    network.unit("b").kept[..., 1] = False
    unit = shrink(network).network.unit("b")
    assert not unit.bases.requires_grad and unit.coefficients.requires_grad


def test_a_convolution_describes_itself():
    network = chain()
    ignore(network, "b", [1])
    smaller = shrink(network).network
    for layer, unit in smaller.units():
        assert unit.layer == layer
        assert tuple(unit.kernel().shape) == layer.weight_shape
    first = network.layers[0]
    assert smaller.layers[0] == dataclasses.replace(first, outputs=3)
