"""The recipe micronet from its name to a network file that is scored and compiled."""

import pytest
from rich.console import Console

pytest.importorskip("torch")

from fpga.compression import compress_to_file
from fpga.scoring import score_file
from hw.config import Config
from sim import reference
from sw.compiler import compile_network
from sw.compression.micronet.pipeline import SensitivitySettings, UniformSettings
from sw.compression.recipe_file import load_recipe
from sw.network_file import read_network
from sw.training import TrainingSettings, repeatable, train
from tests.sw.training.patterns import patterns, small_network

TRAINING = TrainingSettings(epochs=2, rate=0.01, batch=32, evaluate_every=0)


@pytest.mark.slow
def test_from_a_recipe_to_a_score(tmp_path):
    recipe = load_recipe("micronet")
    recipe = recipe.changed(SensitivitySettings, images=64, tuning=TRAINING)
    recipe = recipe.changed(UniformSettings, tuning=TRAINING)
    dataset, output = patterns(), tmp_path / "net.farthing"
    with repeatable(4):
        network = small_network()
        train(network, dataset, TrainingSettings(epochs=6, rate=0.02, batch=32, evaluate_every=0))
        _, report = compress_to_file(
            network,
            dataset,
            recipe,
            output,
            name="patterns",
            folder=tmp_path / "work",
            console=Console(quiet=True),
        )
    integers, stored = read_network(output)
    assert [phase["name"] for phase in stored["phases"]][-1] == "uniform-integers"
    assert report["accuracy_integer"] >= report["phases"][0]["accuracy"] - 0.2 and report["agreement"] > 0.9
    images = integers.pixels.integers(dataset.test_images)
    assert reference.accuracy(integers, images, dataset.test_labels) == report["accuracy_integer"]
    # Kernels of every output channel's own are many bases.
    with pytest.raises(ValueError, match="bases of all layers"):
        compile_network(integers, Config.preset("small"))
    assert compile_network(integers, Config.preset("small").replace(basis_words=512)).bits > 0
    result = score_file(output, "cifar100")
    found = {layer["name"]: layer for layer in result["layers"]}
    # 4 bits a weight in the middle, of which some are zero, and 8 at the ends; in words of 32 bits with what stands behind.
    weights = sum(unit.weight.numel() for _, unit in network.units())
    assert result["parameters"] < (weights * 8 + 20 * 56 + 100) / 32 + 3
    assert found["second"]["operations"] < 2 * 8 * 8 * 9 * 16
