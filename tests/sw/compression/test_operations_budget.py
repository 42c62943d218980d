"""A share of operations as settings: what each method is told keeps it as nearly as can be; which cannot be told."""

import pytest

pytest.importorskip("torch")

from sw.complexity import network_complexity, total
from sw.compression.amc.pipeline import AmcSettings
from sw.compression.amc.settings import SearchSettings
from sw.compression.channel_pruning.filters import FilterSettings, without_filters
from sw.compression.channel_pruning.slimming import SlimmingSettings
from sw.compression.escalate import EscalateSettings, SearchedEscalateSettings
from sw.compression.magnitude import MagnitudeSettings, prune_least
from sw.compression.micronet.pipeline import SensitivitySettings
from sw.compression.operations_budget import with_operations
from sw.compression.penni import PenniSettings
from sw.compression.recipe import Recipe
from sw.compression.recipe_file import load_recipe
from sw.training import repeatable
from tests.sw.training.patterns import small_network


@pytest.fixture(scope="module")
def network():
    with repeatable(4):
        return small_network()


def left(made, network):
    dense = total(network_complexity(network), "dense").operations
    return total(network_complexity(made)).operations / dense


def told(network, settings, share):
    recipe, asked = with_operations(Recipe(methods=(settings,)), network, share)
    return recipe.methods[0], asked


@pytest.mark.parametrize("share", [0.3, 0.7])
@pytest.mark.parametrize(
    ("settings", "make"),
    [(MagnitudeSettings(), prune_least), (FilterSettings(), without_filters)],
    ids=["magnitude", "filters"],
)
def test_the_least_share_that_keeps_the_budget(network, settings, make, share):
    changed, asked = told(network, settings, share)
    assert changed.sparsity == asked.value
    assert left(make(network, changed), network) == asked.estimate <= share
    less = type(settings)(sparsity=asked.value - 0.001)
    assert left(make(network, less), network) > share


def test_decomposed_layers_have_an_estimate(network):
    # The first layer, which stays as it is, has 60 % of the operations.
    changed, asked = told(network, PenniSettings(bases=3), 0.7)
    assert 0.95 > changed.zeros == asked.value > 0 and 0.6 < asked.estimate <= 0.7
    for settings in (EscalateSettings(bases=3, kept=None), EscalateSettings(bases=3, kept=2)):
        values = [told(network, settings, share)[1].value for share in (0.8, 0.7, 0.65)]
        assert values == sorted(values) and values[-1] > values[0]
    # All coefficients of 9 bases are more operations than the kernels they stand for.
    assert told(network, EscalateSettings(bases=9, kept=None), 1.0)[1].value > 0


def test_budgets_of_methods_are_of_operations(network):
    changed, _ = told(network, SensitivitySettings(), 0.25)
    assert (changed.sparsity, changed.cost) == (0.75, "operations")
    search = SearchSettings(cost="parameters", protocol="guaranteed")
    changed, _ = told(network, AmcSettings(search=search), 0.25)
    assert (changed.sparsity, changed.search.cost, changed.search.protocol) == (
        0.75,
        "operations",
        "constrained",
    )
    changed, asked = told(network, SearchedEscalateSettings(bases=3, kept=None), 0.4)
    assert changed.search.cost == "operations" and asked.estimate == pytest.approx(0.4)


def test_the_last_method_that_has_a_knob_is_told(network):
    recipe, asked = with_operations(load_recipe("deep-compression"), network, 0.5)
    assert asked.method == "magnitude" and recipe.names() == ["magnitude", "sharing"]
    recipe, asked = with_operations(load_recipe("penni-escalate"), network, 0.5)
    assert asked.method == "escalate"
    assert recipe.find(PenniSettings) == load_recipe("penni-escalate").find(PenniSettings)


def test_zeros_that_come_back_are_no_knob(network):
    assert with_operations(load_recipe("dsd"), network, 0.5) == (load_recipe("dsd"), None)


def test_what_no_share_can_keep_gets_the_greatest(network):
    changed, asked = told(network, SlimmingSettings(), 0.001)
    assert changed.sparsity == asked.value == 0.95 and asked.estimate > 0.001
