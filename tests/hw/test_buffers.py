"""Skid buffer and double buffer: nothing lost, nothing twice, nothing out of order, one transfer a cycle."""

import random

import pytest

from hw.double_buffer import DoubleBuffer
from hw.skid import SkidBuffer

from .streams import TRAFFIC, stream_run, stream_transform

BUFFERS = pytest.mark.parametrize("buffer", [SkidBuffer, DoubleBuffer])


@BUFFERS
@pytest.mark.parametrize("traffic", TRAFFIC)
def test_passes_everything_on(traffic, buffer):
    seed = 91
    print(f"seed {seed}")
    generator = random.Random(seed)
    values = [generator.randrange(1 << 16) for _ in range(250)]
    for trial in range(3):
        got = stream_transform(buffer(16), values, outputs=len(values), seed=seed + trial, **TRAFFIC[traffic])
        assert got == values


@BUFFERS
def test_latency_and_throughput(buffer):
    run = stream_run(buffer(8), list(range(40)), outputs=40)
    assert run.accepted == list(range(run.accepted[0], run.accepted[0] + 40))
    assert [after - before for before, after in zip(run.accepted, run.emitted, strict=True)] == [1] * 40
