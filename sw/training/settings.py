"""How a network is trained, in one object."""

import dataclasses
import math
from dataclasses import dataclass, field

__all__ = ["Distillation", "TrainingSettings", "plain"]

_CHOICES = {
    "optimiser": ("sgd", "adamw"),
    "schedule": ("cosine", "step", "constant"),
    "augmentation": (None, "crop-flip", "affine"),
    "precision": ("float32", "bfloat16"),
}


def _setting(default, meaning, *, effect=True):
    """A documented field; one without ``effect`` says where and how a run is made, not what it computes."""
    return field(default=default, metadata={"meaning": meaning, "effect": effect})


@dataclass(frozen=True, kw_only=True)
class Distillation:
    """Learning from a teacher's logits as well as from labels (Hinton, Vinyals and Dean, 2015).

    The loss is ``(1 - weight) * cross_entropy + weight * temperature^2 * KL(teacher || student)``, both distributions
    softened by the temperature.

    Raises
    ------
    ValueError
        If a number is out of range.
    """

    #: From 0 to 1.
    weight: float = 0.5
    #: Above 0.
    temperature: float = 4.0

    def __post_init__(self):
        _within("weight", self.weight, 0, 1)
        _above("temperature", self.temperature)


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """Everything that decides a training run besides network, data set and the functions given to ``train``.

    Raises
    ------
    ValueError
        Naming the setting that is not as expected.
    """

    epochs: int = _setting(20, "passes through the training images; 0 leaves the network as it is")
    rate: float = _setting(0.1, "highest learning rate")
    batch: int = _setting(
        128, "images of a step, of all processes together; a last part that is smaller is left out"
    )
    optimiser: str = _setting("sgd", '`"sgd"` (with Nesterov momentum) or `"adamw"`')
    momentum: float = _setting(0.9, "of `sgd`; 0 for none")
    weight_decay: float = _setting(1e-4, "of all parameters that no group gives another")
    schedule: str = _setting(
        "cosine", '`"cosine"` to zero, `"step"` (a tenth at half and at three quarters) or `"constant"`'
    )
    warm_up: float = _setting(0.05, "share of all steps in which the rate rises to its highest")
    smoothing: float = _setting(0.0, "label smoothing, from 0 to below 1")
    augmentation: str | None = _setting(
        None, '`"crop-flip"` (photographs), `"affine"` (digits: turned, zoomed, slanted, moved) or `None`'
    )
    distillation: Distillation | None = _setting(  # noqa: RUF009 - a field
        None, "`Distillation(weight, temperature)`: learn from `teacher` as well"
    )
    clip: float | None = _setting(None, "greatest norm of all gradients together, or `None`")
    averaging: float | None = _setting(
        None,
        "share that an exponential moving average of the weights keeps in a step (as 0.999); it is the result",
    )
    precision: str = _setting(
        "float32", '`"float32"`, or `"bfloat16"` for convolutions; weights stay `float32`'
    )
    channels_last: bool = _setting(
        True, "colours of a pixel side by side in memory: faster, in `bfloat16` above all"
    )
    device: str = _setting(
        "auto", '`"auto"`, or a device of torch such as `"cpu"` or `"cuda:1"`', effect=False
    )
    seed: int = _setting(0, "of the order of images and of augmentation")
    evaluate_every: int = _setting(1, "epochs between measurements on the test images; 0: never")
    checkpoint_minutes: float = _setting(
        5.0, "between checkpoints within an epoch; 0: at every step", effect=False
    )

    def __post_init__(self):
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                wanted = ", ".join(repr(choice) for choice in choices)
                raise ValueError(f"expected {name} to be one of {wanted}, got {getattr(self, name)!r}")
        for name, least in (("epochs", 0), ("batch", 1), ("seed", 0), ("evaluate_every", 0)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise ValueError(f"expected {name} to be a whole number from {least}, got {value!r}")
        _above("rate", self.rate)
        for name in ("weight_decay", "checkpoint_minutes"):
            _within(name, getattr(self, name), 0, math.inf)
        for name in ("momentum", "smoothing", "warm_up"):
            _within(name, getattr(self, name), 0, 1, below=True)
        if self.averaging is not None:
            _within("averaging", self.averaging, 0, 1, below=True)
        if self.clip is not None:
            _above("clip", self.clip)


def plain(value):
    """``value`` as nothing but dictionaries, lists, numbers, strings and ``None``; settings without effect are left out."""
    if dataclasses.is_dataclass(value):
        members = (member for member in dataclasses.fields(value) if member.metadata.get("effect", True))
        return {member.name: plain(getattr(value, member.name)) for member in members}
    if isinstance(value, dict):
        return {str(name): plain(member) for name, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(member) for member in value]
    return value if isinstance(value, (bool, int, float, str, type(None))) else str(value)


def _above(name, value):
    if not 0 < value < math.inf:
        raise ValueError(f"expected {name} to be above 0, got {value!r}")


def _within(name, value, low, high, *, below=False):
    if not low <= value <= high or (below and value == high):
        raise ValueError(
            f"expected {name} to be from {low} to {'below ' if below else ''}{high}, got {value!r}"
        )
