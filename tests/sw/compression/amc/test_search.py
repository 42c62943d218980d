"""Searches on networks that were trained: budgets, orderings, repetition, going on after a kill; and AMC within recipes."""

import dataclasses

import pytest
import torch

from sw.complexity import network_complexity, total
from sw.compression.amc import search as module
from sw.compression.amc.environment import Environment
from sw.compression.amc.pipeline import AmcSettings, amc
from sw.compression.amc.search import cost_function, search
from sw.compression.amc.settings import SEARCHERS, AgentSettings, SearchSettings
from sw.compression.amc.settling import settled
from sw.compression.amc.spaces import ChannelSpace, weight_space
from sw.compression.compress import compress
from sw.compression.decomposed import decomposed_units
from sw.compression.escalate import SearchedEscalateSettings
from sw.compression.penni import PenniSettings
from sw.compression.recipe import Recipe
from sw.compression.run import Run
from sw.compression.ternary import ternary_units
from sw.data import load_dataset
from sw.digits import NETWORK
from sw.importing import load_model
from sw.model import convolve
from sw.training import TrainingSettings, repeatable, train
from tests.sw.training.patterns import patterns, small_network

TRAINING = TrainingSettings(epochs=1, rate=0.01, batch=32, evaluate_every=0)
#: Small networks for the agent: a step takes a fifth of the time.
AGENT = AgentSettings(hidden=64, batch=16)


def settings(**changes):
    return SearchSettings(**({"explore": 4, "exploit": 6, "images": 64, "agent": AGENT} | changes))


@pytest.fixture(scope="module")
def trained():
    with repeatable(4):
        network = small_network()
        train(network, patterns(), dataclasses.replace(TRAINING, epochs=6, rate=0.02))
    return network


def images_and_labels(count=128):
    dataset = patterns()
    return dataset.train_images[:count], dataset.train_labels[:count]


@pytest.mark.parametrize("searcher", SEARCHERS)
@pytest.mark.parametrize("space_of", [weight_space, ChannelSpace])
def test_every_searcher_stays_within_the_budget(trained, space_of, searcher):
    if searcher == "tpe":
        pytest.importorskip("optuna")
    space, wanted = space_of(trained), settings(searcher=searcher)
    found = search(space, wanted, *images_and_labels(), sparsity=0.6)
    assert len(found.episodes) == (1 if searcher == "uniform" else 10)
    assert found.whole == total(network_complexity(trained), "dense").operations
    assert 0.4 * found.whole - 1 < found.budget <= 0.4 * found.whole
    for episode in found.episodes:
        assert episode.cost <= found.budget and episode.reward == episode.accuracy - 1
    best = found.best
    assert best.accuracy == max(episode.accuracy for episode in found.episodes)
    made = space.network(best.removed)
    assert total(network_complexity(made)).operations <= best.cost


def test_without_a_budget_what_is_left_counts(trained):
    space = weight_space(trained)
    wanted = settings(protocol="guaranteed", searcher="random", cost="parameters", explore=20)
    found = search(space, wanted, *images_and_labels(), sparsity=0.99)
    assert found.budget is None
    free = Environment(space, cost_function(space, "parameters"), most=0.95)
    assert free.walk(lambda place, state: 0.0).removed == space.gone
    # Where nothing else is asked for, the best of all policies is one that loses little, and not the smallest.
    assert found.best.reward == max(episode.reward for episode in found.episodes)
    assert found.best.accuracy >= max(episode.accuracy for episode in found.episodes) - 0.2


def test_the_same_seed_gives_the_same_search(trained):
    first, again, other = (
        search(weight_space(trained), settings(seed=seed), *images_and_labels(), sparsity=0.6)
        for seed in (1, 1, 2)
    )
    assert first == again and first.episodes != other.episodes


def test_batch_norms_can_take_their_statistics_anew(trained):
    """As they were for what is left; the network that was searched stays as it is."""
    images, labels = images_and_labels(100)
    space = weight_space(trained)
    removed = tuple(round(0.6 * count) for count in space.counts)
    before = {name: value.clone() for name, value in trained.state_dict().items()}
    made = settled(space.candidate(removed), images)
    with torch.no_grad():
        sums = made.tensors(torch.from_numpy(images).float())["input"]
        unit = made.unit("first")
        found = convolve(sums, unit.kernel(), unit.layer)
    assert torch.allclose(unit.normalise.running_mean, found.mean((0, 2, 3)), atol=1e-4)
    assert not torch.allclose(unit.normalise.running_var, before["_units.first.normalise.running_var"])
    assert all(torch.equal(value, before[name]) for name, value in trained.state_dict().items())
    plain, anew = (
        search(
            weight_space(trained), settings(searcher="uniform", settle=count), images, labels, sparsity=0.6
        )
        for count in (0, 100)
    )
    assert anew.best.removed == plain.best.removed and anew.best.accuracy >= plain.best.accuracy


class Killed(Exception):
    """A search that ends where it should not."""


def test_a_killed_search_goes_on_where_it_was(trained, tmp_path, monkeypatch):
    wanted = AmcSettings(sparsity=0.6, search=settings(), tuning=TRAINING)
    measured = []

    def searched(folder, stop_after=None):
        def progress(name, fraction, text):
            if name == "amc" and text:
                measured.append(text)
                if len(measured) == stop_after:
                    raise Killed

        measured.clear()
        run = Run(dataset=patterns(), folder=folder, progress=progress, about=wanted)
        with repeatable(4):
            return amc(trained, wanted, run), run

    whole, before = searched(tmp_path / "whole")
    with pytest.raises(Killed):
        searched(tmp_path / "killed", stop_after=5)
    counted = []
    real = module.accuracy
    monkeypatch.setattr(module, "accuracy", lambda *arguments: counted.append(1) or real(*arguments))
    again, after = searched(tmp_path / "killed")
    assert 0 < len(counted) <= 5
    assert before.phases[0].found == after.phases[0].found
    for name, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name
    run = Run(dataset=patterns(), folder=tmp_path / "killed")
    with pytest.raises(ValueError, match=r"with sparsity 0\.7, got one with 0\.6"):
        amc(trained, dataclasses.replace(wanted, sparsity=0.7), run)


def recipe_run(*methods):
    with repeatable(4):
        run = Run(dataset=patterns(train=128, test=32))
        network = small_network()
        train(network, run.dataset, dataclasses.replace(TRAINING, epochs=3, rate=0.02))
        return compress(network, run.dataset, Recipe(methods=methods), run)


@pytest.mark.parametrize("action", ["weights", "channels"])
def test_what_was_found_is_in_the_record_and_stays_in_training(action):
    wanted = AmcSettings(sparsity=0.6, action=action, search=settings(), tuning=TRAINING)
    made = recipe_run(wanted)
    assert [phase.name for phase in made.phases] == ["dense", "amc", "amc-tune"]
    found = made.phases[1].found
    assert found["policies"] == 10 and found["images"] == 64 and found["left"] <= found["budget"]
    assert [phase.found is None for phase in made.phases] == [True, False, True]
    assert total(network_complexity(made.network)).operations <= found["left"]
    assert list(found["shares"]) == (
        ["first", "second", "classify"] if action == "weights" else ["first", "second"]
    )


def test_amc_chooses_the_coefficients_of_pennis_layers():
    penni = PenniSettings(bases=4, zeros=0.0, retraining=TRAINING, tuning=TRAINING)
    wanted = AmcSettings(sparsity=0.5, action="coefficients", search=settings(), tuning=TRAINING)
    made = recipe_run(penni, wanted)
    assert [phase.name for phase in made.phases][-3:] == ["amc", "amc-tune", "amc-shrink"]
    found = made.phases[-3].found
    assert list(found["shares"]) == [layer.name for layer, _ in decomposed_units(made.network)]
    assert len(set(found["shares"].values())) > 1 and found["left"] <= found["budget"] == found["whole"] // 2
    assert total(network_complexity(made.network)).operations <= found["budget"]


@pytest.mark.parametrize("cost", ["parameters", "operations"])
def test_amc_chooses_the_zeros_of_escalates_layers(cost):
    wanted = SearchedEscalateSettings(
        sparsity=0.45,
        kept=None,
        retraining=TRAINING,
        refining=TRAINING,
        calibration=64,
        search=settings(cost=cost),
    )
    made = recipe_run(wanted)
    names = [phase.name for phase in made.phases]
    assert names == [
        "dense",
        "ternary",
        "ternary-search",
        "ternary-zeros",
        "ternary-retrain",
        "ternary-shrink",
        "quantise",
        "refine",
    ]
    found = made.phases[2].found
    assert made.integers is not None and found["left"] <= found["budget"]
    for layer, unit in ternary_units(made.ternary):
        zeros = 1 - int(torch.count_nonzero(unit.combination())) / unit.coefficients.numel()
        assert zeros == pytest.approx(found["shares"][layer.name], abs=0.02), layer.name


def test_cycles_need_somebody_who_counts_them():
    wanted = SearchedEscalateSettings(retraining=TRAINING, refining=TRAINING, search=settings(cost="cycles"))
    with pytest.raises(ValueError, match="expected a Run with a function that counts cycles, got none"):
        recipe_run(wanted)


@pytest.mark.slow
def test_handwritten_digits_are_not_searched_worse_than_at_random():
    """With as many policies, the agent's best is not below the least of three random searches."""
    dataset = load_dataset("mnist")
    some = slice(None, None, 5)
    dataset = dataclasses.replace(
        dataset, train_images=dataset.train_images[some], train_labels=dataset.train_labels[some]
    )
    training = TrainingSettings(epochs=4, rate=5e-3, batch=64, optimiser="adamw", evaluate_every=0)
    with repeatable(1):
        network = load_model(NETWORK)
        train(network, dataset, training)
        held = dataset.train_images[::8], dataset.train_labels[::8]

        def best(searcher, seed):
            wanted = settings(searcher=searcher, seed=seed, explore=15, exploit=25, agent=AGENT)
            return search(weight_space(network), wanted, *held, sparsity=0.4).best.accuracy

        assert best("ddpg", 0) >= min(best("random", seed) for seed in range(3)) > 0.15
