"""SparseMap encoder and decoder against the plain meaning, under all traffic."""

import numpy as np
import pytest
from amaranth.lib import data

from hw.config import Config
from hw.formats import ring_layout
from hw.sparsemap import SparseMapDecoder, SparseMapEncoder, ring_chunks

from .streams import TRAFFIC, payloads, stream_run, stream_transform

CHUNKS = 60


def config_of(chunk):
    return Config(chunk=chunk, lanes=2, lookahead=0, channels=4 * chunk)


def dense_chunks(width, bits, seed, count=CHUNKS):
    """Chunks of all densities, with an empty, a full and an alternating one in front."""
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    dense = rng.integers(1, 1 << bits, (count, width)) * (rng.random((count, width)) < rng.random((count, 1)))
    dense[:3] = (1 << bits) - 1
    dense[0], dense[2, ::2] = 0, 0
    return dense


def plain_sparse(row):
    """Mask and packed values of one chunk."""
    values = [value for value in row.tolist() if value]
    mask = sum(1 << lane for lane, value in enumerate(row.tolist()) if value)
    return mask, values + [0] * (len(row) - len(values))


@pytest.mark.parametrize("traffic", TRAFFIC)
@pytest.mark.parametrize("chunk", [2, 4, 16])
def test_encoder(chunk, traffic):
    config = config_of(chunk)
    dense = dense_chunks(chunk, 8, seed=chunk)
    encoded = stream_transform(
        SparseMapEncoder(config), dense.tolist(), outputs=len(dense), seed=31, **TRAFFIC[traffic]
    )
    assert [(row["mask"], row["values"]) for row in encoded] == [plain_sparse(row) for row in dense]
    assert encoded == payloads(ring_layout(config), SparseMapEncoder.model(dense))


@pytest.mark.parametrize("traffic", TRAFFIC)
@pytest.mark.parametrize(("width", "bits"), [(2, 8), (4, 1), (16, 8), (32, 1)])
def test_decoder(width, bits, traffic):
    dense = dense_chunks(width, bits, seed=width + bits)
    mask = (dense != 0).astype(np.int64)
    packed = np.array([plain_sparse(row)[1] for row in dense])
    packed += np.where(np.arange(width) < mask.sum(axis=-1, keepdims=True), 0, 1)
    layout = data.StructLayout({"mask": width, "values": data.ArrayLayout(bits, width)})
    decoded = stream_transform(
        SparseMapDecoder(width, bits),
        payloads(layout, {"mask": mask, "values": packed}),
        outputs=len(dense),
        seed=32,
        **TRAFFIC[traffic],
    )
    assert decoded == payloads(layout, {"mask": mask, "values": dense})
    assert np.array_equal(SparseMapDecoder.model(mask, packed), dense)


def test_one_chunk_a_cycle_after_three_cycles_and_two():
    dense = dense_chunks(8, 8, seed=5)
    run = stream_run(SparseMapEncoder(config_of(8)), dense.tolist(), outputs=len(dense))
    assert run.accepted == list(range(len(dense)))
    assert run.emitted == list(range(3, len(dense) + 3))
    layout = data.StructLayout({"mask": 8, "values": data.ArrayLayout(8, 8)})
    packed = payloads(layout, SparseMapEncoder.model(dense))
    run = stream_run(SparseMapDecoder(8, 8), packed, outputs=len(dense))
    assert run.accepted == list(range(len(dense)))
    assert run.emitted == list(range(2, len(dense) + 2))


def test_the_ring_holds_what_the_rows_read():
    dense = dense_chunks(4, 8, seed=58)
    packed = ring_chunks(config_of(4), dense)
    assert sorted(packed) == ["controls", "mask", "values"]
    rows = [plain_sparse(row) for row in dense]
    assert [sum(bit << at for at, bit in enumerate(mask)) for mask in packed["mask"].tolist()] == [
        mask for mask, _ in rows
    ]
    assert packed["values"].tolist() == [values for _, values in rows]
    plain = ring_chunks(config_of(4).replace(accumulation="tree"), dense)
    assert sorted(plain) == ["values"] and np.array_equal(plain["values"], dense)
