"""Channel accumulation, both ways of building it, against plain dot products of dense activations."""

import pytest

from hw.channel_accumulation import ChannelAccumulation
from hw.concentration import Concentration
from hw.dilution import Dilution
from hw.formats import pair_layout, z_layout
from hw.masked_tree import MaskedTree

from .chunks import CASES, CONFIGURATIONS, pair_chunks
from .streams import TRAFFIC, payloads, stream_run, stream_transform

CHUNKS = 60
ALTERNATIVES = {"concentration": ChannelAccumulation, "tree": MaskedTree}


def plain_dot_products(dense, coefficients, tag, signed_values):
    """Payloads of the intermediate elements."""
    if signed_values:
        dense = dense.astype("int8").astype("int64")
    elements, start = [], 0
    for row in range(len(dense)):
        if not tag["last"][row]:
            continue
        z = int(dense[start : row + 1].ravel() @ coefficients[start : row + 1].ravel())
        start, end = row + 1, int(tag["end"][row])
        if z or end:
            elements.append({"z": z, "nonzero": int(z != 0), "basis": int(tag["basis"][row]), "end": end})
    return elements


@pytest.mark.parametrize("signed_values", [0, 1])
@pytest.mark.parametrize("name", CONFIGURATIONS)
@pytest.mark.parametrize("alternative", ALTERNATIVES)
def test_models(alternative, name, signed_values):
    config = CONFIGURATIONS[name].replace(accumulation=alternative)
    dense, coefficients, pairs = pair_chunks(config, seed=71, count=500)
    elements = payloads(z_layout(config), ALTERNATIVES[alternative].model(config, pairs, signed_values))
    assert elements == plain_dot_products(dense, coefficients, pairs["tag"], signed_values)


@pytest.mark.parametrize(("name", "traffic"), CASES)
@pytest.mark.parametrize("alternative", ALTERNATIVES)
def test_dot_products(alternative, name, traffic):
    config = CONFIGURATIONS[name].replace(accumulation=alternative)
    signed_values = list(TRAFFIC).index(traffic) % 2
    dense, coefficients, pairs = pair_chunks(config, seed=72, count=CHUNKS)
    expected = plain_dot_products(dense, coefficients, pairs["tag"], signed_values)
    elements = stream_transform(
        ALTERNATIVES[alternative](config),
        payloads(pair_layout(config), pairs),
        static={"signed_values": signed_values},
        outputs=len(expected),
        seed=73,
        **TRAFFIC[traffic],
    )
    assert elements == expected


@pytest.mark.parametrize(("alternative", "latency"), [("concentration", 5), ("tree", 4)])
def test_latency_and_cycles(alternative, latency):
    config = CONFIGURATIONS["small"].replace(accumulation=alternative)
    _, _, pairs = pair_chunks(config, seed=74, count=CHUNKS)
    pairs["tag"]["last"][:] = pairs["tag"]["end"][:] = 1
    if alternative == "tree":
        cycles = CHUNKS
    else:
        cycles = len(Concentration.model(config, Dilution.model(pairs))["tag"]["last"])
    run = stream_run(ALTERNATIVES[alternative](config), payloads(pair_layout(config), pairs), outputs=CHUNKS)
    assert run.emitted[0] == latency
    assert run.emitted[-1] == latency + cycles - 1
