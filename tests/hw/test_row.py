"""Rows against plain dot products of dense activations, layer after layer, with the ring at its own pace."""

import numpy as np
import pytest

from hw.formats import ring_layout, z_layout
from hw.row import Row

from .bench import Bench
from .layers import (
    CONFIGURATIONS,
    coefficient_writes,
    layer_fields,
    plain_z,
    random_chunks,
    random_lists,
    ring_pixels,
)
from .streams import TRAFFIC, payloads


def elements(made):
    """Payloads of ``plain_z``: a zero travels only where a pixel has nothing else."""
    payload_rows = []
    for pixel in made:
        kept = [element for element in pixel if element[0]] or pixel[-1:]
        payload_rows += [
            {"z": z, "nonzero": int(z != 0), "basis": basis, "end": int(index == len(kept) - 1)}
            for index, (z, basis) in enumerate(kept)
        ]
    return payload_rows


def random_layer(rng, config, base, *, passes, height, width, chunks, signed, density=0.6, most=6):
    """Fields, dense map, the map as models take it, coefficient lists."""
    fields = layer_fields(
        coefficient_base=base,
        passes=passes,
        height=height,
        width=width,
        input_chunks=chunks,
        input_signed=signed,
    )
    dense, map_ = random_chunks(rng, config, height * width, chunks, density)
    return fields, dense, map_, random_lists(rng, config, passes, chunks, most=most)


def run_row(config, layer, seed, **traffic):
    fields, _, map_, lists = layer
    dut = Row(config)
    bench = Bench(dut, seed=seed, **traffic)
    writer = bench.source(dut.coefficients, coefficient_writes(config, lists, fields["coefficient_base"]))
    pixels = ring_pixels(ring_layout(config), map_) * fields["passes"]
    reader = bench.ring_reader(dut.reader, pixels, config.ring)
    sink = bench.sink(dut.z)

    async def script():
        bench.set(dut.layer, fields)
        await bench.until(lambda: writer.empty)
        await bench.pulse(dut.start)
        await bench.until(lambda: reader.released == len(pixels))
        await bench.repeat(round(100 / (1 - traffic.get("back_pressure", 0))))

    bench.run(script)
    return sink


@pytest.mark.parametrize("signed", [0, 1])
@pytest.mark.parametrize("traffic", TRAFFIC)
@pytest.mark.parametrize("name", ["tiny", "lanes of a chunk", "tree", "odd"])
def test_elements(name, traffic, signed):
    seed = 141 + signed
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    config = CONFIGURATIONS[name]
    layer = random_layer(rng, config, 17, passes=3, height=3, width=2, chunks=3, signed=signed)
    _, dense, map_, lists = layer
    sink = run_row(config, layer, seed, **TRAFFIC[traffic])
    assert sink.payloads == elements(plain_z(config, dense, lists, signed))
    assert sink.payloads == payloads(z_layout(config), Row.model(config, map_, lists, signed))


@pytest.mark.parametrize("name", ["tiny", "lanes of a chunk", "tree", "odd"])
@pytest.mark.parametrize("spare", [0, 1, 8])
def test_nothing_is_lost_before_a_slow_mac(name, spare):
    """Every word makes a ``z``, and the MAC takes one in ten cycles: the FIFO is full all the time."""
    seed = 145 + spare
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    config = CONFIGURATIONS[name]
    config = config.replace(z_fifo=config.z_in_flight + spare)
    layer = random_layer(
        rng, config, 0, passes=2, height=4, width=3, chunks=1, signed=0, density=1.0, most=12
    )
    _, dense, _, lists = layer
    sink = run_row(config, layer, seed, back_pressure=0.9)
    assert sink.payloads == elements(plain_z(config, dense, lists, 0))


def test_map_of_zeros_closes_every_pixel():
    config = CONFIGURATIONS["tiny"]
    rng = np.random.default_rng(143)
    layer = random_layer(rng, config, 0, passes=2, height=2, width=3, chunks=2, signed=0, density=0)
    sink = run_row(config, layer, 143)
    assert [element["end"] for element in sink.payloads] == [1] * 12
    assert all(not element["nonzero"] and element["z"] == 0 for element in sink.payloads)


def test_one_word_a_cycle_where_matches_fit_the_lanes():
    """With as many lanes as a chunk has channels no word takes longer; the map is there before it is wanted."""
    config = CONFIGURATIONS["lanes of a chunk"]
    rng = np.random.default_rng(144)
    layer = random_layer(rng, config, 0, passes=1, height=5, width=5, chunks=1, signed=0, density=1.0, most=3)
    layer[3][0] = {
        "map": np.ones((3, config.chunk), np.int64),
        "negative": np.zeros((3, config.chunk), np.int64),
        "chunk": np.zeros(3, np.int64),
        "basis": np.arange(3),
        "last": np.ones(3, np.int64),
    }
    sink = run_row(config, layer, 144)
    assert np.diff(sink.emitted).tolist() == [1] * (3 * 25 - 1)
