"""Fully connected layers of few weights: both forms are the same integers, the RTL computes them, the cycle model counts them."""

import dataclasses

import numpy as np
import pytest

pytest.importorskip("torch")

from bench import connected, methods
from hw.config import Config
from sim.cycle_model import layer_cycles
from sim.network import simulate
from sim.reference import kernels, run
from sw.compiler import compile_network
from sw.compression.deep.sharing import SharingSettings, share_network
from sw.compression.magnitude import MagnitudeSettings, prune_least
from sw.data import load_dataset
from sw.importing import load_model
from sw.network import IntegerNetwork, TensorInfo
from sw.training import repeatable


def alone(layer):
    """A network of one layer, whose results fill their range."""
    inputs = layer.coefficients.shape[1]
    layer = dataclasses.replace(layer, shift=10)
    info = TensorInfo(channels=inputs, height=1, width=1, signed=False)
    return IntegerNetwork(name="alone", input=info, input_scale=1.0, layers=(layer,))


def inputs_of(count, inputs, active=0.35, seed=2):
    random = np.random.default_rng(seed)
    return random.integers(1, 256, (count, inputs, 1, 1)) * (random.random((count, inputs, 1, 1)) < active)


def test_values_and_planes_are_the_same_weights():
    layer = connected.shared_layer(40, 60, 0.3)
    planes = connected.as_planes(layer)
    assert np.abs(kernels(layer)).max() == 127
    assert (kernels(planes) == kernels(layer)).all() and len(planes.bases) <= 6 < len(layer.bases)
    assert np.count_nonzero(layer.coefficients) == round(0.3 * 40 * 60)
    assert len(np.unique(kernels(layer))) == 32


def test_fewer_weights_take_fewer_cycles_where_they_share_values():
    images = inputs_of(2, 256)
    config = Config.preset("ulx3s-85f").replace(
        channels=256, ring=32, bases=32, coefficient_words=8192, z_bits=17, accumulator_bits=25
    )
    cycles = {}
    for weights in (1.0, 0.3, 0.1):
        network = alone(connected.shared_layer(256, 256, weights))
        (cycles[weights],) = layer_cycles(compile_network(network, config), run(network, images)).mean(0)
    assert cycles[0.1] < cycles[0.3] < cycles[1.0]
    # Every output channel's pass reads the whole map: no fewer zeros than that.
    assert 16 * 16 < cycles[0.1] < 256 * 256 / config.multipliers < cycles[1.0]


@pytest.mark.slow
def test_stored_cycles_are_still_those_of_the_model():
    rows = [row for record in methods._stored() if record["name"] == connected.NAME for row in record["rows"]]
    name = "vgg16-cifar fc"
    stored = [row for row in rows if row["layer"] == name and row["config"] == "large"]
    assert len(stored) == 2 and {row["config"] for row in rows} == set(connected.CONFIGS)
    outputs, inputs, weights, active = connected.LAYERS[name]
    layer = connected.shared_layer(outputs, inputs, weights)
    images = connected.random_inputs(inputs, weights, active)
    for row in stored:
        cycles = connected.image_cycles(
            connected.FORMS[row["form"]](layer), images, connected.CONFIGS[row["config"]]
        )
        assert cycles == pytest.approx(row["cycles"], rel=0.02), (
            "run `python -m bench.methods --only sparse-connected`"
        )


@pytest.mark.slow
@pytest.mark.parametrize("form", ["values", "planes"])
def test_the_rtl_computes_a_pruned_layer_of_shared_weights(form, tmp_path):
    config, images = Config.preset("small"), inputs_of(3, 100)
    layer = connected.shared_layer(30, 100, 0.1, bits=3)
    network = alone(connected.as_planes(layer) if form == "planes" else layer)
    program = compile_network(network, config)
    simulated = simulate(program, network, images, config=config, work_dir=tmp_path)
    assert simulated.passed and simulated.tensors == 2
    results = run(network, images)
    assert len(np.unique(results["layer"])) > 10
    assert (simulated.layer_cycles == layer_cycles(program, results)).all()


@pytest.mark.slow
def test_a_pruned_lenet_of_shared_weights_runs_as_integers(monkeypatch):
    monkeypatch.setattr(connected, "CONFIGS", {"large": connected.CONFIGS["large"]})
    monkeypatch.setattr(connected, "FORMS", {"planes": connected.as_planes})
    dataset = load_dataset("mnist")
    with repeatable(0):
        network = load_model(connected.NETWORK)
    pruned = prune_least(network, MagnitudeSettings(sparsity=0.9))
    shared = share_network(pruned, SharingSettings(connected_bits=5))
    record = connected.run_connected(shared, dataset, layers={})
    rows = record["rows"]
    assert [row["layer"] for row in rows] == [
        f"lenet-300-100 {name}" for name in ("hidden1", "hidden2", "classify")
    ]
    assert [row["form"] for row in rows] == ["planes"] * 3
    assert all(0.09 < row["weights"] < 0.11 and row["cycles"] >= row["chunks_fed"] for row in rows)
    # Untrained, it guesses; the integers guess the same.
    assert abs(record["accuracy_float"] - record["accuracy_integer"]) < 0.05
