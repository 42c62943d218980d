"""Settings: what is refused, how rates move, and that the page tells them all."""

import dataclasses
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from sw.training import Distillation, TrainingSettings
from sw.training.optimisers import make_optimiser, set_rate
from sw.training.schedules import rate_factor

from .patterns import small_network

PAGE = Path(__file__).parents[3] / "docs" / "training.md"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("optimiser", "adam", "expected optimiser to be one of 'sgd', 'adamw', got 'adam'"),
        ("schedule", "linear", "expected schedule to be one of 'cosine', 'step', 'constant'"),
        ("augmentation", "flip", "expected augmentation to be one of None, 'crop-flip', 'affine'"),
        ("precision", "float16", "expected precision to be one of 'float32', 'bfloat16'"),
        ("epochs", -1, "expected epochs to be a whole number from 0, got -1"),
        ("batch", 2.0, "expected batch to be a whole number from 1, got 2.0"),
        ("seed", -1, "expected seed to be a whole number from 0"),
        ("evaluate_every", -1, "expected evaluate_every to be a whole number from 0"),
        ("rate", 0, "expected rate to be above 0, got 0"),
        ("rate", float("nan"), "expected rate to be above 0, got nan"),
        ("clip", 0.0, "expected clip to be above 0"),
        ("weight_decay", -1e-4, "expected weight_decay to be from 0 to inf"),
        ("momentum", 1.0, "expected momentum to be from 0 to below 1, got 1.0"),
        ("warm_up", 1.0, "expected warm_up to be from 0 to below 1"),
        ("smoothing", 1.5, "expected smoothing to be from 0 to below 1"),
        ("averaging", 1.0, "expected averaging to be from 0 to below 1"),
        ("checkpoint_minutes", -1, "expected checkpoint_minutes to be from 0"),
    ],
)
def test_values_out_of_range_are_refused(name, value, message):
    with pytest.raises(ValueError, match=message):
        TrainingSettings(**{name: value})


def test_distillation_is_checked():
    with pytest.raises(ValueError, match="expected weight to be from 0 to 1, got 2"):
        Distillation(weight=2)
    with pytest.raises(ValueError, match="expected temperature to be above 0, got 0"):
        Distillation(temperature=0)


def test_the_page_tells_every_setting_and_its_default():
    rows = [line.strip("| ").split(" | ") for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    expected = [
        [f"`{field.name}`", f"`{field.default!r}`".replace("'", '"'), field.metadata["meaning"]]
        for field in dataclasses.fields(TrainingSettings)
    ]
    assert rows == expected


def factors(**changes):
    settings = TrainingSettings(**changes)
    return [rate_factor(settings, step, 100) for step in range(100)]


def test_schedules():
    cosine = factors(warm_up=0.0)
    assert cosine[0] == 1 and cosine[50] == pytest.approx(0.5) and 0 < cosine[99] < 0.001
    assert all(one > two for one, two in pairwise(cosine))
    steps = factors(warm_up=0.0, schedule="step")
    assert steps == pytest.approx([1.0] * 50 + [0.1] * 25 + [0.01] * 25)
    assert factors(schedule="constant", warm_up=0.0) == [1.0] * 100
    warm = factors(schedule="constant", warm_up=0.04)
    assert warm[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0]) and set(warm[5:]) == {1.0}
    assert factors(warm_up=0.1)[10] == 1.0


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_every_group_gets_its_multiple_of_the_rate(name):
    network = small_network()
    parameters = list(network.parameters())
    settings = TrainingSettings(optimiser=name, rate=0.5, warm_up=0.0, weight_decay=0.01)
    optimiser = make_optimiser(
        network,
        settings,
        lambda network: [{"params": parameters[:2], "rate": 3.0}, {"params": parameters[2:]}],
    )
    assert set_rate(optimiser, settings, 50, 100) == pytest.approx(0.25)
    assert [group["lr"] for group in optimiser.param_groups] == pytest.approx([0.75, 0.25])
    assert {group["weight_decay"] for group in optimiser.param_groups} == {0.01}
    if name == "sgd":
        assert {group["nesterov"] for group in optimiser.param_groups} == {True}
        plain = make_optimiser(network, dataclasses.replace(settings, momentum=0.0))
        assert isinstance(plain, torch.optim.SGD) and not plain.param_groups[0]["nesterov"]
