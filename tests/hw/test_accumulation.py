"""The lane accumulator against plain sums, under all traffic."""

import numpy as np
import pytest

from hw.accumulation import LaneAccumulator, terms_layout
from hw.formats import z_layout

from .chunks import CASES, CONFIGURATIONS, random_tags
from .streams import TRAFFIC, payloads, stream_run, stream_transform

STEPS = 80


def lane_steps(config, seed, count=STEPS):
    """Steps of any lanes; the first two sums are zero, the second one closes its pixel."""
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    valid = (rng.random((count, config.lanes)) < rng.random((count, 1))).astype(np.int64)
    valid[:2] = 0
    values = valid * rng.choice([0, 1, 127, 128, 255, 77], valid.shape)
    lanes = {"value": values, "negative": valid * rng.integers(0, 2, valid.shape), "valid": valid}
    tag = random_tags(rng, config, count)
    tag["last"][:2], tag["end"][:2] = 1, (0, 1)
    return {"lanes": lanes, "tag": tag}


def terms(config, steps, signed_values):
    """Payloads of the steps: what counts negative is inverted, ``-value - 1``, and its carry is 1."""
    lanes = steps["lanes"]
    values = np.where(signed_values & (lanes["value"] > 127), lanes["value"] - 256, lanes["value"])
    inverted = np.where(lanes["negative"], -values - 1, values)
    return payloads(
        terms_layout(config),
        {"terms": {"sum": inverted, "carry": lanes["negative"]}, "tag": steps["tag"]},
    )


def plain_sums(steps, signed_values):
    """Payloads of the sums, step by step."""
    sums, z = [], 0
    for row, values in enumerate(steps["lanes"]["value"].tolist()):
        for value, negative in zip(values, steps["lanes"]["negative"][row], strict=True):
            if signed_values and value > 127:
                value -= 256
            z += -value if negative else value
        tag = {name: int(field[row]) for name, field in steps["tag"].items()}
        if tag["last"]:
            if z or tag["end"]:
                sums.append({"z": z, "nonzero": int(z != 0), "basis": tag["basis"], "end": tag["end"]})
            z = 0
    return sums


@pytest.mark.parametrize("signed_values", [0, 1])
@pytest.mark.parametrize(("name", "traffic"), CASES)
def test_sums(name, traffic, signed_values):
    config = CONFIGURATIONS[name]
    steps = lane_steps(config, seed=61)
    expected = plain_sums(steps, signed_values)
    assert expected[0]["nonzero"] == 0 and expected[0]["end"] == 1
    sums = stream_transform(
        LaneAccumulator(config),
        terms(config, steps, signed_values),
        outputs=len(expected),
        seed=62,
        **TRAFFIC[traffic],
    )
    assert sums == expected
    assert payloads(z_layout(config), LaneAccumulator.model(config, steps, signed_values)) == expected


def test_sums_wrap():
    config = CONFIGURATIONS["8x8"].replace(z_bits=9)
    steps = lane_steps(config, seed=63)
    expected = payloads(z_layout(config), LaneAccumulator.model(config, steps, 0))
    plain = [row["z"] for row in plain_sums(steps, 0)]
    assert min(plain) < -256 and max(plain) > 255
    sums = stream_transform(LaneAccumulator(config), terms(config, steps, 0), outputs=len(expected))
    assert sums == expected
    wrapped = [z for z in ((z + 256) % 512 - 256 for z in plain) if z]
    assert [row["z"] for row in sums if row["nonzero"]] == wrapped


@pytest.mark.parametrize(("name", "latency"), [("4x1", 2), ("small", 2), ("16x16", 3)])
def test_latency_and_throughput(name, latency):
    config = CONFIGURATIONS[name]
    steps = lane_steps(config, seed=64)
    steps["tag"]["last"][:] = steps["tag"]["end"][:] = 1
    run = stream_run(LaneAccumulator(config), terms(config, steps, 0), outputs=STEPS)
    assert run.accepted == list(range(STEPS))
    assert run.emitted == list(range(latency, STEPS + latency))
