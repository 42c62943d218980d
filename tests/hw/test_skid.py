"""Skid buffer: nothing lost, nothing twice, nothing out of order, one transfer a cycle."""

import random

import pytest

from hw.skid import SkidBuffer

from .streams import TRAFFIC, stream_run, stream_transform


@pytest.mark.parametrize("traffic", TRAFFIC)
def test_passes_everything_on(traffic):
    seed = 91
    print(f"seed {seed}")
    generator = random.Random(seed)
    values = [generator.randrange(1 << 16) for _ in range(250)]
    for trial in range(3):
        got = stream_transform(
            SkidBuffer(16), values, outputs=len(values), seed=seed + trial, **TRAFFIC[traffic]
        )
        assert got == values


def test_latency_and_throughput():
    run = stream_run(SkidBuffer(8), list(range(40)), outputs=40)
    assert run.accepted == list(range(run.accepted[0], run.accepted[0] + 40))
    assert [after - before for before, after in zip(run.accepted, run.emitted, strict=True)] == [1] * 40
