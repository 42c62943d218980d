"""The agent: its noise, its memory, its targets, and that it finds what is known to be best."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn

from sw.compression.amc.agent import Agent, Memory, follow
from sw.compression.amc.noise import deviation, draw
from sw.compression.amc.settings import AgentSettings, SearchSettings


def test_noise_is_constant_and_then_falls_by_the_same_part():
    spreads = [deviation(AgentSettings(), 100, 300, episode) for episode in range(400)]
    assert spreads[:100] == [0.5] * 100
    parts = [after / before for before, after in itertools.pairwise(spreads[99:])]
    assert parts == pytest.approx([(0.01 / 0.5) ** (1 / 300)] * 300)
    assert spreads[-1] == pytest.approx(0.01)


def test_noise_stays_within_the_range():
    generator = torch.Generator().manual_seed(2)
    for mean in (0.0, 0.3, 1.0):
        drawn = np.array([draw(mean, 0.5, generator) for _ in range(2000)])
        assert drawn.min() >= 0 and drawn.max() <= 1
        # Cut off, it leans to the middle; not clipped, it does not pile up at the ends.
        assert abs(drawn.mean() - 0.5) < abs(mean - 0.5) + 0.03 and (drawn % 1 == 0).mean() < 0.01
    narrow = [draw(0.4, 0.01, generator) for _ in range(500)]
    assert np.mean(narrow) == pytest.approx(0.4, abs=0.002) and np.std(narrow) == pytest.approx(
        0.01, rel=0.15
    )


def test_targets_follow_by_a_share():
    slow, fast = nn.Linear(2, 1), nn.Linear(2, 1)
    nn.init.constant_(slow.weight, 1.0), nn.init.constant_(fast.weight, 3.0)
    follow(slow, fast, 0.01)
    assert torch.allclose(slow.weight, torch.full((1, 2), 1.02))
    follow(slow, fast, 0.5)
    assert torch.allclose(slow.weight, torch.full((1, 2), 2.01))


def test_memory_keeps_the_latest_steps_with_the_reward_of_their_episode():
    memory = Memory(4)
    for episode in range(3):
        states = np.full((2, 11), episode, np.float32)
        states[1] += 0.5
        memory.add(states, np.array([0.1, 0.2], np.float32) + episode, -float(episode))
    assert len(memory) == 4
    states, actions, rewards, following, goes_on = memory.sample(200, torch.Generator().manual_seed(0))
    assert set(rewards.flatten().tolist()) == {-1.0, -2.0}
    first = goes_on[:, 0] == 1
    assert (following[first] == states[first] + 0.5).all() and (states[first, 0] % 1 == 0).all()
    assert (states[~first, 0] % 1 == 0.5).all()
    assert torch.allclose(actions[first, 0], states[first, 0] + 0.1)
    assert torch.allclose(rewards[:, 0], -states[:, 0].floor())


def test_the_first_step_learns_rewards_less_their_average():
    """Of episodes with one layer there is nothing later: the value is the reward less the moving average."""
    agent = Agent(AgentSettings(hidden=32, batch=8, critic_rate=1e-2, baseline=0.5), explore=0, exploit=400)
    state = np.full((1, 11), 0.5, np.float32)
    for number in range(100):
        action = (number % 10) / 10
        agent.learn(state, np.array([action], np.float32), -1.0)
    assert agent.baseline == -1.0
    value = agent.critic(torch.tensor(state), torch.tensor([[0.4]]))
    assert float(value.detach()) == pytest.approx(0.0, abs=0.05)
    agent.learn(state, np.array([0.5], np.float32), -3.0)
    assert agent.baseline == -2.0


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_a_known_optimum_is_found(seed):
    """Each of two layers has its best share; random policies seldom come as close as the last ones of the agent."""
    best = np.array([0.2, 0.7])
    agent = Agent(AgentSettings(), explore=60, exploit=140, seed=seed)
    rewards = []
    for _ in range(200):
        states, actions = np.zeros((2, 11), np.float32), []
        for place in range(2):
            states[place, 0] = place
            actions.append(agent.act(states[place]))
        rewards.append(-float(np.square(actions - best).sum()))
        agent.learn(states, np.array(actions, np.float32), rewards[-1])
    drawn = np.random.default_rng(seed).random((1000, 2))
    random_rewards = -np.square(drawn - best).sum(1)
    assert np.mean(rewards[-20:]) > np.quantile(random_rewards, 0.9)
    assert np.mean(rewards[-20:]) > np.mean(rewards[:60]) and all(0 <= action <= 1 for action in actions)


@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        (
            SearchSettings,
            {"cost": "watts"},
            "expected a cost from operations, parameters, bits, cycles, got 'watts'",
        ),
        (
            SearchSettings,
            {"protocol": "free"},
            "expected a protocol from constrained, guaranteed, got 'free'",
        ),
        (SearchSettings, {"searcher": "me"}, "expected a searcher from ddpg, random, tpe, uniform, got 'me'"),
        (SearchSettings, {"explore": -1}, "expected explore of at least 0, got -1"),
        (SearchSettings, {"explore": 0, "exploit": 0}, "expected at least one episode to explore or exploit"),
        (SearchSettings, {"most": 1.0}, r"expected the greatest share above 0 and below 1, got 1\.0 of most"),
        (SearchSettings, {"searcher": "uniform", "protocol": "guaranteed"}, "with the searcher uniform"),
        (AgentSettings, {"hidden": 0}, "expected hidden of at least 1, got 0"),
        (AgentSettings, {"critic_rate": 0.0}, r"expected critic_rate above 0, got 0\.0"),
        (AgentSettings, {"follow": 0.0}, r"expected follow above 0 to 1, got 0\.0"),
        (AgentSettings, {"memory": 10}, "expected a memory of at least a batch of 64, got 10"),
        (AgentSettings, {"last_noise": 0.6}, r"expected 0 < last_noise <= noise, got 0\.6"),
    ],
)
def test_impossible_settings_are_refused(kind, changes, message):
    with pytest.raises(ValueError, match=message):
        kind(**changes)
