"""Coefficient walk: every word of every list, in order, for every pixel; and what a header costs."""

import numpy as np
import pytest

from hw.coefficients import CoefficientWalker, walked_layout

from .bench import Bench
from .layers import CONFIGURATIONS, coefficient_writes, layer_fields, random_lists
from .streams import TRAFFIC, payloads

CONFIG = CONFIGURATIONS["tiny"]


def plain_walk(config, lists, pixels):
    """Payloads of the words given, list by list and pixel by pixel."""
    given = []
    for words in lists:
        rows = payloads(walked_layout(config).members["word"], words)
        for _ in range(pixels):
            given += [{"word": row, "end": int(row is rows[-1])} for row in rows]
    return given


def walk(layers, seed, **traffic):
    """Run ``(fields, lists)`` layers; gives the sink."""
    dut = CoefficientWalker(CONFIG)
    bench = Bench(dut, seed=seed, **traffic)
    writer = bench.source(dut.write)
    sink = bench.sink(dut.o)

    async def script():
        wanted = 0
        for fields, lists in layers:
            writer.extend(coefficient_writes(CONFIG, lists, fields["coefficient_base"]))
        await bench.until(lambda: writer.empty)
        for fields, lists in layers:
            bench.set(dut.layer, fields)
            await bench.pulse(dut.start)
            wanted += len(plain_walk(CONFIG, lists, fields["height"] * fields["width"]))
            await bench.take(sink, wanted)
        await bench.repeat(30)

    bench.run(script)
    return sink


@pytest.mark.parametrize("traffic", TRAFFIC)
def test_layers_one_after_the_other(traffic):
    seed = 121
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    layers, base = [], 3
    for passes, height, width, most in ((3, 2, 3, 6), (1, 1, 1, 1), (4, 1, 1, 5), (2, 4, 2, 1)):
        lists = random_lists(rng, CONFIG, passes, CONFIG.chunks, most=most)
        fields = layer_fields(coefficient_base=base, passes=passes, height=height, width=width)
        layers.append((fields, lists))
        base += passes + sum(len(words["last"]) for words in lists) + 2
    sink = walk(layers, seed, **TRAFFIC[traffic])
    expected = [
        word
        for fields, lists in layers
        for word in plain_walk(CONFIG, lists, fields["height"] * fields["width"])
    ]
    assert sink.payloads == expected


def test_lists_at_the_end_of_memory():
    rng = np.random.default_rng(122)
    lists = random_lists(rng, CONFIG, 1, CONFIG.chunks)
    base = CONFIG.coefficient_words - 1 - len(lists[0]["last"])
    fields = layer_fields(coefficient_base=base, passes=1, height=2, width=2)
    assert walk([(fields, lists)], 122).payloads == plain_walk(CONFIG, lists, 4)


def test_one_word_a_cycle_and_three_cycles_a_header():
    rng = np.random.default_rng(123)
    lists = random_lists(rng, CONFIG, 5, CONFIG.chunks, most=3)
    pixels = 6
    fields = layer_fields(coefficient_base=0, passes=5, height=2, width=3)
    sink = walk([(fields, lists)], 123)
    first_of_pass = set(np.cumsum([pixels * len(words["last"]) for words in lists]).tolist())
    steps = np.diff(sink.emitted)
    for index, step in enumerate(steps, start=1):
        assert step == (4 if index in first_of_pass else 1), f"word {index}"


def test_model():
    seed = 124
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    lists = random_lists(rng, CONFIG, 4, CONFIG.chunks)
    given = CoefficientWalker.model(lists, 5)
    words = {name: given[name] for name in lists[0]}
    assert payloads(walked_layout(CONFIG), {"word": words, "end": given["end"]}) == plain_walk(
        CONFIG, lists, 5
    )
    counts = [len(words["last"]) for words in lists]
    assert given["pixel"].tolist() == [pixel for count in counts for pixel in range(5) for _ in range(count)]
