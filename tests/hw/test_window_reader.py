"""Reader of windows against plain loops over windows, and the cycles that it takes."""

import numpy as np
import pytest

from hw.window_reader import WindowReader

from .bench import Bench
from .layers import CONFIGURATIONS
from .streams import TRAFFIC
from .windows import PAST_THE_MAP, plain_windows, pool_layer, window_payloads

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
            done += sum(len(places) for _, places in plain_windows(layer))
            assert len(sink.payloads) == done, "not busy before the last chunk was taken"
        await bench.repeat(20)

    bench.run(script)
    return sink, port, busy


@pytest.mark.parametrize("traffic", TRAFFIC)
@pytest.mark.parametrize("name", WINDOWS)
def test_layers_one_after_the_other(name, traffic):
    seed = 261
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    memory = rng.integers(0, 256, (3, CONFIG.activation_words, CONFIG.chunk))
    layers = [pool_layer(rng, tile=tile, **WINDOWS[name]) for tile in (False, True, True)]
    for layer in layers:
        assert WindowReader.model(layer) == plain_windows(layer)
    sink, port, _ = read(memory, layers, seed, **TRAFFIC[traffic])
    assert sink.payloads == [payload for layer in layers for payload in window_payloads(memory, layer)]
    assert len(port.requests) == len(sink.payloads)


@pytest.mark.parametrize("name", WINDOWS)
def test_one_chunk_a_cycle(name):
    """Windows, chunks and edges of the map cost nothing beside the chunks that are read."""
    rng = np.random.default_rng(262)
    memory = np.zeros((3, CONFIG.activation_words, CONFIG.chunk), np.int64)
    layer = pool_layer(rng, tile=True, **WINDOWS[name])
    sink, port, (busy,) = read(memory, [layer], 262)
    assert np.diff(port.accepted).tolist() == [1] * (len(port.accepted) - 1)
    assert np.diff(sink.emitted).tolist() == [1] * (len(sink.emitted) - 1)
    assert busy == len(sink.payloads) + 3
