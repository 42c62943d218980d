"""Dilution against a plain walk over the channels, under all traffic."""

import pytest

from hw.dilution import Dilution, diluted_layout
from hw.formats import pair_layout

from .chunks import CONFIGURATIONS, pair_chunks
from .streams import TRAFFIC, payloads, stream_run, stream_transform

CHUNKS = 60


def plain_dilution(activations, coefficients):
    """``(values, match, negative)`` of one chunk: what each non-zero activation meets, in order."""
    met = [
        (activation, coefficient)
        for activation, coefficient in zip(activations.tolist(), coefficients.tolist(), strict=True)
        if activation
    ]
    return (
        [activation for activation, _ in met] + [0] * (len(activations) - len(met)),
        sum(1 << place for place, (_, coefficient) in enumerate(met) if coefficient),
        sum(1 << place for place, (_, coefficient) in enumerate(met) if coefficient < 0),
    )


@pytest.mark.parametrize("traffic", TRAFFIC)
@pytest.mark.parametrize("name", ["tiny", "small", "8x2 ahead 3 aside 1"])
def test_dilution(name, traffic):
    config = CONFIGURATIONS[name]
    dense, coefficients, pairs = pair_chunks(config, seed=41, count=CHUNKS)
    diluted = stream_transform(
        Dilution(config), payloads(pair_layout(config), pairs), outputs=CHUNKS, seed=42, **TRAFFIC[traffic]
    )
    assert [(row["values"], row["match"], row["negative"]) for row in diluted] == [
        plain_dilution(*rows) for rows in zip(dense, coefficients, strict=True)
    ]
    assert diluted == payloads(diluted_layout(config), Dilution.model(pairs))


def test_one_chunk_a_cycle_after_one_cycle():
    config = CONFIGURATIONS["tiny"]
    _, _, pairs = pair_chunks(config, seed=43, count=CHUNKS)
    run = stream_run(Dilution(config), payloads(pair_layout(config), pairs), outputs=CHUNKS)
    assert run.accepted == list(range(CHUNKS))
    assert run.emitted == list(range(1, CHUNKS + 1))
