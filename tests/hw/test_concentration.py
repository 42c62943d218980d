"""Concentration against a scheduler written down lane by lane, under all traffic."""

import numpy as np
import pytest

from hw.concentration import Concentration, lanes_layout
from hw.dilution import diluted_layout

from .chunks import CASES, CONFIGURATIONS, diluted_chunks
from .streams import TRAFFIC, payloads, stream_run, stream_transform

CHUNKS = 50


def plain_schedule(config, match):
    """Positions that leave in each step of one chunk: ``[{lane: position}, ...]``."""
    lanes, pending, schedule = config.lanes, [place for place, bit in enumerate(match) if bit], []
    neighbours = [sign * distance for distance in range(1, config.lookaside + 1) for sign in (-1, 1)]
    while pending or not schedule:
        end = (min(pending, default=0) // lanes + config.lookahead + 1) * lanes
        picks = {}
        for offset in [0, *neighbours]:
            for lane in range(lanes):
                reachable = [
                    place for place in pending if place < end and place % lanes == (lane + offset) % lanes
                ]
                if lane not in picks and reachable:
                    picks[lane] = reachable[0]
                    pending.remove(reachable[0])
        schedule.append(picks)
    return schedule


def plain_steps(config, diluted):
    """Payloads of all steps of all chunks."""
    steps = []
    free = {"value": 0, "negative": 0, "valid": 0}
    for row, match in enumerate(diluted["match"]):
        tag = {name: int(field[row]) for name, field in diluted["tag"].items()}
        for picks in plain_schedule(config, match):
            lanes = [dict(free) for _ in range(config.lanes)]
            for lane, place in picks.items():
                value, negative = diluted["values"][row, place], diluted["negative"][row, place]
                lanes[lane] = {"value": int(value), "negative": int(negative), "valid": 1}
            steps.append({"lanes": lanes, "tag": {**tag, "last": 0, "end": 0}})
        steps[-1]["tag"] = tag
    return steps


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_model(name):
    config = CONFIGURATIONS[name]
    diluted = diluted_chunks(config, seed=51, count=400)
    assert payloads(lanes_layout(config), Concentration.model(config, diluted)) == plain_steps(
        config, diluted
    )


@pytest.mark.parametrize(("name", "traffic"), CASES)
def test_steps(name, traffic):
    config = CONFIGURATIONS[name]
    diluted = diluted_chunks(config, seed=52, count=CHUNKS)
    expected = payloads(lanes_layout(config), Concentration.model(config, diluted))
    steps = stream_transform(
        Concentration(config),
        payloads(diluted_layout(config), diluted),
        outputs=len(expected),
        seed=53,
        **TRAFFIC[traffic],
    )
    assert steps == expected


@pytest.mark.parametrize("name", ["tiny", "small", "16x4 ahead 2 aside 2"])
def test_every_cycle_emits_a_step(name):
    config = CONFIGURATIONS[name]
    diluted = diluted_chunks(config, seed=54, count=CHUNKS)
    steps = len(Concentration.model(config, diluted)["tag"]["last"])
    run = stream_run(Concentration(config), payloads(diluted_layout(config), diluted), outputs=steps)
    assert run.emitted == list(range(2, steps + 2))


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_chunks_of_one_step_take_one_cycle(name):
    config = CONFIGURATIONS[name]
    diluted = diluted_chunks(config, seed=55, count=CHUNKS)
    diluted["match"][:, config.lanes :] = 0
    run = stream_run(Concentration(config), payloads(diluted_layout(config), diluted), outputs=CHUNKS)
    assert run.accepted == list(range(CHUNKS))
    assert run.emitted == list(range(2, CHUNKS + 2))


def test_no_chunks_make_no_steps():
    config = CONFIGURATIONS["small"]
    diluted = diluted_chunks(config, seed=56, count=2)
    nothing = {name: field[:0] for name, field in diluted.items() if name != "tag"}
    nothing["tag"] = {name: field[:0] for name, field in diluted["tag"].items()}
    steps = Concentration.model(config, nothing)
    assert steps["lanes"]["value"].shape == (0, config.lanes)
    assert np.size(steps["tag"]["basis"]) == 0
