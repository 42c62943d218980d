"""An episode: one policy, layer by layer, within the budget whatever the agent says (Algorithm 1 of the paper)."""

from dataclasses import dataclass

import numpy as np

from .state import StateEmbedding

__all__ = ["Environment", "Walk", "least"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Walk:
    """A policy and how it came about."""

    #: What goes of each layer, whole numbers.
    removed: tuple
    #: float32 [layers, 11].
    states: np.ndarray
    #: Shares as they were done, not as they were wished, float32 [layers].
    actions: np.ndarray


class Environment:
    """Asks for the share of each layer in turn.

    The paper takes from a layer at least what is missing when all later layers give the most they can. That is written for costs which
    are a sum of layers; here the least is found by bisection over whole numbers, so that any cost will do that falls, or stays, when
    more goes: pruned filters change the next layer too. The budget is met exactly, in integers, by every policy.

    Parameters
    ----------
    space : NumberSpace or ChannelSpace
    cost : callable
        Of what is removed of each layer, a tuple.
    most : float
        Greatest share of a layer that goes.
    budget : number or None
        Greatest cost; ``None`` is no limit.

    Raises
    ------
    ValueError
        If the budget is less than the least that can be left.
    """

    def __init__(self, space, cost, *, most, budget=None):
        self.space, self.cost, self.budget, self.share = space, cost, budget, most
        # Of filters one always stays; what is gone cannot come back.
        self.most = tuple(
            max(gone, min(int(most * count), count - 1))
            for gone, count in zip(space.gone, space.counts, strict=True)
        )
        self._embedding = StateEmbedding(space)
        if budget is not None and cost(self.most) > budget:
            raise ValueError(
                f"expected a budget of at least {cost(self.most):,.0f}, what is left where {most:.0%} of every layer goes, got "
                f"{budget:,.0f} of {cost(space.gone):,.0f}; ask for a smaller sparsity, or raise most"
            )

    def removed(self, place, share):
        """What goes of a layer for a share that is wished, budget aside."""
        wished = round(min(max(float(share), 0.0), 1.0) * self.space.counts[place])
        return min(max(wished, self.space.gone[place]), self.most[place])

    def walk(self, choose):
        """The ``Walk`` of a policy; ``choose(place, state)`` gives the share 0 to 1 that is wished of a layer."""
        removed, states, actions = list(self.space.gone), [], []
        for place in range(len(removed)):
            states.append(self._embedding.state(place, removed, actions[-1] if actions else 0.0))
            removed[place] = self.removed(place, choose(place, states[-1]))
            if self.budget is not None:
                removed[place] = self._enough(removed, place)
            actions.append(removed[place] / self.space.counts[place])
        return Walk(removed=tuple(removed), states=np.stack(states), actions=np.array(actions, np.float32))

    def uniform(self):
        """The ``Walk`` of the least share that meets the budget in all layers alike."""

        def meets(step):
            policy = tuple(self.removed(place, step / _STEPS) for place in range(len(self.most)))
            return self.cost(policy) <= self.budget

        share = least(meets, 0, _STEPS) / _STEPS
        return self.walk(lambda place, state: share)

    def _enough(self, removed, place):
        def fits(count):
            return self.cost((*removed[:place], count, *self.most[place + 1 :])) <= self.budget

        return least(fits, removed[place], self.most[place])


#: Shares that are told apart where one is looked for.
_STEPS = 1 << 20


def least(fits, low, high):
    """Least whole number from ``low`` to ``high`` that ``fits``, where all above one that does do too, and ``high`` does."""
    while low < high:
        middle = (low + high) // 2
        if fits(middle):
            high = middle
        else:
            low = middle + 1
    return high
