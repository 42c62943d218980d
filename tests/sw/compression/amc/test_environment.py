"""Episodes: the eleven numbers of a state, Algorithm 1 of the paper, and that every policy meets its budget."""

import math
import random

import numpy as np
import pytest

from sw.compression.amc.environment import Environment
from sw.compression.amc.rewards import reward
from sw.compression.amc.search import cost_function
from sw.compression.amc.spaces import ChannelSpace, coefficient_space, weight_space
from sw.compression.amc.state import STATE
from tests.sw.compression.networks import dense, ternary
from tests.sw.training.patterns import small_network

SPACES = {"weights": weight_space, "channels": ChannelSpace, "coefficients": coefficient_space}


def test_a_state_has_the_papers_numbers():
    """Layers of 3 -> 8 channels on 8x8, 8 -> 8 with stride 2, 8 -> 4 fully connected: 13,824, 9,216 and 32 multiply-adds."""
    space = weight_space(small_network())
    walk = Environment(space, cost_function(space, "operations"), most=0.9).walk(lambda place, state: 0.25)
    assert len(STATE) == 11 and walk.states.shape == (3, 11) and walk.states.dtype == np.float32
    whole = 13_824 + 9_216 + 32
    wanted = [
        # t, n, c, h, w, stride, k, operations, reduced, rest, before
        [0, 1, 0, 1, 1, 0, 1, 1, 0, (9_216 + 32) / whole, 0],
        [0.5, 1, 1, 1, 1, 1, 1, (9_216 - 32) / (13_824 - 32), 54 * 64 / whole, 32 / whole, 0.25],
        [1, 0, 1, 0, 0, 0, 0, 0, (54 * 64 + 144 * 16) / whole, 0, 0.25],
    ]
    assert walk.removed == (54, 144, 8) and walk.actions.tolist() == [0.25] * 3
    np.testing.assert_allclose(walk.states, wanted, rtol=1e-6)
    assert walk.states.min() >= 0 and walk.states.max() <= 1


def test_the_same_number_in_all_layers_is_zero():
    """Every kernel of the channels that can go is 3x3."""
    space = ChannelSpace(small_network())
    walk = Environment(space, cost_function(space, "operations"), most=0.9).walk(lambda place, state: 0.0)
    assert (walk.states[:, STATE.index("k")] == 0).all() and (walk.states[:, STATE.index("n")] == 0).all()


def algorithm_1(weights, actions, share, most):
    """As the paper prints it, in weights; with whole numbers of them."""
    removed = 0
    for place, (count, action) in enumerate(zip(weights, actions, strict=True)):
        limit = [min(int(most * other), other - 1) for other in weights]
        wished = min(round(action * count), limit[place])
        duty = math.ceil(share * sum(weights)) - sum(limit[place + 1 :]) - removed
        done = max(wished, duty)
        removed += done
        yield done


def test_actions_are_clipped_as_in_the_paper():
    space = weight_space(dense())
    offsets = cost_function(space, "parameters")(space.counts)
    whole = cost_function(space, "parameters")(space.gone)
    assert whole - offsets == sum(space.counts)
    drawn = random.Random(1)
    for share in (0.2, 0.5, 0.8):
        budget = sum(space.counts) - math.ceil(share * sum(space.counts)) + offsets
        environment = Environment(space, cost_function(space, "parameters"), most=0.9, budget=budget)
        for _ in range(20):
            actions = [drawn.random() for _ in space.counts]
            walk = environment.walk(lambda place, state, actions=actions: actions[place])
            assert walk.removed == tuple(algorithm_1(space.counts, actions, share, 0.9))


@pytest.mark.parametrize("cost", ["operations", "parameters", "bits"])
@pytest.mark.parametrize("action", SPACES)
def test_every_policy_meets_the_budget(action, cost):
    space = SPACES[action](ternary() if action == "coefficients" else dense())
    count = cost_function(space, cost)
    for seed in range(40):
        drawn = random.Random(seed)
        most = 0.5 + 0.45 * drawn.random()
        bound = count(
            tuple(
                max(gone, min(int(most * number), number - 1))
                for gone, number in zip(space.gone, space.counts, strict=True)
            )
        )
        budget = drawn.randint(bound, count(space.gone))
        environment = Environment(space, count, most=most, budget=budget)
        actions = [drawn.random() ** 3 for _ in space.counts]
        walk = environment.walk(lambda place, state, actions=actions: actions[place])
        assert count(walk.removed) <= budget
        assert all(
            gone <= number <= limit
            for gone, number, limit in zip(space.gone, walk.removed, environment.most, strict=True)
        )
        # What the agent remembers is what was done.
        np.testing.assert_allclose(walk.actions, np.divide(walk.removed, space.counts), rtol=1e-6)
        np.testing.assert_array_equal(walk.states[1:, -1], walk.actions[:-1])
        assert count(environment.uniform().removed) <= budget


def test_an_idle_agent_leaves_all_to_the_last_layers():
    space = weight_space(small_network())
    cost = cost_function(space, "parameters")
    environment = Environment(space, cost, most=0.9, budget=cost((100, 100, 20)))
    # 216, 576 and 32 weights: the last two give at most 518 and 28.
    assert environment.walk(lambda place, state: 0.0).removed == (0, 192, 28)
    assert environment.walk(lambda place, state: 1.0).removed == (194, 518, 28)


def test_uniform_shares_are_the_least():
    space = weight_space(small_network())
    cost = cost_function(space, "parameters")
    whole = cost(space.gone)
    walk = Environment(space, cost, most=0.9, budget=whole // 2).uniform()
    assert whole // 2 - 2 <= cost(walk.removed) <= whole // 2
    np.testing.assert_allclose(walk.actions, walk.actions[0], atol=0.02)


def test_an_impossible_budget_is_refused():
    space = weight_space(small_network())
    cost = cost_function(space, "parameters")
    least = cost((108, 288, 16))
    with pytest.raises(
        ValueError, match=rf"a budget of at least {least}, what is left where 50% .*, got 100 of 844; ask"
    ):
        Environment(space, cost, most=0.5, budget=100)
    with pytest.raises(ValueError, match="expected an estimate of cycles to search by, got none"):
        cost_function(space, "cycles")


def test_rewards():
    assert reward(0.25, 1000, "constrained") == -0.25
    assert reward(0.25, 1000, "guaranteed") == pytest.approx(-0.25 * 6.907755279)
    errors = [
        reward(error, 500, protocol)
        for protocol in ("constrained", "guaranteed")
        for error in (0.1, 0.2, 0.4)
    ]
    assert errors[:3] == sorted(errors[:3], reverse=True) and errors[3:] == sorted(errors[3:], reverse=True)
    assert reward(0.2, 500, "guaranteed") > reward(0.2, 600, "guaranteed")
    assert reward(0.0, 500, "guaranteed") == reward(0.0, 600, "guaranteed") == 0
