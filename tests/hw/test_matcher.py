"""Matcher: every word meets its own chunk, waits for it, and its last word releases the pixel."""

import numpy as np
import pytest

from hw.coefficients import CoefficientWalker, walked_layout
from hw.formats import pair_layout, ring_layout
from hw.matcher import Matcher

from .bench import Bench
from .layers import CONFIGURATIONS, random_chunks, random_lists, ring_pixels
from .streams import TRAFFIC, payloads

CONFIG = CONFIGURATIONS["tiny"]
PIXELS, CHUNKS = 12, 3


def match(seed, *, room=1.0, **traffic):
    """Pairs of a random walk over a map, the bench's sink and reader, the words and the map as the model takes them.

    ``room`` is the probability, each cycle, that there is some.
    """
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    _, chunks = random_chunks(rng, CONFIG, PIXELS, CHUNKS)
    words = CoefficientWalker.model(random_lists(rng, CONFIG, 1, CHUNKS), PIXELS)
    walked = payloads(
        walked_layout(CONFIG), {"word": {name: words[name] for name in words}, "end": words["end"]}
    )
    dut = Matcher(CONFIG)
    bench = Bench(dut, seed=seed, **traffic)
    source = bench.source(dut.i, walked)
    reader = bench.ring_reader(dut.reader, ring_pixels(ring_layout(CONFIG), chunks), CONFIG.ring)
    sink = bench.sink(dut.o)

    closed = set()

    async def cycle():
        is_room = bench.rng.random() < room
        bench.set(dut.room, is_room)
        if not is_room:
            closed.add(bench.cycles)
        await bench.cycle()

    async def script():
        while len(sink.payloads) < len(walked):
            await cycle()
        for _ in range(20):
            await cycle()

    bench.run(script)
    assert not closed.intersection(source.accepted)
    return sink, source, reader, words, chunks


@pytest.mark.parametrize("traffic", TRAFFIC)
@pytest.mark.parametrize("seed", [131, 132, 133])
def test_pairs(seed, traffic):
    sink, _, reader, words, chunks = match(seed, **TRAFFIC[traffic])
    assert sink.payloads == payloads(pair_layout(CONFIG), Matcher.model(words, chunks))
    for index, pair in enumerate(sink.payloads):
        chunk = {name: field[words["pixel"][index], words["chunk"][index]] for name, field in chunks.items()}
        assert pair["mask"] == sum(int(bit) << lane for lane, bit in enumerate(chunk["mask"]))
        assert pair["values"] == chunk["values"].tolist()
        assert pair["tag"]["basis"] == words["basis"][index]
    assert reader.released == PIXELS


def test_words_wait_for_room():
    sink, source, reader, words, chunks = match(135, room=0.4)
    assert sink.payloads == payloads(pair_layout(CONFIG), Matcher.model(words, chunks))
    assert sink.emitted == [cycle + 1 for cycle in source.accepted]
    assert reader.released == PIXELS


def test_one_pair_a_cycle_after_one_cycle():
    """One word a pixel would wait for the ring; several words of the pixels that are there do not."""
    rng = np.random.default_rng(134)
    _, chunks = random_chunks(rng, CONFIG, 2, 1)
    word = {"map": 5, "negative": 4, "chunk": 0, "basis": 1, "last": 1}
    dut = Matcher(CONFIG)
    bench = Bench(dut, seed=134)
    reader = bench.ring_reader(dut.reader, ring_pixels(ring_layout(CONFIG), chunks), CONFIG.ring)
    sink = bench.sink(dut.o)

    async def script():
        bench.set(dut.room, 1)
        await bench.repeat(4)
        source = bench.source(dut.i, [{"word": word, "end": int(index in (9, 19))} for index in range(20)])
        await bench.repeat(40)
        assert sink.emitted == [cycle + 1 for cycle in source.accepted]
        assert np.diff(source.accepted).tolist() == [1] * 19

    bench.run(script)
    assert reader.released == 2


def test_no_cycle_before_the_tree():
    config = CONFIGURATIONS["tree"]
    rng = np.random.default_rng(136)
    _, chunks = random_chunks(rng, config, 2, 1)
    word = {"map": 5, "negative": 4, "chunk": 0, "basis": 1, "last": 1}
    dut = Matcher(config)
    bench = Bench(dut, seed=136)
    bench.ring_reader(dut.reader, ring_pixels(ring_layout(config), chunks), config.ring)
    sink = bench.sink(dut.o)

    async def script():
        bench.set(dut.room, 1)
        await bench.repeat(4)
        source = bench.source(dut.i, [{"word": word, "end": int(index in (9, 19))} for index in range(20)])
        await bench.repeat(40)
        assert sink.emitted == source.accepted
        assert np.diff(source.accepted).tolist() == [1] * 19

    bench.run(script)
    assert [pair["values"] for pair in sink.payloads] == [
        chunks["values"][index // 10, 0].tolist() for index in range(20)
    ]
