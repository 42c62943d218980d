"""Ways to find policies: the agent, and what it is measured against. Each proposes one, and is told what it was worth."""

import random

from .agent import Agent

__all__ = ["make_searcher"]


class _Ddpg:
    def __init__(self, environment, settings):
        self._environment = environment
        self._agent = Agent(
            settings.agent, explore=settings.explore, exploit=settings.exploit, seed=settings.seed
        )

    def propose(self):
        return self._environment.walk(lambda place, state: self._agent.act(state))

    def learn(self, walk, reward):
        self._agent.learn(walk.states, walk.actions, reward)


class _Random:
    """Every share alike up to the greatest, clipped as those of the agent are."""

    def __init__(self, environment, settings):
        self._environment, self._random = environment, random.Random(settings.seed)

    def propose(self):
        most = self._environment.share
        return self._environment.walk(lambda place, state: self._random.uniform(0, most))

    def learn(self, walk, reward):
        pass


class _Tpe:
    """The tree-structured Parzen estimator (J. Bergstra et al., 2011), of Optuna, over the shares of all layers, clipped in the same way."""

    def __init__(self, environment, settings):
        try:
            import optuna
        except ImportError:
            raise ValueError(
                "expected Optuna for the searcher tpe, got none: pip install 'farthing[explore]'"
            ) from None
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        sampler = optuna.samplers.TPESampler(seed=settings.seed)
        self._environment, self._trial = environment, None
        self._study = optuna.create_study(direction="maximize", sampler=sampler)

    def propose(self):
        self._trial = self._study.ask()
        layers, most = self._environment.space.layers, self._environment.share
        return self._environment.walk(
            lambda place, state: self._trial.suggest_float(layers[place].name, 0, most)
        )

    def learn(self, walk, reward):
        self._study.tell(self._trial, reward)


class _Uniform:
    """The same share everywhere, the least that meets the budget."""

    def __init__(self, environment, settings):
        self._environment = environment

    def propose(self):
        return self._environment.uniform()

    def learn(self, walk, reward):
        pass


_SEARCHERS = {"ddpg": _Ddpg, "random": _Random, "tpe": _Tpe, "uniform": _Uniform}


def make_searcher(environment, settings):
    """The searcher that ``settings``, of a search, name.

    ``propose()`` gives a ``Walk`` of ``environment``, and ``learn(walk, reward)`` tells what it was worth.

    Raises
    ------
    ValueError
        If it needs a package that is not there.
    """
    return _SEARCHERS[settings.searcher](environment, settings)
