"""How a search for shares of layers is made, in one object."""

from dataclasses import dataclass, field

__all__ = ["COSTS", "PROTOCOLS", "SEARCHERS", "AgentSettings", "SearchSettings"]

#: What a budget can count, of the whole network; see ``spaces``.
COSTS = ("operations", "parameters", "bits", "cycles")
#: ``"constrained"``: the budget is met by every choice, the reward is its accuracy. ``"guaranteed"``: no budget, the reward also
#: counts what is left.
PROTOCOLS = ("constrained", "guaranteed")
#: The agent of the paper, and what it is measured against.
SEARCHERS = ("ddpg", "random", "tpe", "uniform")


@dataclass(frozen=True, kw_only=True)
class AgentSettings:
    """The agent; numbers are the paper's, or those of its authors' program where the paper is silent.

    Raises
    ------
    ValueError
        If a number is out of range.
    """

    #: Units of each of the two hidden layers, of actor and critic.
    hidden: int = 300
    #: Rates of Adam.
    actor_rate: float = 1e-4
    critic_rate: float = 1e-3
    #: Transitions that are remembered, and those of a step of training.
    memory: int = 2000
    batch: int = 64
    #: Share by which the targets follow actor and critic in a step.
    follow: float = 0.01
    #: Of later rewards.
    discount: float = 1.0
    #: Share that the moving average of rewards keeps in an episode; it is taken off every reward.
    baseline: float = 0.95
    #: Deviation of the noise while exploring, and in the last episode; in between it falls exponentially.
    noise: float = 0.5
    last_noise: float = 0.01

    def __post_init__(self):
        for name in ("hidden", "memory", "batch"):
            if getattr(self, name) < 1:
                raise ValueError(f"expected {name} of at least 1, got {getattr(self, name)}")
        for name in ("actor_rate", "critic_rate"):
            if not getattr(self, name) > 0:
                raise ValueError(f"expected {name} above 0, got {getattr(self, name)}")
        for name, low in (("follow", "above 0"), ("discount", "from 0"), ("baseline", "from 0")):
            value = getattr(self, name)
            if not 0 <= value <= 1 or (value == 0 and name == "follow"):
                raise ValueError(f"expected {name} {low} to 1, got {value}")
        if self.memory < self.batch:
            raise ValueError(f"expected a memory of at least a batch of {self.batch}, got {self.memory}")
        if not 0 < self.last_noise <= self.noise:
            raise ValueError(
                f"expected 0 < last_noise <= noise, got {self.last_noise} and a noise of {self.noise}"
            )


@dataclass(frozen=True, kw_only=True)
class SearchSettings:
    """What a search is told.

    Raises
    ------
    ValueError
        If a number is out of range, or there is no such choice.
    """

    #: One of ``COSTS``.
    cost: str = "operations"
    #: One of ``PROTOCOLS``.
    protocol: str = "constrained"
    #: One of ``SEARCHERS``.
    searcher: str = "ddpg"
    #: Episodes with noise as it begins, and those after them: a policy each, which is tried once. Others than the agent try as many.
    explore: int = 100
    exploit: int = 300
    #: Greatest share that leaves a layer.
    most: float = 0.95
    #: Of the training part, about, that accuracy is measured on.
    images: int = 1000
    #: Of these, that batch norms take their statistics from before a policy is measured; 0, as in the paper, leaves them as they are.
    settle: int = 0
    #: Of everything that is drawn.
    seed: int = 0
    agent: AgentSettings = field(default_factory=AgentSettings)

    def __post_init__(self):
        for name, choices in (("cost", COSTS), ("protocol", PROTOCOLS), ("searcher", SEARCHERS)):
            if getattr(self, name) not in choices:
                raise ValueError(f"expected a {name} from {', '.join(choices)}, got {getattr(self, name)!r}")
        for name, least in (("explore", 0), ("exploit", 0), ("images", 1), ("settle", 0), ("seed", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"expected {name} of at least {least}, got {getattr(self, name)}")
        if self.episodes < 1:
            raise ValueError("expected at least one episode to explore or exploit, got none")
        if not 0 < self.most < 1:
            raise ValueError(f"expected the greatest share above 0 and below 1, got {self.most} of most")
        if self.searcher == "uniform" and self.protocol != "constrained":
            raise ValueError("expected the protocol constrained with the searcher uniform, got guaranteed")

    @property
    def episodes(self):
        """Policies that are tried; of the searcher ``uniform`` there is only one."""
        return 1 if self.searcher == "uniform" else self.explore + self.exploit
