"""Reader of windows against plain loops over windows, and the cycles that it takes."""

from itertools import pairwise

import numpy as np
import pytest

from hw.window_reader import WindowReader

from .bench import Bench
from .layers import CONFIGURATIONS
from .streams import TRAFFIC
from .windows import PAST_THE_MAP, plain_places, plain_windows, pool_layer, window_payloads

#: With room for the widest steps.
CONFIG = CONFIGURATIONS["tiny"].replace(activation_words=2048)
WINDOWS = {
    "1x1": {"window": (1, 1), "stride": 1},
    "1x1 step 2": {"window": (1, 1), "stride": 2},
    "2x2": {"window": (2, 2), "stride": 2},
    "2x2 overlapping": {"window": (2, 2), "stride": 1, "pad": (1, 0)},
    "3x3": {"window": (3, 3), "stride": 2, "pad": (1, 1)},
    "3x2": {"window": (3, 2), "stride": 3, "pad": (2, 1)},
    "1x4": {"window": (1, 4), "stride": 3, "pad": (0, 3)},
    "5x1 step 7": {"window": (5, 1), "stride": 7},
    "past the map": PAST_THE_MAP,
}
#: Those that are read in a scan.
SCANS = {
    "2x2": {"window": (2, 2), "stride": 1, "pad": (1, 0)},
    "2x2 side by side": {"window": (2, 2), "stride": 2, "pad": (0, 1)},
    "3x3": {"window": (3, 3), "stride": 2, "pad": (1, 1)},
    "3x3 past the map": {"window": (3, 3), "stride": 2, "pad": (2, 2), "map_size": (1, 1)},
    "3x4": {"window": (3, 4), "stride": 3},
    "4x4": {"window": (4, 4), "stride": 2, "pad": (3, 1)},
    "5x7": {"window": (5, 7), "stride": 4, "pad": (2, 6)},
}


def read(memory, layers, seed, **traffic):
    """The sink of all chunks, the memory port, and the cycles for which each layer kept the unit busy."""
    dut = WindowReader(CONFIG)
    bench = Bench(dut, seed=seed, **traffic)
    port = bench.memory(
        dut.request, dut.response, lambda request: memory[request["bank"], request["address"]].tolist()
    )
    sink = bench.sink(dut.o)
    busy, done = [], 0

    async def script():
        nonlocal done
        for layer in layers:
            bench.set(dut.layer, layer)
            await bench.repeat(2)
            await bench.pulse(dut.start)
            busy.append(await bench.while_high(dut.busy))
            done += len(WindowReader.model(layer))
            assert len(sink.payloads) == done, "not busy before the last chunk was taken"
        await bench.repeat(20)

    bench.run(script)
    return sink, port, busy


def random_layers(name, scan, seed):
    """A memory, and layers of a geometry one after the other, the first of which fills its tensors."""
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    memory = rng.integers(0, 256, (3, CONFIG.activation_words, CONFIG.chunk))
    kind = SCANS[name] | {"scan": 1} if scan else WINDOWS[name]
    return memory, [pool_layer(rng, tile=tile, **kind) for tile in (False, True, True, True)]


def check(memory, layers, seed, traffic):
    sink, port, _ = read(memory, layers, seed, **TRAFFIC[traffic])
    assert sink.payloads == [payload for layer in layers for payload in window_payloads(memory, layer)]
    assert len(port.requests) == len(sink.payloads)
    assert {request["bank"] for request in port.requests} == {layer["input_bank"] for layer in layers}


@pytest.mark.parametrize("traffic", TRAFFIC)
@pytest.mark.parametrize("name", WINDOWS)
def test_layers_one_after_the_other(name, traffic):
    memory, layers = random_layers(name, scan=0, seed=261)
    for layer in layers:
        chunks = WindowReader.model(layer)
        ends = [number + 1 for number, chunk in enumerate(chunks) if chunk["last"]]
        windows = [chunks[first:end] for first, end in pairwise([0, *ends])]
        assert [(window[0]["address"], [chunk["place"] for chunk in window]) for window in windows] == (
            plain_windows(layer)
        )
        assert all(chunk["first"] == (chunk is window[0]) for window in windows for chunk in window)
    check(memory, layers, 261, traffic)


@pytest.mark.parametrize("traffic", TRAFFIC)
@pytest.mark.parametrize("name", SCANS)
def test_scans_one_after_the_other(name, traffic):
    memory, layers = random_layers(name, scan=1, seed=263)
    for layer in layers:
        # What the chunks are good for, the maximum shows. Only the last row and the last column may come twice.
        places = [chunk["place"] for chunk in WindowReader.model(layer)]
        assert set(places) == {place for _, window in plain_windows(layer) for place in window}
        rows, columns = (plain_places(layer, side) for side in range(2))
        both = [sum(window[-1] == side[-1][-1] for window in side) for side in (rows, columns)]
        once = [side[-1][-1] - side[0][0] for side in (rows, columns)]
        assert len(places) == (once[0] + both[0]) * (once[1] + both[1]) * layer["input_chunks"]
    check(memory, layers, 263, traffic)


@pytest.mark.parametrize(("name", "scan"), [*((name, 0) for name in WINDOWS), *((name, 1) for name in SCANS)])
def test_one_chunk_a_cycle(name, scan):
    """Windows, chunks and edges of the map cost nothing beside the chunks that are read."""
    memory, layers = random_layers(name, scan, seed=262)
    sink, port, (busy,) = read(memory, layers[1:2], 262)
    assert np.diff(port.accepted).tolist() == [1] * (len(port.accepted) - 1)
    assert np.diff(sink.emitted).tolist() == [1] * (len(sink.emitted) - 1)
    assert busy == len(sink.payloads) + 3
