"""What the cycle model takes from words and chunks is what the components' models make of them."""

import numpy as np
import pytest

from hw.concentration import Concentration, column_offsets
from hw.config import Config
from sim.cycle_words import CUT_STEPS, TABLE_WIDTH, cut_table, decode_words, pattern_steps
from sw.records import CoefficientWord, encode_list

WIDE = Config.preset("tiny").replace(chunk=64, lanes=8, lookahead=2, lookaside=3, channels=128, ring=8)


def model_steps(patterns, config):
    match = patterns[:, None] >> np.arange(config.chunk, dtype=np.uint64) & np.uint64(1)
    # The basis, which travels with every step, tells of which pattern it is.
    number = np.arange(len(match))
    tag = {"basis": number, "last": 0 * number, "end": 0 * number}
    steps = Concentration.model(config, {"values": match, "match": match, "negative": 0 * match, "tag": tag})
    return np.bincount(steps["tag"]["basis"]).tolist()


@pytest.mark.parametrize(
    "changes",
    [
        {"lanes": 8},
        {"lanes": 16, "lookahead": 3, "lookaside": 0},
        {"lanes": 1, "lookaside": 0, "lookahead": 0},
        {"lanes": 2, "lookaside": 1},
        {"chunk": 32},
    ],
    ids=str,
)
def test_steps_of_a_pattern(changes):
    config = WIDE.replace(**changes)
    random = np.random.default_rng(1)
    density = random.random((400, 1))
    bits = random.random((400, config.chunk)) < density
    patterns = (bits * (np.uint64(1) << np.arange(config.chunk, dtype=np.uint64))).sum(
        axis=1, dtype=np.uint64
    )
    offsets = np.array(column_offsets(config))
    found = [
        pattern_steps(pattern, config.chunk, config.lanes, config.lookahead, offsets, 0, len(offsets))
        for pattern in patterns
    ]
    assert found == model_steps(patterns, config)


def test_table_of_narrow_chunks():
    config = WIDE.replace(chunk=8, lanes=2, lookahead=1, lookaside=1, channels=16)
    assert config.chunk <= TABLE_WIDTH
    table = cut_table(config)
    assert table[CUT_STEPS:].tolist() == model_steps(np.arange(256, dtype=np.uint64), config)
    for mask, bits in ((0b10110, 0b00100), (0xFF, 0xA5), (0, 0xFF), (0x81, 0x80)):
        places = [place for place in range(8) if mask >> place & 1]
        packed = sum((bits >> place & 1) << at for at, place in enumerate(places))
        assert table[2 * (mask << 8 | bits) :][:2].tolist() == [packed, len(places)]


@pytest.mark.parametrize("chunk", [4, 16, 64])
def test_words_as_they_were_encoded(chunk):
    config = WIDE.replace(chunk=chunk, lanes=4, lookahead=0, channels=2 * chunk)
    random = np.random.default_rng(chunk)
    rows, passes = 3, 4

    def word(last):
        lanes = int(random.integers(0, 1 << min(chunk, 62))) << chunk - min(chunk, 62)
        negative = lanes & int(random.integers(0, 1 << min(chunk, 62)))
        return CoefficientWord(int(random.integers(2)), int(random.integers(3)), lanes, negative, last)

    lists = [
        [
            [word(int(last)) for last in [*(random.random(random.integers(0, 5)) < 0.5), 1]]
            for _ in range(passes)
        ]
        for _ in range(rows)
    ]
    data = [b"".join(encode_list(words, config) for words in row) for row in lists]
    found = decode_words(
        np.frombuffer(b"".join(data), np.uint8),
        np.cumsum([0, *map(len, data)]),
        passes,
        config.chunk_bits,
        config.basis_bits,
        -(-chunk // 8),
    )
    places, of_z, chunks, nonzero, negative = found
    z_seen = []
    for row in range(rows):
        for number in range(passes):
            first, count, z, z_count = places[row, number].tolist()
            words = lists[row][number]
            span = slice(first, first + count)
            assert chunks[span].tolist() == [word.chunk for word in words]
            assert nonzero[span].tolist() == [word.map for word in words]
            assert negative[span].tolist() == [word.negative for word in words]
            ends = [at + 1 for at, word in enumerate(words) if word.last]
            assert of_z[z : z + z_count].tolist() == np.diff([0, *ends]).tolist()
            z_seen.append((number, row, z, z_count))
    # Pass after pass, without a gap.
    assert [z for *_, z, _ in sorted(z_seen)] == np.cumsum([0, *(n for *_, n in sorted(z_seen))])[
        :-1
    ].tolist()
