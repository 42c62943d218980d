"""Configurations and random chunks for the tests of channel accumulation and its parts."""

import numpy as np

from hw.butterfly import ControlDecoder
from hw.config import PRESETS, Config
from hw.sparsemap import ring_chunks

from .streams import TRAFFIC

__all__ = ["CASES", "CONFIGURATIONS", "diluted_chunks", "pair_chunks", "random_tags"]


def _config(chunk, lanes, lookahead, lookaside):
    return Config(
        chunk=chunk, lanes=lanes, lookahead=lookahead, lookaside=lookaside, channels=4 * chunk, line=16
    )


#: Configurations by name: the presets, and every way in which the window can be degenerate.
CONFIGURATIONS = {
    "tiny": Config.preset("tiny"),
    "small": Config.preset("small").replace(accumulation="concentration"),
    "8x8": _config(8, 8, 0, 2),
    "8x2 ahead 3 aside 0": _config(8, 2, 3, 0),
    "8x2 ahead 3 aside 1": _config(8, 2, 3, 1),
    "16x4 ahead 2 aside 2": _config(16, 4, 2, 2),
    "16x16": _config(16, 16, 0, 1),
    "4x1": _config(4, 1, 2, 0),
}

#: Configurations and traffic that go together: the presets under all traffic, the others under the hardest.
CASES = [
    (name, traffic) for name in CONFIGURATIONS for traffic in TRAFFIC if name in PRESETS or traffic == "both"
]


def random_tags(rng, config, count):
    """Tags that close sums of one to several chunks; the last chunk closes everything."""
    last = rng.random(count) < 0.4
    last[-1] = True
    end = last & (rng.random(count) < 0.4)
    return {
        "basis": rng.integers(0, config.bases, count),
        "last": last.astype(np.int64),
        "end": end.astype(np.int64),
    }


def _bits_of_all_densities(rng, count, width):
    bits = (rng.random((count, width)) < rng.random((count, 1))).astype(np.int64)
    bits[0], bits[1] = 0, 1
    return bits


def diluted_chunks(config, seed, count):
    """Chunks after dilution: any matches, signs among them."""
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    match = _bits_of_all_densities(rng, count, config.chunk)
    return {
        "values": rng.integers(0, 256, match.shape),
        "match": match,
        "negative": match * rng.integers(0, 2, match.shape),
        "tag": random_tags(rng, config, count),
    }


def pair_chunks(config, seed, count):
    """``(dense, coefficients, pairs)``: dense bytes and ternary coefficients ``[n, N]``, and the pairs made of them."""
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    dense = rng.integers(1, 256, (count, config.chunk)) * _bits_of_all_densities(rng, count, config.chunk)
    map_ = _bits_of_all_densities(rng, count, config.chunk)[::-1]
    coefficients = map_ * rng.choice([-1, 1], map_.shape)
    chunks = ring_chunks(config, dense)
    if config.accumulation == "concentration":
        assert np.array_equal(chunks["controls"], ControlDecoder.model(dense != 0))
    pairs = {
        **chunks,
        "map": (coefficients != 0).astype(np.int64),
        "negative": (coefficients < 0).astype(np.int64),
        "tag": random_tags(rng, config, count),
    }
    return dense, coefficients, pairs
