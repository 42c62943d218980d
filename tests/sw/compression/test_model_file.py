"""Model files: networks of every kind of unit come back; what is damaged is refused; a compression goes on from one."""

import pytest
import torch

from sw.compression.decomposed import decompose_network
from sw.compression.deep.sharing import SharingSettings, share_network
from sw.compression.magnitude import MagnitudeSettings, prune_least
from sw.compression.model_file import model_bytes, read_model, write_model
from sw.compression.plan import plan_layers
from sw.compression.ternary import ternary_network
from sw.importing import load_model
from tests.sw.compression.networks import dense, images


def decomposed():
    network = dense()
    return decompose_network(network, plan_layers(network, bases=3))


NETWORKS = {
    "dense": dense,
    "masked": lambda: prune_least(dense(), MagnitudeSettings(sparsity=0.5)),
    "decomposed": decomposed,
    "shared": lambda: share_network(dense(), SharingSettings(bits=3)),
}


@pytest.mark.parametrize("kind", NETWORKS)
def test_networks_come_back(kind, tmp_path):
    network, path = NETWORKS[kind](), tmp_path / "net.model"
    write_model(path, network, {"why": kind})
    read, report = read_model(path)
    assert report == {"why": kind} and repr(read.layers) == repr(network.layers)
    assert read.pixels == network.pixels
    assert [type(unit) for _, unit in read.units()] == [type(unit) for _, unit in network.units()]
    with torch.no_grad():
        assert torch.equal(read(images()), network.eval()(images()))
    assert model_bytes(read, report) == path.read_bytes()
    for (_, unit), (_, before) in zip(read.units(), network.units(), strict=True):
        assert [(name, part.requires_grad) for name, part in unit.named_parameters()] == [
            (name, part.requires_grad) for name, part in before.named_parameters()
        ]


def test_a_network_is_loaded_from_its_file(tmp_path):
    path = tmp_path / "net.model"
    write_model(path, dense())
    network = load_model(path)
    assert network.notes == [] and not network.training
    with pytest.raises(ValueError, match=r"expected no mean and std for .*net\.model, which has its own"):
        load_model(path, pixels=network.pixels)


def test_ternary_networks_are_not_for_it():
    network = dense()
    with pytest.raises(ValueError, match=r"layer down: expected one of dense, .*, got TernaryConvolution"):
        model_bytes(ternary_network(network, plan_layers(network)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content[:50], r"net\.model: expected a model file of farthing, got something else"),
        (
            lambda content: content.replace(b'\\"version\\": 1', b'\\"version\\": 7'),
            "expected a model file of version 1, got version 7",
        ),
        (
            lambda content: content.replace(b'\\"kind\\": \\"dense\\"', b'\\"kind\\": \\"tense\\"'),
            "expected a model file that is whole, got one in which 'tense'",
        ),
    ],
)
def test_damaged_files_are_refused(tmp_path, change, message):
    path = tmp_path / "net.model"
    path.write_bytes(change(model_bytes(dense())))
    with pytest.raises(ValueError, match=message) as refused:
        read_model(path)
    assert len(str(refused.value).splitlines()) == 1
