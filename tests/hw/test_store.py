"""Store: every word arrives at its own memory after one cycle, and at no other; activations wait to be taken."""

import numpy as np
import pytest

from hw.config import Config
from hw.loader import write_layout
from hw.protocol import Target
from hw.store import Store

from .bench import Bench
from .layers import CONFIGURATIONS
from .streams import TRAFFIC, decode

WORDS = 200


@pytest.mark.parametrize("traffic", TRAFFIC)
@pytest.mark.parametrize(
    "config",
    [CONFIGURATIONS["three rows"], Config.preset("small"), Config.preset("small").replace(tables=2)],
    ids=["tiny", "small", "tables"],
)
def test_words_by_target(config, traffic):
    seed = 231
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    dut = Store(config)
    bench = Bench(dut, seed=seed, **TRAFFIC[traffic])
    rows = config.pes * config.rows
    ports = {
        (Target.PROGRAM, 0): dut.program,
        (Target.BASIS, 0): dut.basis,
        (Target.SCALE, 0): dut.scale,
        **({(Target.TABLE, 0): dut.table} if config.tables else {}),
        **{(Target.COEFFICIENT, row): dut.coefficients for row in range(rows)},
        **{(Target.ACTIVATION, bank): dut.activations for bank in range(3)},
    }
    destinations = list(ports)
    width = write_layout(config)["data"].width
    words = []
    for _ in range(WORDS):
        target, index = destinations[rng.integers(len(destinations))]
        address = int(rng.integers(min(config.basis_words, config.activation_words)))
        value = int.from_bytes(rng.bytes(width // 8 + 1), "little") % (1 << width)
        words.append({"target": target, "index": index, "address": address, "data": value})
    source = bench.source(dut.i, words)
    waits = id(dut.activations)
    unique = {id(port): port for port in ports.values()}
    sinks = {key: bench.sink(port, always_ready=key != waits) for key, port in unique.items()}

    async def script():
        await bench.until(lambda: source.empty)
        await bench.repeat(30)

    bench.run(script)
    arrived = {key: [] for key in sinks}
    for word, cycle in zip(words, source.accepted, strict=True):
        target, index = word["target"], word["index"]
        port = ports[target, index]
        shape = port.payload.shape()
        if target is Target.COEFFICIENT:
            shape = shape["write"].shape
        member = shape["values" if target is Target.ACTIVATION else "data"]
        value = decode(member.shape, word["data"] & ((1 << member.width) - 1))
        payload = {"address": word["address"], "data": value}
        if target is Target.ACTIVATION:
            full = (1 << config.chunk) - 1
            payload = {"bank": index, "address": word["address"], "lanes": full, "values": value}
        if target is Target.COEFFICIENT:
            payload = {"row": index, "write": payload}
        arrived[id(port)].append((cycle + 1, payload))
    for key, sink in sinks.items():
        assert sink.payloads == [payload for _, payload in arrived[key]]
        if key != waits or not TRAFFIC[traffic]["back_pressure"]:
            assert sink.emitted == [cycle for cycle, _ in arrived[key]]
