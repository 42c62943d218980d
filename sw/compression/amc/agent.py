"""The agent: deep deterministic policy gradient (T. Lillicrap et al., 2016) as AMC has it.

Libraries of reinforcement learning have neither its noise nor its reward, which all layers of an episode share, less a moving average.
"""

import copy

import torch
from torch import nn

from .noise import deviation, draw
from .state import STATE

__all__ = ["Agent", "Memory", "follow"]


class Critic(nn.Module):
    """Value of an action in a state: both pass a layer of their own, whose sum passes another."""

    def __init__(self, hidden):
        super().__init__()
        self.of_state, self.of_action = nn.Linear(len(STATE), hidden), nn.Linear(1, hidden)
        self.rest = nn.Sequential(nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 1))

    def forward(self, states, actions):
        """[n, 1] of states [n, 11] and actions [n, 1]."""
        return self.rest(self.of_state(states) + self.of_action(actions))


class Memory:
    """The latest transitions: state, action, reward, next state, whether there is one."""

    def __init__(self, size):
        self._rows = torch.zeros(size, 2 * len(STATE) + 3)
        self._added = 0

    def __len__(self):
        return min(self._added, len(self._rows))

    def add(self, states, actions, reward):
        """All steps of an episode, float32 [T, 11] and [T], which share its reward."""
        states, count = torch.as_tensor(states), len(states)
        following = torch.cat([states[1:], states[-1:]])
        goes_on = torch.ones(count, 1)
        goes_on[-1] = 0
        rewards = torch.full((count, 1), float(reward))
        rows = torch.cat([states, torch.as_tensor(actions)[:, None], rewards, following, goes_on], 1)
        for row in rows:
            self._rows[self._added % len(self._rows)] = row
            self._added += 1

    def sample(self, count, generator):
        """States, actions, rewards, next states and whether they are there, [count, ...], drawn alike."""
        rows = self._rows[torch.randint(len(self), (count,), generator=generator)]
        return rows.split((len(STATE), 1, 1, len(STATE), 1), 1)


@torch.no_grad()
def follow(target, source, share):
    """Move parameters of ``target`` by ``share`` of the way to those of ``source``."""
    for slow, fast in zip(target.parameters(), source.parameters(), strict=True):
        slow.lerp_(fast, share)


class Agent:
    """Actor and critic with their slow targets, and what they remember.

    Parameters
    ----------
    settings : AgentSettings
    explore, exploit : int
        Episodes with constant and with falling noise. Training begins after the first ones.
    seed : int
        Of weights, noise and samples: everything repeats.
    """

    def __init__(self, settings, *, explore, exploit, seed=0):
        self._settings, self._explore, self._exploit = settings, explore, exploit
        self._generator = torch.Generator().manual_seed(seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            hidden = settings.hidden
            self.actor = nn.Sequential(
                nn.Linear(len(STATE), hidden),
                nn.ReLU(),
                nn.Linear(hidden, hidden),
                nn.ReLU(),
                nn.Linear(hidden, 1),
                nn.Sigmoid(),
            )
            self.critic = Critic(hidden)
        self._slow_actor, self._slow_critic = copy.deepcopy(self.actor), copy.deepcopy(self.critic)
        self._steps = (
            torch.optim.Adam(self.actor.parameters(), settings.actor_rate),
            torch.optim.Adam(self.critic.parameters(), settings.critic_rate),
        )
        self.memory, self.baseline, self.episode = Memory(settings.memory), None, 0

    @torch.no_grad()
    def act(self, state):
        """Share 0 to 1 for a state, float32 [11], with the noise of the episode."""
        mean = float(self.actor(torch.as_tensor(state)))
        return draw(
            mean, deviation(self._settings, self._explore, self._exploit, self.episode), self._generator
        )

    def learn(self, states, actions, reward):
        """The end of an episode: remember it and, once exploring is over, train a step for each of its layers."""
        keep = self._settings.baseline
        self.baseline = reward if self.baseline is None else keep * self.baseline + (1 - keep) * reward
        self.memory.add(states, actions, reward)
        self.episode += 1
        if self.episode >= self._explore and len(self.memory) >= self._settings.batch:
            for _ in range(len(states)):
                self._train()

    def _train(self):
        states, actions, rewards, following, goes_on = self.memory.sample(
            self._settings.batch, self._generator
        )
        of_actor, of_critic = self._steps
        with torch.no_grad():
            later = self._slow_critic(following, self._slow_actor(following))
            wanted = rewards - self.baseline + self._settings.discount * goes_on * later
        of_critic.zero_grad()
        nn.functional.mse_loss(self.critic(states, actions), wanted).backward()
        of_critic.step()
        of_actor.zero_grad()
        (-self.critic(states, self.actor(states)).mean()).backward()
        of_actor.step()
        follow(self._slow_actor, self.actor, self._settings.follow)
        follow(self._slow_critic, self.critic, self._settings.follow)
