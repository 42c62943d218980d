"""Shared weights: what they are, how they are trained, what they take."""

import dataclasses

import pytest
import torch

from sw.compression.deep.shared import SharedConvolution, shared_units
from sw.compression.deep.sharing import SharingSettings, share_network, share_weights
from sw.compression.deep.size import layer_sizes, total_size
from sw.compression.magnitude import MagnitudeSettings, prune_least
from sw.compression.run import Run
from sw.compression.shrinking import shrink
from sw.training import TrainingSettings, repeatable, train
from tests.sw.compression.networks import dense, images
from tests.sw.training.patterns import patterns, small_network

QUICK = TrainingSettings(epochs=2, rate=0.005, batch=32, evaluate_every=0)


def pruned(share=0.6):
    return prune_least(dense(), MagnitudeSettings(sparsity=share))


def test_enough_values_are_the_network_itself():
    network = pruned(0.98)
    # A gain without batch norm becomes part of the weights.
    network.unit("last").normalise.gain.data = torch.tensor([1.0, 2.0, 0.5, 1.0, 3.0])
    shared = share_network(network, SharingSettings(bits=8, connected_bits=8))
    with torch.no_grad():
        assert torch.allclose(shared(images()), network(images()), atol=1e-5)


def test_layers_have_their_values_and_zeros():
    network = pruned()
    shared = share_network(network, SharingSettings(bits=3, connected_bits=2))
    names = [layer.name for layer, _ in shared_units(shared)]
    assert names == [layer.name for layer, _ in network.units() if not layer.fixed]
    for layer, unit in shared_units(shared):
        kernel, before = unit.kernel().detach(), network.unit(layer.name).kernel().detach()
        wanted = 3 if layer.name == "last" else 7
        assert len(kernel.unique()) - 1 == min(wanted, len(before.unique()) - 1)
        if layer.batch_norm:
            assert torch.equal(kernel == 0, before == 0)


def test_gradient_of_a_centroid_is_the_sum_over_its_weights():
    unit = share_network(pruned(), SharingSettings(bits=3)).unit("down")
    factors = torch.randn(unit.codes.shape, generator=torch.Generator().manual_seed(1))
    (unit.kernel() * factors).sum().backward()
    expected = [factors[unit.codes == place + 1].sum() for place in range(len(unit.centroids))]
    assert torch.allclose(unit.centroids.grad, torch.stack(expected), atol=1e-5)


def test_training_moves_centroids_and_keeps_codes():
    with repeatable(4):
        dataset, network = patterns(), small_network()
        train(network, dataset, dataclasses.replace(QUICK, epochs=10, rate=0.02))
        run = Run(dataset=dataset)
        settings = SharingSettings(bits=3, connected_bits=3, tuning=QUICK)
        made = share_weights(prune_least(network, MagnitudeSettings(sparsity=0.5)), settings, run)
        again = share_network(prune_least(network, MagnitudeSettings(sparsity=0.5)), settings)
    assert [phase.name for phase in run.phases] == ["share", "share-tune"]
    assert run.accuracy(made) >= run.accuracy(network) - 0.15
    for layer, unit in shared_units(made):
        assert torch.equal(unit.codes, again.unit(layer.name).codes)
        assert not torch.equal(unit.centroids, again.unit(layer.name).centroids)
    assert run.phases[-1].zeros == pytest.approx(0.5, abs=0.01)


def test_size_is_what_the_parts_take():
    shared = share_network(pruned(0.9), SharingSettings(bits=4, connected_bits=2, gap_bits=3))
    sizes = layer_sizes(shared)
    for layer, unit in shared_units(shared):
        size = sizes[layer.name]
        stored = size.nonzero + size.fillers
        assert size.weights == unit.codes.numel() and size.nonzero == int(unit.codes.count_nonzero())
        bits = 2 if layer.name == "last" else 4
        assert (size.codes, size.gaps, size.codebook) == (bits * stored, 3 * stored, 32 * len(unit.centroids))
        # The last layer has an offset of 0 and a gain of 1, which take nothing.
        assert size.scales == (0 if layer.name == "last" else 64 * layer.outputs)
        assert size.coded_codes <= size.codes + 1 and size.coded_gaps <= size.gaps + 1
        assert size.dense > size.pruned > size.shared >= size.coded - 2
    total = total_size(shared)
    assert total.coded == sum(size.coded for size in sizes.values())
    assert total.ratio == total.dense / total.coded > 1


def test_huffman_codes_pay_for_many_weights():
    torch.manual_seed(2)
    unit = dense().unit("swish")
    unit.weight.data = torch.randn(40, 24, 3, 3) * (torch.rand(40, 24, 3, 3) < 0.3)
    unit.layer = dataclasses.replace(unit.layer, outputs=40)
    shared = SharedConvolution.of(unit, bits=5, gap_bits=4)
    flat = shared.codes.flatten()
    assert abs(float((flat != 0).float().mean()) - 0.3) < 0.02
    network = dense().replaced({"swish": shared})
    size = layer_sizes(network)["swish"]
    assert size.coded_codes < 0.95 * size.codes and size.coded_gaps < 0.95 * size.gaps


def test_redundant_channels_leave_shared_layers():
    network = pruned()
    network.unit("down").kept[3] = False
    network.unit("down").normalise.bias.data[3] = 0
    network.unit("down").normalise.running_mean[3] = 0
    shared = share_network(network, SharingSettings())
    small = shrink(shared).network
    assert isinstance(small.unit("down"), SharedConvolution)
    with torch.no_grad():
        assert torch.allclose(small(images()), shared(images()), atol=1e-4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bits": 0}, "expected bits from 1 to 8, got 0"),
        ({"gap_bits": 9}, "expected gap_bits from 1 to 8, got 9"),
        ({"start": "middle"}, "expected a start from linear, density, random, got 'middle'"),
    ],
)
def test_impossible_settings_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        SharingSettings(**changes)
