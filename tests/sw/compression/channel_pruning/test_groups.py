"""Channels that leave together, across residual sums: which they are, and what the network computes without them."""

import copy

import pytest
import torch
from torch import nn

from sw.complexity import network_complexity, total
from sw.compression.channel_pruning.filters import FilterSettings, strongest, without_filters
from sw.compression.channel_pruning.groups import channel_groups, group_shares
from sw.compression.channel_pruning.lasso import (
    LassoSettings,
    choose_channels,
    readable_groups,
    sum_parts,
    with_fewer_inputs,
)
from sw.compression.channel_pruning.removal import silenced, without_channels
from sw.compression.channel_pruning.samples import sample_sums
from sw.compression.channel_pruning.slimming import (
    SlimmingSettings,
    normalised_groups,
    without_small_gains,
)
from sw.compression.operations_budget import with_operations
from sw.compression.recipe import Recipe
from sw.compression.shrinking import shrink
from sw.importing import load_model
from sw.layers import ConvolutionLayer
from sw.model import new_network
from sw.network import INPUT, Concatenation
from sw.zoo.registry import build, pixels_for
from tests.sw.compression.networks import EVERY_KIND, PLAIN, dense
from tests.sw.compression.redundant_networks import images_of, random_network
from tests.sw.training.patterns import patterns

from .residual_networks import FIRST_STAGE, SECOND_STAGE, residual_network


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(5)


def channels(network):
    """Output channels of every convolution, by name."""
    return {layer.name: layer.outputs for layer, _ in network.units()}


def mask(count, *gone):
    stays = torch.ones(count, dtype=torch.bool)
    stays[list(gone)] = False
    return stays


def by_layers(network):
    return {group.layers: group for group in channel_groups(network)}


@pytest.mark.parametrize("option_a", [True, False])
def test_convolutions_of_a_residual_sum_are_one_group(option_a):
    groups = by_layers(residual_network(option_a=option_a))
    assert list(groups) == [FIRST_STAGE, ("first.a",), ("second.a",), SECOND_STAGE]
    assert [group.count for group in groups.values()] == [6, 5, 7, 10]
    assert set(groups[SECOND_STAGE].places) == {*SECOND_STAGE, "average"}


def test_groups_of_a_network_of_every_kind_of_layer():
    groups = by_layers(dense())
    assert list(groups) == [("first",), ("swish",)]
    assert set(groups[("first",)].places) == {"first", "pool"}
    with pytest.raises(ValueError, match="expected a layer whose channels can leave, got none"):
        channel_groups(new_network(PLAIN, EVERY_KIND[:1]))


def test_a_residual_sum_of_a_concatenation_makes_a_group_of_each_part():
    def layer(name, source, inputs, outputs, **more):
        return ConvolutionLayer(
            name=name, input=source, inputs=inputs, outputs=outputs, kernel=(1, 1), **more
        )

    network = new_network(
        PLAIN,
        (
            layer("a", INPUT, 2, 3),
            layer("b", INPUT, 2, 4),
            Concatenation(name="both", inputs=("a", "b")),
            layer("sum", "both", 7, 7, residual="both"),
            layer("last", "sum", 7, 2),
        ),
    )
    groups = by_layers(network)
    assert [(layers, group.count) for layers, group in groups.items()] == [
        (("a", "sum"), 3),
        (("b", "sum"), 4),
    ]
    assert groups["b", "sum"].places["both"].tolist() == [-1, -1, -1, 0, 1, 2, 3]
    small = without_channels(network.eval(), [(groups["b", "sum"], mask(4, 1))])
    assert channels(small) == {"a": 3, "b": 3, "sum": 6, "last": 2}


@pytest.mark.parametrize("name", ["resnet8", "resnet18", "mobilenetv1"])
def test_groups_are_those_of_a_dependency_graph(name):
    """Torch-Pruning follows gradients through the module that our network comes from."""
    pruning = pytest.importorskip("torch_pruning")
    module = build(name).eval()
    image = torch.zeros(1, *pixels_for(name).shape)
    graph = pruning.DependencyGraph().build_dependency(module, example_inputs=image)
    convolutions = {name: part for name, part in module.named_modules() if isinstance(part, nn.Conv2d)}
    groups = [group for group in channel_groups(load_model(name)) if group.layers[0] in convolutions]
    assert len(groups) > 5
    for group in groups:
        first = convolutions[group.layers[0]]
        found = graph.get_pruning_group(first, pruning.prune_conv_out_channels, idxs=[1])
        layers = {
            name
            for name, part in convolutions.items()
            if part.groups == 1
            and any(
                step.dep.target.module is part and graph.is_out_channel_pruning_fn(step.dep.handler)
                for step in found
            )
        }
        assert layers == set(group.layers)


@pytest.mark.parametrize("option_a", [True, False])
@pytest.mark.parametrize("padded", [True, False])
def test_without_channels_the_network_computes_what_it_does_with_zeros_for_them(option_a, padded):
    network = residual_network(option_a=option_a, padded=padded)
    groups = by_layers(network)
    kept = [
        (groups[FIRST_STAGE], mask(6, 0, 4)),
        (groups["second.a",], mask(7, 3)),
        (groups[SECOND_STAGE], mask(10, 2, 3, 9)),
    ]
    small = without_channels(network, kept)
    assert channels(small) == channels(network) | {
        "stem": 4,
        "first.b": 4,
        "second.a": 6,
        "shortcut": 7,
        "second.b": 7,
    }
    # Masked by hand: where the channels are read, they are not there.
    masked = copy.deepcopy(network)
    for group, stays in kept:
        for layer, unit in masked.units():
            if layer.input in group.places:
                unit.weight.data[:, ~group.stays(layer.input, stays)] = 0
    images = images_of(network)
    torch.testing.assert_close(small(images), masked(images), rtol=1e-9, atol=1e-9)
    assert (small(images) - network(images)).abs().max() > 1e-3


@pytest.mark.parametrize("option_a", [True, False])
def test_constants_through_residual_sums_are_folded_exactly(option_a):
    """Batch norms make a constant of nothing, residual sums of two of them a third."""
    network = residual_network(option_a=option_a, padded=False)
    groups = by_layers(network)
    kept = [(groups[FIRST_STAGE], mask(6, 1, 2)), (groups[SECOND_STAGE], mask(10, 0, 5))]
    small = without_channels(network, kept, constants=True)
    assert channels(small) == channels(network) | {"stem": 4, "first.b": 4, "shortcut": 8, "second.b": 8}
    silent, images = silenced(network, kept, constants=True), images_of(network)
    torch.testing.assert_close(small(images), silent(images), rtol=1e-9, atol=1e-9)
    dropped = without_channels(network, kept)
    assert (dropped(images) - silent(images)).abs().max() > 1e-3
    constants = silent.tensors(images)["second.b"][:, [0, 5]]
    torch.testing.assert_close(constants, constants[:1, :, :1, :1].expand_as(constants))
    assert constants.min() > 0.1


def test_constants_that_meet_padding_are_right_away_from_the_border():
    network = residual_network()
    kept = [(by_layers(network)[FIRST_STAGE], mask(6, 1, 2))]
    silent, small = (make(network, kept, constants=True) for make in (silenced, without_channels))
    images = images_of(network)
    wanted, found = (made.unit("first.a").sums(made.tensors(images)["stem"]) for made in (silent, small))
    # Everywhere away from the border one number is missing: the mean over the map is right.
    wrong = (found - wanted)[:, :, 1:-1, 1:-1]
    torch.testing.assert_close(wrong, wrong[:1, :, :1, :1].expand_as(wrong), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(found.mean((2, 3)), wanted.mean((2, 3)), rtol=1e-9, atol=1e-9)
    assert (found - wanted).abs().max() > 1e-3


@pytest.mark.parametrize("constants", [True, False])
def test_random_networks_lose_channels_of_any_group(constants):
    exact, lost, joined = 0, 0, 0
    for seed in range(30, 60):
        network = random_network(seed)
        try:
            groups = channel_groups(network)
        except ValueError:
            continue
        kept = []
        for group in groups:
            stays = torch.rand(group.count) < 0.6
            stays[int(torch.randint(group.count, ()))] = True
            kept.append((group, stays))
            joined += len(group.layers) > 1 and bool((~stays).any())
        silent = silenced(network, kept, constants=constants)
        small = without_channels(network, kept, constants=constants)
        for group, stays in kept:
            for name in group.layers:
                assert small.unit(name).layer.outputs <= int(group.stays(name, stays).sum())
                lost += int((~stays).sum())
        found = shrink(silent, exact=False)
        if not (found.averaged_constants or found.kept_constants):
            images = images_of(network)
            torch.testing.assert_close(small(images), silent(images), rtol=1e-8, atol=1e-8)
            exact += 1
    assert exact > 1 and lost > 100 and joined > 10


def test_the_least_sums_of_norms_go_each_layer_counting_as_much():
    network = residual_network()
    with torch.no_grad():
        for name, norms in (("stem", [1, 2, 3, 4, 5, 6]), ("first.b", [350, 300, 250, 200, 150, 100])):
            weight = network.unit(name).weight
            weight.fill_(1.0)
            weight *= torch.tensor(norms, dtype=torch.float64)[:, None, None, None] / weight[0].numel()
    group = by_layers(network)[FIRST_STAGE]
    # 1/3.5 + 350/225, 2/3.5 + 300/225, ...: they rise, where plain sums fall.
    assert strongest(network, group, 2).tolist() == [False, False, True, True, True, True]
    assert strongest(network, group, 99).sum() == 1


def test_filters_of_all_groups_go_and_no_layer_is_emptied():
    network = residual_network(option_a=True)
    small = without_filters(network, FilterSettings(sparsity=0.5))
    assert channels(small) == {
        "stem": 3,
        "first.a": 3,
        "first.b": 3,
        "second.a": 4,
        "shortcut": 5,
        "second.b": 5,
        "classify": 4,
    }
    for greedy in (False, True):
        least = without_filters(network, FilterSettings(sparsity=0.99, greedy=greedy))
        assert set(channels(least).values()) == {1, 4}
        assert torch.isfinite(least(images_of(network))).all()


def test_a_share_can_be_said_by_any_layer_of_a_group():
    network = residual_network()
    small = without_filters(network, FilterSettings(sparsity=0.0, layers={"first.b": 0.5}))
    assert channels(small) == channels(network) | {"stem": 3, "first.b": 3}
    groups = channel_groups(network)
    assert group_shares(groups, 0.1, {"stem": 0.5, "first.b": 0.5}) == [0.5, 0.1, 0.1, 0.1]
    with pytest.raises(ValueError, match=r"one share for layers .*, got 0\.5 of stem, 0\.2 of first\.b"):
        group_shares(groups, 0.1, {"stem": 0.5, "first.b": 0.2})


@pytest.mark.parametrize("kind", [FilterSettings, LassoSettings, SlimmingSettings])
def test_budgets_are_met_across_residual_sums(kind):
    network = residual_network()
    recipe, asked = with_operations(Recipe(methods=(kind(),)), network, 0.3)
    (settings,) = recipe.methods
    made = without_filters(network, FilterSettings(sparsity=settings.sparsity))
    whole = total(network_complexity(network), "dense").operations
    assert total(network_complexity(made)).operations / whole == asked.estimate <= 0.3
    assert channels(made)["first.b"] < 6 and channels(made)["second.b"] < 10


def test_gains_of_a_group_are_counted_by_their_mean():
    network = residual_network()
    with torch.no_grad():
        for _, unit in network.units():
            if hasattr(unit.normalise, "weight"):
                unit.normalise.weight.fill_(5.0)
        network.unit("stem").normalise.weight[:3] = torch.tensor([1.0, -1.0, 1.0])
        network.unit("first.b").normalise.weight[:3] = torch.tensor([8.0, 2.0, -1.0])
    # 28 channels in four groups; means 4.5, 1.5 and 1 are the least.
    small = without_small_gains(network, SlimmingSettings(sparsity=2 / 28))
    assert channels(small) == channels(network) | {"stem": 4, "first.b": 4}
    assert small.unit("first.b").normalise.weight.tolist() == [8.0, 5.0, 5.0, 5.0]


def test_a_copied_channel_is_worth_what_it_is_a_copy_of():
    network = residual_network(option_a=True)
    with torch.no_grad():
        for _, unit in network.units():
            if hasattr(unit.normalise, "weight"):
                unit.normalise.weight.fill_(2.0)
        network.unit("second.b").normalise.weight.fill_(0.1)
    # Channels 2 to 7 of the second stage are copies, of the others nothing is left without their gains.
    small = without_small_gains(network, SlimmingSettings(sparsity=4 / 28))
    assert channels(small) == channels(network) | {"shortcut": 6, "second.b": 6}
    assert torch.equal(small.unit("shortcut").weight[:, :, 0, 0], torch.eye(6, dtype=torch.float64))


def test_groups_without_batch_norms_are_not_slimmed():
    groups = [group.layers for group in normalised_groups(load_model("resnet8"))]
    assert groups == [
        ("conv", "blocks.0.conv2"),
        *((f"blocks.{block}.conv1",) for block in range(3)),
    ]


def test_readers_of_a_group_are_all_that_read_its_channels():
    found = {group.layers: readers for group, readers in readable_groups(residual_network())}
    assert found == {
        FIRST_STAGE: ["first.a", "second.a", "shortcut"],
        ("first.a",): ["first.b"],
        ("second.a",): ["second.b"],
        SECOND_STAGE: ["classify"],
    }


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_every_reader_has_a_say(order):
    """One reads channels 0 and 1 alone, at a thousandth of the other's scale, which reads 2 and 3."""
    parts = []
    for reader in order:
        windows = torch.randn(400, 4, 1, dtype=torch.float64)
        kernel = torch.zeros(3, 4, 1, 1)
        kernel[:, 2 * reader : 2 * reader + 2] = torch.tensor([1.0, 0.3])[:, None, None] * 1000.0**reader
        parts.append(sum_parts(windows, kernel, sample_sums(windows, kernel), torch.arange(4)))
    assert choose_channels(parts, 2).tolist() == [0, 2]
    assert choose_channels(parts[:1], 2).tolist() == [2 * order[0], 2 * order[0] + 1]


def test_lasso_finds_a_channel_that_is_there_twice_in_a_residual_sum():
    network = residual_network()
    with torch.no_grad():
        for stage, twin in ((FIRST_STAGE, (1, 4)), (SECOND_STAGE, (7, 2))):
            for name in stage:
                unit = network.unit(name)
                for numbers in (unit.weight, *unit.normalise.parameters(), *unit.normalise.buffers()):
                    if numbers.ndim:
                        numbers[twin[1]] = numbers[twin[0]]
        for reader, (one, other) in (
            ("first.a", (1, 4)),
            ("second.a", (1, 4)),
            ("shortcut", (1, 4)),
            ("classify", (7, 2)),
        ):
            # None of the others adds next to nothing.
            weight = network.unit(reader).weight.sign_()
            weight[:, other] = weight[:, one]
    settings = LassoSettings(sparsity=0.0, layers={"stem": 1 / 6, "second.b": 0.1}, images=256, points=10)
    small = with_fewer_inputs(network.float(), settings, patterns())
    assert channels(small) == channels(network) | {"stem": 5, "first.b": 5, "shortcut": 9, "second.b": 9}
    pixels = torch.from_numpy(patterns().test_images)
    with torch.no_grad():
        wanted = network(pixels)
        assert torch.allclose(small(pixels), wanted, atol=1e-3 * float(wanted.abs().max()))


@pytest.mark.parametrize("option_a", [True, False])
def test_lasso_through_residual_sums_keeps_more_than_norms_do(option_a):
    network = residual_network(option_a=option_a).float()
    shares = {"sparsity": 0.34}
    fitted = with_fewer_inputs(network, LassoSettings(**shares, images=256, points=10), patterns())
    plain = without_filters(network, FilterSettings(**shares))
    assert channels(fitted) == channels(plain)
    pixels = torch.from_numpy(patterns().test_images)
    with torch.no_grad():
        wanted = network(pixels)
        errors = [float((made(pixels) - wanted).square().mean()) for made in (fitted, plain)]
    assert errors[0] < 0.5 * errors[1]
