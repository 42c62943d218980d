"""Complexity: published numbers of well-known networks, hand-counted layers, and what the image really takes."""

import dataclasses

import numpy as np
import pytest

from hw.config import Config
from sim.counting import compression, count
from sim.reference import run
from sw.compiler import compile_network
from sw.complexity import integer_complexity, layer_complexity, network_complexity, total
from sw.image_bits import layer_bits
from sw.layers import IDENTITY, AverageLayer, ConvolutionLayer
from sw.network import INPUT, Concatenation, Convolution, IntegerNetwork, MaxPool, TensorInfo
from sw.work import FLOAT32, INTEGERS, Work

from .networks import EVERY_KIND, random_input, random_network
from .shapes import mobilenet, pixels, resnet, resnet8, vgg16


def dense(side, layers):
    """Work of all layers, of all but fully connected ones, and of these, before compression."""
    found = layer_complexity(pixels(side), layers)
    connected = [layer for layer in found if layer.kind == "fully connected"]
    others = [layer for layer in found if layer.kind != "fully connected"]
    return tuple(total(part, "dense") for part in (found, others, connected))


def test_vgg16_for_cifar():
    assert dense(32, vgg16(32, (512, 512, 10)))[1].multiply_adds == 313_196_544


@pytest.mark.parametrize(
    ("layers", "side", "millions", "parameters"),
    [
        # Of resnets on CIFAR-10 He et al. give 0.27 M and 0.85 M parameters.
        (resnet(3), 32, 40.55, 0.27e6),
        (resnet(9), 32, 125.5, 0.85e6),
        # MLPerf Tiny: 12.5 M, 78 k.
        (resnet8(), 32, 12.50, 78e3),
        # Howard et al.: 569 M, 4.2 M.
        (mobilenet(), 224, 568.7, 4.2e6),
    ],
)
def test_published_multiply_adds_and_parameters(layers, side, millions, parameters):
    work = dense(side, layers)[0]
    assert work.multiply_adds / 1e6 == pytest.approx(millions, abs=0.05)
    assert work.parameters == pytest.approx(parameters, rel=0.02)


def test_vgg16_for_imagenet():
    work, convolutions, connected = dense(224, vgg16(224, (4096, 4096, 1000)))
    assert convolutions.multiply_adds / 1e9 == pytest.approx(15.35, abs=0.005)
    assert convolutions.multiply_adds > 0.99 * work.multiply_adds
    assert connected.parameters > 0.8 * work.parameters
    assert work.parameters == 138_357_544


def test_kinds():
    kinds = [layer.kind for layer in layer_complexity(pixels(32), resnet(1))]
    assert kinds[0] == "convolution" and kinds[-2:] == ["average", "fully connected"]
    assert kinds.count("fixed") == 2
    kinds = [layer.kind for layer in layer_complexity(pixels(224), mobilenet())]
    assert kinds[1:3] == ["depthwise", "1x1"]


def layer(**more):
    """A convolution of 4 channels to 6 on 8 x 8 pixels, step 1."""
    return ConvolutionLayer(
        **{"name": "a", "input": INPUT, "inputs": 3, "outputs": 6, "padding": (1, 1, 1, 1)} | more
    )


def test_traffic_by_hand():
    layers = (
        layer(),
        layer(name="b", input="a", inputs=6, residual="a", kernel=(1, 1), padding=(0, 0, 0, 0)),
        Concatenation(name="c", inputs=("a", "b")),
        MaxPool(name="d", input="c", window=(2, 2), stride=2),
        AverageLayer(name="e", input="d"),
    )
    first, second, joined, maximum, average = layer_complexity(pixels(8), layers)
    assert first.dense == Work(
        multiply_adds=64 * 27 * 6,
        parameters=27 * 6 + 6,
        bits=32 * 168,
        bits_zeros_free=32 * 168,
        map_bytes=4 * 64 * (3 + 6),
    )
    assert first.dense.traffic_bytes == 4 * 168 + 4 * 64 * 9
    assert first.dense.intensity == 64 * 27 * 6 / (4 * 168 + 4 * 64 * 9)
    # A residual is read as well.
    assert second.dense.map_bytes == 4 * 64 * 18
    assert joined.dense == Work()
    assert maximum.dense == Work(map_bytes=4 * 12 * (64 + 16))
    assert average.dense == Work(map_bytes=4 * 12 * (16 + 1))
    assert first.compressed is None and first.sparsity == 0


def test_fixed_layers_move_but_do_not_compute():
    layers = (layer(), layer(name="b", input="a", inputs=6, kernel=(1, 1), padding=(0, 0, 0, 0), fixed=True))
    assert layer_complexity(pixels(8), layers)[1].dense == Work(map_bytes=4 * 64 * 12)


def test_total_adds_every_number():
    rows = layer_complexity(pixels(8), (layer(), layer(name="b")))
    sums = dataclasses.asdict(total(rows, "dense"))
    assert sums == {name: 2 * value for name, value in dataclasses.asdict(rows[0].dense).items()}


def trainable(side, layers, change=lambda network: None):
    """An untrained network."""
    model = pytest.importorskip("sw.model")
    network = model.new_network(pixels(side), layers)
    change(network)
    return network


def decomposed(layer, coefficients, bases):
    """A unit with all or some coefficients."""
    import torch

    from sw.compression.decomposed import DecomposedConvolution

    return DecomposedConvolution(
        layer, torch.as_tensor(coefficients, dtype=torch.float32), torch.ones(bases, *layer.kernel), None
    )


def test_vgg16_as_penni_counts():
    """182.339 M and 1.059 M: what the authors' program prints for five bases, nothing pruned, is 183.40 M."""
    network = trainable(32, vgg16(32, (512, 512, 10)))
    units = {
        layer.name: decomposed(layer, np.ones((*layer.weight_shape[:2], 5)), 5)
        for layer, _ in network.units()
        if layer.kernel == (3, 3)
    }
    found = network_complexity(network.replaced(units))
    connected = sum(row.penni_operations for row in found if row.kind == "fully connected")
    convolutions = sum(row.penni_operations for row in found) - connected
    assert convolutions / 1e6 == pytest.approx(182.339, abs=0.0005)
    assert connected == 1_058_816
    # Channels first, bases after: the additions are the same, the multiply-adds are those of K instead of C channels.
    last = next(row for row in found if row.name == "conv16")
    assert last.compressed.adds == 4 * 512 * 512 * 5
    assert last.compressed.multiply_adds == 4 * 512 * 5 * 9


def test_penni_counts_1x1_convolutions_at_their_outputs():
    small = layer(kernel=(1, 1), padding=(0, 0, 0, 0), stride=2)
    (row,) = network_complexity(trainable(8, (small,)))
    assert row.penni_operations == 16 * 18 == row.dense.multiply_adds == row.compressed.multiply_adds


def test_zeros_of_a_dense_layer():
    def zero(network):
        network.unit("a").weight.data[:3] = 0

    (row,) = network_complexity(trainable(8, (layer(),), zero))
    assert (row.coefficients, row.nonzero, row.sparsity) == (162, 81, 0.5)
    assert row.compressed.multiply_adds == 64 * 81 and row.compressed.adds == 0
    assert row.compressed.bits == 162 + 32 * 81 + 32 * 6
    assert row.compressed.bits_zeros_free == 32 * 81 + 32 * 6
    (row,) = network_complexity(trainable(8, (layer(),)))
    # No mask where there are no zeros.
    assert row.compressed.bits == row.dense.bits


def test_decomposed_layer_by_hand():
    wide = layer(inputs=3, outputs=6, stride=2)
    coefficients = np.zeros((6, 3, 2))
    coefficients[0, :, 0] = 1
    coefficients[1, 2, :] = -2
    network = trainable(8, (wide,)).replaced({"a": decomposed(wide, coefficients, 2)})
    (row,) = network_complexity(network)
    assert (row.nonzero, row.coefficients) == (5, 36)
    assert row.compressed.adds == 64 * 5
    assert row.compressed.multiply_adds == 16 * 9 * 3
    assert row.compressed.operations == 64 * 5 + 16 * 9 * 3
    assert row.compressed.parameters == 5 + 2 * 9 + 6
    assert row.compressed.bits == 36 + 5 * 32 + 18 * 32 + 6 * 32
    assert row.penni_operations == 16 * (3 * 2 * 9 + 5)
    (row,) = network_complexity(network, INTEGERS)
    assert row.compressed.bits == 36 + 5 + 18 * 8 + 6 * 56
    assert row.compressed.bits_zeros_free == 5 * 2 + 18 * 8 + 6 * 56
    assert row.compressed.map_bytes == 64 * 3 + 16 * 6
    assert row.dense.map_bytes == 4 * row.compressed.map_bytes


def test_decomposed_1x1_layer_adds_where_it_steps():
    small = layer(kernel=(1, 1), padding=(0, 0, 0, 0), stride=2)
    network = trainable(7, (small,)).replaced({"a": decomposed(small, np.ones((6, 3, 2)), 2)})
    (row,) = network_complexity(network)
    assert row.compressed.adds == 4 * 4 * 36 and row.compressed.multiply_adds == 4 * 4 * 12
    # PENNI does not decompose it.
    assert row.penni_operations == 4 * 4 * 36


def test_shrinking_shows():
    import torch

    from sw.compression.shrinking import shrink

    layers = (layer(), layer(name="b", input="a", inputs=6, activation=IDENTITY))

    def zero(network):
        network.unit("b").weight.data[:, 1:3] = 0

    network = trainable(8, layers, zero).eval()
    before, after = (network_complexity(each) for each in (network, shrink(network).network))
    assert torch.equal(network.unit("b").weight[:, 0], shrink(network).network.unit("b").weight[:, 0])
    assert total(after, "dense").multiply_adds == 64 * 9 * (3 * 4 + 4 * 6)
    assert total(after, "dense").multiply_adds < total(before, "dense").multiply_adds
    assert after[1].nonzero == before[1].nonzero


def integers(**more):
    """One integer convolution of 3 channels to 4, two bases, a third of the coefficients."""
    coefficients = np.zeros((4, 3, 2), np.int8)
    coefficients[:, 0, 0] = 1
    coefficients[:, 1, 1] = -1
    convolution = Convolution(
        **{
            "name": "a",
            "input": INPUT,
            "coefficients": coefficients,
            "bases": np.ones((2, 3, 3), np.int8),
            "stride": 1,
            "padding": (1, 1, 1, 1),
            "multiplier": np.ones(4, np.int64),
            "bias": np.zeros(4, np.int64),
            "shift": 1,
            "low": 0,
            "high": 255,
        }
        | more
    )
    info = TensorInfo(channels=3, height=6, width=4, signed=False)
    return IntegerNetwork(name="one", input=info, input_scale=1.0, layers=(convolution,))


def test_integer_layer_by_hand():
    (row,) = integer_complexity(integers())
    assert (row.coefficients, row.nonzero) == (24, 8)
    assert row.dense.multiply_adds == 24 * 27 * 4
    assert row.compressed.adds == 24 * 8 and row.compressed.multiply_adds == 24 * 9 * 8
    assert row.compressed.bits == 24 + 8 + 18 * 8 + 4 * 56
    assert row.compressed.map_bytes == 24 * 7


def test_weights_of_single_channels_are_no_coefficients():
    """A first layer in 8 bits: a basis for each of its three channels, some of its weights zero."""
    bases = np.ones((4, 3, 3, 3), np.int8)
    bases[0] = 0
    every = np.broadcast_to(np.eye(3, dtype=np.int8), (4, 3, 3)).copy()
    (row,) = integer_complexity(integers(coefficients=every, bases=bases))
    assert (row.coefficients, row.nonzero) == (108, 81)
    assert row.compressed.parameters == 81 + 4
    assert row.compressed.multiply_adds == row.dense.multiply_adds == 24 * 108
    assert row.penni_operations == 24 * 81
    assert row.compressed.bits == 36 + 12 + 108 * 8 + 4 * 56


def test_groups_of_integers_by_hand():
    """Two groups, of which the coefficients between them are no coefficients."""
    coefficients = np.zeros((4, 4, 1), np.int8)
    coefficients[:2, :2], coefficients[2:, 2] = 1, -1
    convolution = integers(
        coefficients=np.zeros((4, 3, 1), np.int8), bases=np.ones((1, 3, 3), np.int8)
    ).layers[0]
    grouped = dataclasses.replace(convolution, coefficients=coefficients, groups=2)
    info = TensorInfo(channels=4, height=6, width=4, signed=False)
    network = IntegerNetwork(name="groups", input=info, input_scale=1.0, layers=(grouped,))
    (row,) = integer_complexity(network)
    assert (row.kind, row.coefficients, row.nonzero) == ("grouped", 8, 6)
    assert row.dense.multiply_adds == 24 * 9 * 2 * 4
    assert row.compressed.bits == 8 + 6 + 9 * 8 + 4 * 56


def test_selections_of_integers_are_stored_but_do_not_compute():
    coefficients = np.zeros((4, 3, 1), np.int8)
    coefficients[:3, :, 0] = np.eye(3)
    network = integers(
        coefficients=coefficients, bases=np.ones((1, 1, 1), np.int8), padding=(0, 0, 0, 0), fixed=True
    )
    (row,) = integer_complexity(network)
    assert row.dense == Work(map_bytes=4 * 24 * 7)
    assert row.compressed.operations == 0 and row.compressed.bits == 12 + 3 + 8 + 4 * 56


def test_integers_agree_with_counting_where_no_activation_is_zero():
    """Stride 1 and padding that keeps the map: a ``z`` for every position, nine multiply-adds each."""
    network = integers()
    config = Config.preset("tiny")
    image = np.ones((1, 3, 6, 4), np.int64)
    (counted,) = count(network, run(network, image), config)
    (row,) = integer_complexity(network)
    assert (row.compressed.adds, row.compressed.multiply_adds) == (counted.adds, counted.macs)
    assert row.dense.multiply_adds == counted.dense_macs


@pytest.mark.parametrize("seed", range(10))
def test_bits_are_those_of_the_image(seed):
    config = Config.preset("small").replace(tables=4)
    network = random_network(seed, config, kinds=EVERY_KIND)
    program = compile_network(network, config)
    bits = layer_bits(program)
    assert sum(sum(part.values()) for part in bits.values()) == program.bits
    for target in {target for part in bits.values() for target in part}:
        assert sum(part.get(target, 0) for part in bits.values()) == program.section_bits(target)
    rows = integer_complexity(network, program)
    assert total(rows).bits == program.bits
    size = compression(network, program)
    assert total(rows, "dense").bits == size.dense_bits
    assert total(rows).bits_zeros_free == size.zeros_free_bits
    counted = count(network, run(network, random_input(seed, network)[None]), config)
    for row, work in zip(rows, counted, strict=True):
        assert row.dense.multiply_adds == work.dense_macs
        assert row.compressed.adds >= work.adds


def test_bits_of_a_layer_are_those_of_its_own_numbers():
    config = Config.preset("small")
    network = random_network(3, config)
    program = compile_network(network, config)
    for layer_, part in zip(network.layers, layer_bits(program).values(), strict=True):
        if isinstance(layer_, Convolution):
            (coefficients,) = [bits for target, bits in part.items() if target.name == "COEFFICIENT"]
            assert coefficients >= np.count_nonzero(layer_.coefficients)
            names = {target.name for target in part}
            assert names == {"PROGRAM", "BASIS", "SCALE", "COEFFICIENT"}


def test_widths_are_stated():
    assert FLOAT32.maps == 32 and (INTEGERS.maps, INTEGERS.tap, INTEGERS.scale) == (8, 8, 16 + 40)
