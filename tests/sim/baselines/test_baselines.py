"""The models of other accelerators: bounds that none may break, and cases that can be counted by hand."""

import numpy as np
import pytest

from sim.baselines import BASELINES, DenseLayer, best_shape, dense_ideal, eyeriss, scnn, sparten
from tests.sim.baselines.layers import random_layer, random_layers

LAYERS = random_layers()


@pytest.mark.parametrize("multipliers", [16, 72, 144])
@pytest.mark.parametrize("number", range(len(LAYERS)))
def test_nobody_does_more_than_the_multipliers_can(number, multipliers):
    layer = LAYERS[number]
    dense, effectual = layer.dense_macs / multipliers, layer.effectual_macs / multipliers
    least = {"dense_ideal": dense, "eyeriss": dense, "scnn": effectual, "sparten": effectual}
    for name, model in BASELINES.items():
        for shape in model.shapes(multipliers):
            assert np.prod(shape) * (16 if model is scnn else 1) <= multipliers
            assert model.cycles(layer, shape) >= least[name]
    assert dense_ideal.cycles(layer, (multipliers,)) == dense


@pytest.mark.parametrize("model", BASELINES.values(), ids=BASELINES)
def test_one_shape_serves_all_layers(model):
    shape, cycles = best_shape(model, LAYERS, 72)
    assert cycles == [model.cycles(layer, shape) for layer in LAYERS]
    totals = [sum(model.cycles(layer, other) for layer in LAYERS) for other in model.shapes(72)]
    assert sum(cycles) == min(totals)


@pytest.mark.parametrize("model", [scnn, sparten])
def test_zeros_pay(model):
    full = random_layer(9, outputs=32, channels=32, size=8, zeros=(0, 0))
    half = random_layer(9, outputs=32, channels=32, size=8, zeros=(0.5, 0.5))
    assert best_shape(model, [half], 144)[1][0] < best_shape(model, [full], 144)[1][0] / 2


def test_dense_accelerators_do_not_see_zeros():
    full = random_layer(9, outputs=32, channels=32, size=8, zeros=(0, 0))
    half = random_layer(9, outputs=32, channels=32, size=8, zeros=(0.5, 0.5))
    assert eyeriss.cycles(half, (12, 12)) == eyeriss.cycles(full, (12, 12))


def test_dense_ideal_by_hand():
    # 3 outputs x 2 channels x 3 x 3 taps x 4 x 4 positions = 864 multiply-adds.
    layer = random_layer(1, outputs=3, channels=2, size=4)
    assert dense_ideal.cycles(layer, (9,)) == 96


def test_eyeriss_by_hand():
    # 6 planes. A set of 3 x 4 elements makes all 4 rows of the output, each 4 outputs x 3 taps = 12 cycles; in 6 x 4 elements
    # two sets work side by side: 3 turns.
    assert eyeriss.array_cycles(6, 3, 3, 4, 4, 6, 4) == 36
    # 3 x 2 elements: strips of 2 rows, so 12 turns of one set.
    assert eyeriss.array_cycles(6, 3, 3, 4, 4, 3, 2) == 144
    # 3 x 5 elements: one set of 4 columns, the fifth column idle: 6 turns. Narrow strips are no better: five of one row are 24 / 5.
    assert eyeriss.array_cycles(6, 3, 3, 4, 4, 3, 5) == 5 * 12
    # 2 x 4 elements: kernels of 3 rows take two turns each.
    assert eyeriss.array_cycles(6, 3, 3, 4, 4, 2, 4) == 144
    # A fully connected layer of 30 weights: every element makes one product a cycle.
    assert eyeriss.array_cycles(30, 1, 1, 1, 1, 2, 5) == 3
    layer = random_layer(1, outputs=3, channels=2, size=4)
    assert eyeriss.cycles(layer, (6, 4)) == 36
    # Every multiplier is busy in every cycle: no other array of 24 does better.
    assert best_shape(eyeriss, [layer], 24)[1] == [36]


def _layer(activations, weights, **options):
    return DenseLayer(activations=np.array(activations), weights=np.array(weights), **options)


def test_scnn_by_hand():
    # One channel of 1 x 8: left tile 4 values of which 1 is zero, right tile 4. Five filters 1x1: 5 weights.
    layer = _layer([[[1, 2, 0, 3, 4, 5, 6, 7]]], np.ones((5, 1, 1, 1), int))
    # Each tile is one vector of activations, the weights are two: 2 cycles in each PE.
    assert scnn.cycles_by_tile(layer, 1, 2) == 2
    # One PE: 7 values are two vectors, times two.
    assert scnn.cycles_by_tile(layer, 1, 1) == 4
    # Two channels: PE 0 has 4 + 1 values in its channels, PE 1 none: (1 + 1) x 2 cycles.
    layer = _layer([[[1, 1, 1, 1, 0, 0, 0, 0]], [[0, 0, 1, 0, 0, 0, 0, 0]]], np.ones((5, 2, 1, 1), int))
    assert scnn.cycles_by_tile(layer, 1, 2) == 4
    # By channel: each PE has one vector of activations and two of weights.
    assert scnn.cycles_by_channel(layer, 2) == 2
    assert scnn.shapes(32) == [(1, 2), (2, 1)]
    assert scnn.cycles(layer, (1, 2)) == 2


def test_scnn_strides_by_hand():
    # Stride 2 over 4 x 4 ones with a 3 x 3 kernel, no padding. Phases of activations (row, column): 4 of each: 1 vector. Weights of
    # phase (0, 0): corners, 4; (0, 1) and (1, 0): 2 each; (1, 1): 1. Each is one vector: 4 cycles.
    layer = _layer(np.ones((1, 4, 4), int), np.ones((1, 1, 3, 3), int), stride=2)
    assert scnn.cycles_by_tile(layer, 1, 1) == 4
    # A padding of one swaps the phases of the map, which changes nothing here: 4 activations of each phase.
    layer = _layer(np.ones((1, 4, 4), int), np.ones((1, 1, 3, 3), int), stride=2, padding=(1, 1, 0, 0))
    assert scnn.cycles_by_tile(layer, 1, 1) == 4


def test_scnn_groups_by_hand():
    # Depthwise, 2 channels of 2 x 2 ones, 3 x 3 kernels of ones: each 1 vector of activations, 3 of weights: 6 cycles.
    layer = _layer(np.ones((2, 2, 2), int), np.ones((2, 1, 3, 3), int), padding=(1, 1, 1, 1), groups=2)
    assert scnn.cycles_by_tile(layer, 1, 1) == 6


def test_scnn_accumulators_make_groups(monkeypatch):
    monkeypatch.setattr(scnn, "_ACCUMULATORS", 8)
    # Room for 8 outputs, a tile of 4: two filters at a time. 3 filters of one weight: 2 groups of one vector each, where one
    # group would take a cycle.
    layer = _layer(np.ones((1, 2, 2), int), np.ones((3, 1, 1, 1), int))
    assert scnn.cycles_by_tile(layer, 1, 1) == 2


def test_sparten_by_hand():
    # One position, 200 channels: two chunks. Filter 0 meets 3 and 1, filter 1 meets 1 and 2.
    activations = np.zeros((200, 1, 1), int)
    activations[[0, 1, 2, 130, 131]] = 1
    weights = np.zeros((2, 200, 1, 1), int)
    weights[0, [0, 1, 2, 3, 130]] = 1
    weights[1, [2, 130, 131]] = 1
    layer = _layer(activations, weights)
    # A unit for each filter: 3 + 2 cycles. One unit for both: 4 + 3. Two clusters of one unit: 4 and 3, side by side.
    assert sparten.cluster_cycles(layer, 1, 2, 1) == 5
    assert sparten.cluster_cycles(layer, 1, 1, 2) == 7
    assert sparten.cluster_cycles(layer, 2, 1, 1) == 4


def test_sparten_chunks_by_hand():
    # A chunk that meets nothing takes a cycle, a chunk of zeros none.
    activations = np.zeros((300, 1, 1), int)
    activations[[0, 299]] = 1
    weights = np.zeros((1, 300, 1, 1), int)
    weights[0, 299] = 1
    assert sparten.cluster_cycles(_layer(activations, weights), 1, 1, 1) == 2


def test_sparten_balances_by_hand():
    # Densities 4, 3, 2, 1 on dense activations of one chunk: 4 + 1 in one unit, 3 + 2 in the other.
    weights = np.zeros((4, 8, 1, 1), int)
    for number, density in enumerate((2, 4, 1, 3)):
        weights[number, :density] = 1
    layer = _layer(np.ones((8, 1, 1), int), weights)
    assert sparten.cluster_cycles(layer, 1, 2, 2) == 5
    # One filter a unit: groups (4, 3) and (2, 1), 4 + 2 cycles.
    assert sparten.cluster_cycles(layer, 1, 2, 1) == 6
    # 3 positions of 5 cycles in two clusters: 15 / 2, rounded up.
    layer = _layer(np.ones((8, 1, 3), int), weights)
    assert sparten.cluster_cycles(layer, 2, 2, 2) == 8


def test_sparten_depthwise_by_hand():
    # 2 channels of 1 x 1, one tap each in the middle of the window: 1 cycle for each, in units of their own.
    weights = np.ones((2, 1, 3, 3), int)
    layer = _layer(np.ones((2, 1, 1), int), weights, padding=(1, 1, 1, 1), groups=2)
    assert sparten.cycles(layer, (1, 1)) == 2
    assert sparten.cycles(layer, (1, 2)) == 1
