"""Basis loader: every PE gets its bases in time, and no half of a table is overwritten while it is needed."""

import numpy as np
import pytest

from hw.bases import BasisLoader

from .bench import Bench
from .layers import CONFIGURATIONS, ODD, layer_fields

TINY = CONFIGURATIONS["tiny"].replace(pes=3, requantisers=1)


def run_layers(config, layers, seed):
    """Plays PEs that keep a half until they are through with its pass; gives what was sent in each layer."""
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    words = rng.integers(-128, 128, (config.basis_words, config.taps)).tolist()
    dut = BasisLoader(config)
    bench = Bench(dut, seed=seed)
    store = bench.source(dut.store, [{"address": at, "data": taps} for at, taps in enumerate(words)])
    bases, loaded = bench.sink(dut.bases, always_ready=True), bench.sink(dut.loaded, always_ready=True)
    sent = []

    async def script():
        await bench.until(lambda: store.empty)
        for layer in layers:
            bench.set(dut.layer, layer)
            await bench.pulse(dut.start)
            begun, told, needed = len(bases.payloads), len(loaded.payloads), [False, False]
            passes = layer["passes"] if layer["basis_own"] else 1
            for index in range(passes):
                while len(loaded.payloads) == told + index:
                    await bench.cycle()
                    for payload in loaded.payloads[told + index :]:
                        needed[payload["half"]] = True
                    bench.set(dut.needed, needed[0] | needed[1] << 1)
                # The pass computes while the next one is loaded, which must stop at a table that is full.
                await bench.repeat(int(rng.integers(1, 30)))
                for payload in loaded.payloads[told + index + 1 :]:
                    assert payload["half"] != index % 2
                needed[index % 2] = False
                for payload in loaded.payloads[told + index + 1 :]:
                    needed[payload["half"]] = True
                bench.set(dut.needed, needed[0] | needed[1] << 1)
            await bench.repeat(20)
            halves = [payload["half"] for payload in loaded.payloads[told:]]
            assert halves == [index % 2 for index in range(passes)]
            sent.append(bases.payloads[begun:])

    bench.run(script)
    return words, sent


@pytest.mark.parametrize(
    ("config", "count"), [(config, count) for config in (TINY, ODD) for count in range(1, config.bases + 1)]
)
def test_shared_and_own(config, count):
    shared = layer_fields(basis_base=5, basis_count=count, passes=4)
    own = layer_fields(basis_base=2, basis_count=count, passes=2, basis_own=1)
    words, (first, second, third) = run_layers(config, [shared, own, shared], seed=231)
    assert first == third == BasisLoader.model(words, shared, config.pes)
    assert second == BasisLoader.model(words, own, config.pes)
    assert first == [
        {"pe": 0, "every": 1, "half": 0, "basis": basis, "taps": words[5 + basis]} for basis in range(count)
    ]
    places = [(index, pe, basis) for index in range(2) for pe in range(config.pes) for basis in range(count)]
    assert second == [
        {"pe": pe, "every": 0, "half": index % 2, "basis": basis, "taps": words[2 + at]}
        for at, (index, pe, basis) in enumerate(places)
    ]


def test_never_more_than_a_pass_ahead():
    own = layer_fields(basis_count=1, passes=7, basis_own=1)
    words, (sent,) = run_layers(TINY, [own], seed=232)
    assert len(sent) == 7 * TINY.pes
    assert sent == BasisLoader.model(words, own, TINY.pes)
