"""Every operation of PyTorch that has a layer: the imported network computes what the module does."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from sw.importing import import_program, import_torch
from sw.layers import FUNCTIONS, AverageLayer, ConvolutionLayer, Pixels
from sw.network import Concatenation, MaxPool

from .sources import (
    PIXELS,
    SHAPE,
    TOLERANCE,
    Calls,
    RandomGraph,
    RandomNetwork,
    difference,
    images_for,
    seen,
    trained,
)


def imported(module, pixels=PIXELS):
    """The imported network, after a comparison with the module."""
    module = trained(module)
    network = import_torch(module, pixels=pixels)
    images = images_for(pixels)
    with torch.no_grad():
        expected = module(seen(pixels, images))
    assert difference(network, expected, images) < TOLERANCE
    assert not network.training
    return network


def stem(**options):
    return nn.Conv2d(3, 8, 3, padding=1, **options)


def after_stem(function, **modules):
    """A network of a convolution and what ``function`` makes of its output."""
    return Calls(lambda self, images: function(self, self.stem(images)), stem=stem(), **modules)


def kinds(network):
    """The layers in a word each."""
    names = {ConvolutionLayer: "convolution", MaxPool: "maximum", AverageLayer: "average"}
    return [
        "fixed"
        if getattr(layer, "fixed", False)
        else "concatenation"
        if isinstance(layer, Concatenation)
        else names[type(layer)]
        for layer in network.layers
    ]


@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 1},
        {"kernel_size": (3, 5), "padding": (1, 2)},
        {"kernel_size": 5, "padding": "same", "bias": False},
        {"kernel_size": 4, "padding": "same"},
        {"kernel_size": 3, "stride": 2, "padding": 1},
        {"kernel_size": (12, 4), "stride": (5, 2)},
        {"kernel_size": 3, "groups": 3, "out_channels": 6},
    ],
)
def test_convolutions(options):
    network = imported(nn.Sequential(nn.Conv2d(**{"in_channels": 3, "out_channels": 4} | options)))
    assert kinds(network) == ["convolution"]


def test_what_follows_a_convolution_becomes_part_of_it():
    module = nn.Sequential(stem(), nn.BatchNorm2d(8, eps=0.01), nn.ReLU(inplace=True), nn.Flatten())
    network = imported(module)
    (layer,) = network.layers
    assert layer.name == "0" and layer.batch_norm and layer.activation.low == 0
    norm = network.unit("0").normalise
    assert norm.eps == 0.01
    assert torch.equal(norm.weight, module[1].weight)
    # The convolution's bias moves the mean.
    assert torch.allclose(norm.running_mean, module[1].running_mean - module[0].bias)


def test_batch_norm_without_parameters_and_with_a_scale_between():
    module = Calls(
        lambda self, images: self.second(self.norm(self.stem(images) * 3 + 1)) / 2,
        stem=stem(),
        norm=nn.BatchNorm2d(8, affine=False),
        second=nn.BatchNorm2d(8),
    )
    assert kinds(imported(module)) == ["convolution"]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_activation_functions(function):
    torch_names = {"hard_sigmoid": "hardsigmoid", "hard_swish": "hardswish"}
    call = getattr(functional, torch_names.get(function, function))
    network = imported(after_stem(lambda _, x: call(x)))
    (layer,) = network.layers
    assert layer.activation.function == function


@pytest.mark.parametrize(
    ("call", "low", "high"),
    [
        (functional.relu6, 0, 6),
        (functional.hardtanh, -1, 1),
        (lambda x: x.clamp(max=1.0), -np.inf, 1),
        (lambda x: x.clamp(-0.25, 1.0), -0.25, 1),
        (lambda x: x.clamp_min(0.5), 0.5, np.inf),
        (lambda x: x.relu().clamp_max(2), 0, 2),
        (lambda x: functional.relu6(functional.relu(x)), 0, 6),
    ],
)
def test_clamps(call, low, high):
    (layer,) = imported(after_stem(lambda _, x: call(x))).layers
    assert (layer.activation.low, layer.activation.high) == (low, high)


@pytest.mark.parametrize(
    ("call", "function"),
    [
        (lambda x: x * torch.sigmoid(x), "silu"),
        (lambda x: functional.hardsigmoid(x) * x, "hard_swish"),
        (lambda x: x * functional.relu6(x + 3) / 6, "hard_swish"),
        (lambda x: x * (functional.relu6(x + 3) / 6), "hard_swish"),
        (lambda x: functional.relu6(x + 3) / 6, "hard_sigmoid"),
        (lambda x: x * torch.tanh(functional.softplus(x)), "mish"),
        (lambda x: x * 0.5 * (1.0 + torch.erf(x / 2**0.5)), "gelu"),
    ],
)
def test_activation_functions_written_out(call, function):
    (layer,) = imported(after_stem(lambda _, x: call(x))).layers
    assert layer.activation.function == function


@pytest.mark.parametrize(
    "call", [lambda x: functional.relu6(x + 2.99) / 6, lambda x: functional.relu6(x + 3) / 5.99]
)
def test_what_is_almost_an_activation_function_stays_what_it_is(call):
    network = imported(after_stem(lambda _, x: call(x)))
    assert [layer.activation.function for layer in network.layers] == [None, None]


def test_slopes():
    (layer,) = imported(after_stem(lambda self, x: self.slope(x), slope=nn.PReLU())).layers
    assert layer.activation.function == "leaky_relu"
    assert kinds(imported(after_stem(lambda _, x: functional.elu(x, 0.5)))) == ["convolution"]


@pytest.mark.parametrize(
    "pool",
    [
        nn.MaxPool2d(2),
        nn.MaxPool2d(3, stride=2, padding=1),
        nn.MaxPool2d(3, stride=2, ceil_mode=True),
        nn.MaxPool2d((3, 2), stride=1),
        nn.AdaptiveMaxPool2d(1),
        nn.MaxPool2d(1, stride=3),
    ],
    ids=str,
)
def test_max_pooling(pool):
    assert kinds(imported(after_stem(lambda self, x: self.pool(x), pool=pool))) == ["convolution", "maximum"]


@pytest.mark.parametrize(
    "pool",
    [
        nn.AvgPool2d(2),
        nn.AvgPool2d(3, stride=1),
        nn.AvgPool2d((12, 10)),
        nn.AvgPool2d(2, ceil_mode=True),
        nn.AdaptiveAvgPool2d(1),
        nn.AdaptiveAvgPool2d((6, 5)),
    ],
    ids=str,
)
def test_average_pooling(pool):
    assert kinds(imported(after_stem(lambda self, x: self.pool(x), pool=pool))) == ["convolution", "average"]


@pytest.mark.parametrize(
    "call",
    [
        lambda x: x.mean((2, 3)),
        lambda x: x.mean((-1, -2), keepdim=True),
        lambda x: x.flatten(2).mean(2),
        lambda x: x.view(x.size(0), 8, -1).mean(-1),
    ],
)
def test_means(call):
    network = imported(after_stem(lambda _, x: call(x)))
    assert kinds(network) == ["convolution", "average"] and network.layers[1].window is None


def test_pooling_to_the_same_size_is_nothing():
    network = imported(after_stem(lambda self, x: self.pool(x), pool=nn.AdaptiveAvgPool2d((12, 10))))
    assert kinds(network) == ["convolution"]


def test_relu_after_a_max_pooling_goes_before_it():
    network = imported(after_stem(lambda _, x: functional.relu(functional.max_pool2d(x, 2))))
    assert kinds(network) == ["convolution", "maximum"] and network.layers[0].activation.low == 0


def test_relu_after_a_max_pooling_of_a_tensor_with_other_readers_stays():
    def function(_, x):
        return functional.relu(functional.max_pool2d(x, 2)) + functional.avg_pool2d(x, 2)

    assert sorted(kinds(imported(after_stem(function)))) == [
        "average",
        "convolution",
        "fixed",
        "fixed",
        "maximum",
    ]


def test_relu_beside_what_it_reads():
    network = imported(after_stem(lambda self, x: x + self.inner(torch.relu(x)), inner=nn.Conv2d(8, 8, 1)))
    assert kinds(network) == ["convolution", "fixed", "convolution"]


def test_relu_in_place_changes_what_is_read_later():
    def function(self, x):
        before = self.inner(x)
        functional.relu_(x)
        return before + x

    imported(after_stem(function, inner=nn.Conv2d(8, 8, 1)))


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda self, x: torch.relu(x + self.inner(x)), ["convolution", "convolution"]),
        (lambda self, x: self.other(x) + self.inner(x), ["convolution"] * 3),
        (lambda self, x: self.other(x) - self.inner(x), ["convolution"] * 3),
        (lambda self, x: torch.add(self.other(x), self.inner(x), alpha=0.3), ["convolution"] * 3),
        (
            lambda self, x: torch.relu(self.other(x)) + torch.tanh(self.inner(x)),
            ["convolution"] * 3 + ["fixed"],
        ),
        (lambda self, x: x + x, ["convolution", "fixed"]),
        (
            lambda self, x: self.inner(x) + functional.max_pool2d(x, 3, 1, 1),
            ["convolution", "convolution", "maximum"],
        ),
    ],
)
def test_additions(function, expected):
    module = after_stem(function, inner=nn.Conv2d(8, 8, 1), other=nn.Conv2d(8, 8, 3, padding=1, bias=False))
    network = imported(module)
    assert sorted(kinds(network)) == sorted(expected)


def test_the_later_of_two_convolutions_carries_the_other():
    module = after_stem(
        lambda self, x: self.first(x) + self.second(x), first=nn.Conv2d(8, 8, 1), second=nn.Conv2d(8, 8, 1)
    )
    assert imported(module).layers[-1].residual == "first"


def test_a_residual_may_be_made_after_the_convolution_that_carries_it():
    module = after_stem(
        lambda self, x: self.first(x) + functional.max_pool2d(torch.tanh(self.second(x)), 1),
        first=nn.Conv2d(8, 8, 1),
        second=nn.Conv2d(8, 8, 1),
    )
    network = imported(module)
    assert [layer.name for layer in network.layers] == ["stem", "second", "first"]


def test_concatenations():
    module = after_stem(
        lambda self, x: torch.relu(self.norm(torch.cat((x, self.inner(x), x), 1))),
        inner=nn.Conv2d(8, 4, 1),
        norm=nn.BatchNorm2d(20),
    )
    network = imported(module)
    assert kinds(network) == ["convolution", "convolution", "concatenation", "fixed"]
    assert network.layers[-1].batch_norm and network.layers[-1].depthwise


def test_concatenation_of_vectors():
    module = after_stem(
        lambda self, x: self.inner(
            torch.cat((x.mean((2, 3)), functional.adaptive_max_pool2d(x, 1).flatten(1)), 1)
        ),
        inner=nn.Linear(16, 5),
    )
    assert kinds(imported(module)) == ["convolution", "average", "maximum", "concatenation", "convolution"]


@pytest.mark.parametrize(
    "shortcut",
    [
        lambda x: functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 2, 2)),
        lambda x: functional.pad(functional.avg_pool2d(x, 1, stride=2), (0, 0, 0, 0, 0, 4)),
        lambda x: torch.cat(
            (functional.avg_pool2d(x, 1, 2), functional.avg_pool2d(x, 1, 2)[:, :4].mul(0)), 1
        ),
        lambda x: torch.cat((x[:, :, ::2, ::2], torch.zeros(x.shape[0], 4, 6, 5)), 1),
        lambda x: torch.cat((x[:, :, ::2, ::2], torch.zeros_like(x[:, :4, ::2, ::2])), 1),
    ],
)
def test_shortcuts_without_parameters(shortcut):
    module = after_stem(
        lambda self, x: torch.relu(self.inner(x) + shortcut(x)),
        inner=nn.Conv2d(8, 12, 3, stride=2, padding=1),
    )
    network = imported(module)
    assert kinds(network) == ["convolution", "fixed", "convolution"]
    layer = network.layers[1]
    assert layer.stride == 2 and layer.kernel == (1, 1)
    # A trained convolution carries the residual.
    assert network.layers[2].residual == layer.name
    assert set(network.unit(layer.name).kernel().unique().tolist()) == {0, 1}


def test_a_selection_that_is_read_twice():
    def function(_, x):
        fewer = functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 0, 4))
        return torch.relu(fewer) + torch.tanh(fewer) + fewer

    assert sorted(kinds(imported(after_stem(function)))) == ["convolution", *["fixed"] * 5]


def test_a_large_step_is_a_pooling_before_the_selection():
    network = imported(after_stem(lambda _, x: functional.pad(x[:, :, ::3, ::3], (0, 0, 0, 0, 0, 4))))
    assert kinds(network) == ["convolution", "maximum", "fixed"] and network.layers[2].stride == 1


def test_average_pooling_before_new_channels():
    module = after_stem(lambda _, x: functional.pad(functional.avg_pool2d(x, 2), (0, 0, 0, 0, 0, 4)))
    assert kinds(imported(module)) == ["convolution", "average", "fixed"]


def test_channels_shuffled_and_split():
    def function(self, x):
        first, second = x.chunk(2, 1)
        x = torch.cat((first, self.inner(second)), 1)
        return x.view(-1, 2, 4, 12, 10).transpose(1, 2).reshape(-1, 8, 12, 10)

    network = imported(after_stem(function, inner=nn.Conv2d(4, 4, 1)))
    assert sorted(kinds(network)) == [
        "concatenation",
        "convolution",
        "convolution",
        "fixed",
        "fixed",
        "fixed",
    ]


def test_single_channels():
    module = Calls(
        lambda self, x: self.stem(torch.cat((x[:, 2:3] * 2 - 1, x[:, -3].unsqueeze(1), x[:, :1]), 1)),
        stem=stem(),
    )
    assert kinds(imported(module))[-2:] == ["concatenation", "convolution"]


def test_padding_before_a_layer_becomes_its_own():
    network = imported(
        after_stem(
            lambda self, x: functional.max_pool2d(
                functional.pad(torch.relu(self.inner(self.pad(x))), (1, 0, 1, 0)), 2
            ),
            pad=nn.ZeroPad2d((0, 1, 0, 2)),
            inner=nn.Conv2d(8, 8, 3, stride=2),
        )
    )
    assert [layer.padding for layer in network.layers] == [(1, 1, 1, 1), (0, 0, 2, 1), (1, 1, 0, 0)]


@pytest.mark.parametrize(
    ("before", "kernel"),
    [
        (lambda x: x.flatten(1), (12, 10)),
        (lambda x: functional.max_pool2d(x, 4).flatten(1), (3, 2)),
        (lambda x: torch.relu(functional.dropout(x.view(x.size(0), -1), training=False)), (12, 10)),
        (lambda x: x.mean((2, 3)), (1, 1)),
        (lambda x: x.mean((2, 3), keepdim=True).squeeze(), (1, 1)),
        (lambda x: x.permute(0, 2, 3, 1).flatten(1), (12, 10)),
    ],
)
def test_fully_connected_layers(before, kernel):
    module = after_stem(lambda self, x: self.classify(before(x)), classify=nn.LazyLinear(5))
    module(torch.zeros(2, *SHAPE))
    assert imported(module).layers[-1].kernel == kernel


def test_fully_connected_layers_in_a_row():
    module = nn.Sequential(
        stem(), nn.Flatten(), nn.Linear(960, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 5, bias=False)
    )
    network = imported(module)
    assert kinds(network) == ["convolution"] * 3 and network.layers[1].batch_norm


def test_channels_last_in_between():
    def function(self, x):
        x = self.inner(x.permute(0, 2, 3, 1))
        return (functional.gelu(x) * self.scale).permute(0, 3, 1, 2)

    module = after_stem(function, inner=nn.Linear(8, 6))
    module.scale = nn.Parameter(torch.ones(6))
    assert kinds(imported(module)) == ["convolution", "convolution", "fixed"]


def test_normalisation_of_the_input_becomes_part_of_the_pixels():
    module = Calls(lambda self, x: self.stem((x / 255 - self.mean) / 0.5), stem=stem())
    module.register_buffer("mean", torch.rand(3, 1, 1))
    raw = Pixels(channels=3, height=12, width=10, offset=(0.0,) * 3, gain=(1.0,) * 3)
    network = imported(module, raw)
    assert kinds(network) == ["convolution"]
    assert np.allclose(network.pixels.offset, 255 * module.mean.flatten().numpy())
    assert np.allclose(network.pixels.gain, 2 / 255)


def test_normalisation_of_the_input_by_batch_norm():
    network = imported(nn.Sequential(nn.BatchNorm2d(3), stem()))
    assert kinds(network) == ["convolution"] and network.pixels != PIXELS


def test_normalisation_of_an_input_that_is_read_twice_is_a_layer():
    module = Calls(
        lambda self, x: self.stem(x * 2 - 1) + self.other(x), stem=stem(), other=nn.Conv2d(3, 8, 1)
    )
    network = imported(module)
    assert sorted(kinds(network)) == ["convolution", "convolution", "fixed"] and network.pixels == PIXELS


@pytest.mark.parametrize("end", [nn.Softmax(1), nn.LogSoftmax(-1)])
def test_softmax_at_the_end_is_left_out(end):
    module = trained(nn.Sequential(stem(), nn.Flatten(), nn.Linear(960, 5), end))
    network = import_torch(module, SHAPE)
    assert any("logits" in note for note in network.notes)
    images = images_for(PIXELS)
    with torch.no_grad():
        expected = module[:3](images / 255)
    assert difference(network, expected, images) < TOLERANCE


def test_weights_that_are_computed():
    parametrised = nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 8, 3))
    assert kinds(imported(nn.Sequential(parametrised, nn.ReLU()))) == ["convolution"]


def test_names_and_notes():
    module = Calls(
        lambda self, x: self.input(torch.relu(self.keys(x))), keys=stem(), input=nn.Conv2d(8, 8, 1)
    )
    # A layer must not be called as the image is, nor as a method of a dictionary of modules.
    assert [layer.name for layer in imported(module).layers] == ["keys_2", "input_2"]
    network = import_torch(trained(nn.Sequential(stem())), SHAPE)
    assert network.notes[0].startswith("pixels taken as pixel / 255")
    assert network.pixels.gain == (1 / 255,) * 3


def test_a_layer_used_twice():
    module = Calls(
        lambda self, x: self.inner(self.inner(self.stem(x))), stem=stem(), inner=nn.Conv2d(8, 8, 1)
    )
    assert [layer.name for layer in imported(module).layers] == ["stem", "inner", "inner_2"]


def test_the_module_stays_as_it_is():
    module = nn.Sequential(stem(), nn.BatchNorm2d(8), nn.Dropout())
    module[1].eval()
    import_torch(module, SHAPE)
    assert [part.training for part in module.modules()] == [True, True, False, True]
    network = import_torch(nn.DataParallel(module), SHAPE)
    assert network.layers[0].name == "0"


def test_other_numbers_than_float32():
    network = import_torch(trained(nn.Sequential(stem(), nn.BatchNorm2d(8))).double(), SHAPE)
    assert network.unit("0").kernel().dtype == torch.float32


@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")
@pytest.mark.parametrize("decomposed", [False, True])
def test_saved_programs(tmp_path, decomposed):
    module = trained(
        nn.Sequential(
            stem(),
            nn.BatchNorm2d(8),
            nn.Hardswish(),
            nn.MaxPool2d(2),
            nn.SiLU(),
            nn.Flatten(),
            nn.Linear(240, 5),
        )
    )
    batch = torch.export.Dim("batch", min=2, max=64)
    program = torch.export.export(module, (torch.zeros(2, *SHAPE),), dynamic_shapes=({0: batch},))
    program = program.run_decompositions() if decomposed else program
    torch.export.save(program, tmp_path / "network.pt2")
    network = import_program(tmp_path / "network.pt2", PIXELS)
    images = images_for(PIXELS)
    with torch.no_grad():
        expected = module(seen(PIXELS, images))
    assert difference(network, expected, images) < TOLERANCE
    assert kinds(network) == ["convolution", "maximum", "fixed", "convolution"]


@pytest.mark.parametrize("seed", range(8))
def test_random_networks(seed):
    torch.manual_seed(seed)
    imported(RandomNetwork(np.random.default_rng(seed)))


@pytest.mark.parametrize("seed", range(12))
def test_random_graphs(seed):
    imported(RandomGraph(seed))
